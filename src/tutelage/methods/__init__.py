"""Every method as it was published: which losses, on which layers, with which weights.

A file has functions ``method(pair: Pair) -> Objective``; they are found by their names, so a new method is a new
function here, or one of your own under its dotted path (``my_lab.methods:mine``). Functions of a ``Sequence[Pair]`` are
for several teachers at once (``methods.several``). The term called ``label`` is the task's own loss, cross entropy for
classes.
Weights are those of each method's source for CIFAR-100, the docstring says which.
"""

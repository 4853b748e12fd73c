"""``(student, teacher, …) -> scalar``; a function, or a module if and only if it owns weights.

One file for what a method's losses compute; nothing is registered. A file of losses has

* functions whose return type is ``Divergence``, ``Relational``, ``Scalar`` or ``BatchScalar`` and whose required
  arguments are typed by the names of ``tutelage.shapes``, which is how the contract test finds them and draws their
  inputs;
* or classes, for losses that own weights: ``forward`` is typed in the same way, and the class method
  ``example(sizes)`` builds a small one, where ``sizes`` is what each letter of a shape stands for (``{"C": 5, …}``);
* ``CITATIONS``: the name of each loss -> the BibTeX of the papers it comes from, for the report to print.

A loss passes gradients to whatever wants them, the teacher's tensor too: where you call one yourself, ask the teacher
under ``torch.no_grad()``, as ``tutelage.teachers`` does. It computes in float32 or more, and returns no less than 0 for
a divergence, whatever rounding does. Numbers that cannot be computed with, such as a temperature of 0 or a weight that
is no number, are a ``ValueError``. Logits of −∞ are classes that are ruled out: by both, or by the teacher, they count
nothing; by the student alone, they make the loss infinite. Where no class is left, or a logit is +∞, the loss is no
finite number, on which a training stops.
"""

"""``(student, teacher, …) -> scalar``; a function, or a module if and only if it owns weights.

One file for what a method's losses compute; nothing is registered. A file of losses has

* functions whose return type is ``Divergence``, ``Relational`` or ``Scalar`` and whose required arguments are typed by
  the names of ``tutelage.shapes``, which is how the contract test finds them and draws their inputs;
* or classes, for losses that own weights: ``forward`` is typed in the same way, and the class method
  ``example(sizes)`` builds a small one, where ``sizes`` is what each letter of a shape stands for (``{"C": 5, …}``);
* ``CITATIONS``: the name of each loss -> the BibTeX of the papers it comes from, for the report to print.
"""

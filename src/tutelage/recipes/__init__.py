"""Complete experiments as functions; their keyword arguments are their flags.

A recipe is a public function whose first argument is called ``run`` and whose others are keyword-only, annotated, and
have defaults: ``def hinton(run: "Run", *, label: Share = 0.1, student: Net = STUDENT) -> None``. Flags may be ``int``,
``float``, ``str``, ``bool``, ``Path``, ``Literal``, ``… | None`` and ``tuple[…, ...]`` or ``list`` of these,
with the bounds of ``tutelage.study.bounds`` in their annotations; a frozen dataclass of such fields is a box of flags,
``--student.epochs``. The names in ``tutelage.cli.common`` (``--device``, ``--threads``, …) are taken. Before
anything else a recipe refuses what its annotations do not allow: ``refuse_nonsense(hinton, locals())``.

A preset is a ``functools.partial`` of the recipe in the same module, named ``<recipe>_<preset>``: ``hinton_quick =
partial(hinton, jittered_epochs=0)``. The recipe's own defaults are the preset ``paper`` where its module says in
``PAPER`` what it repeats, else ``default``. A package is one group of recipes, ``mnist:hinton``; what holds none is not
imported for a list of them.

What ``tutelage ls`` and ``--help`` say is in the docstrings. The first line of a package or module says what it is
about, a recipe's first line what it does. At the end of a recipe's docstring its own flags are explained, in the form
that most tools read; those of settings have their help below each field::

    Args:
        temperature: softness of the teacher's probabilities; 1 leaves them as they are

A recipe module imports torch, and whatever imports torch, inside its functions only (types under ``TYPE_CHECKING``):
otherwise every ``--help`` waits for it.
"""

"""Complete experiments as functions; their keyword arguments are their flags.

A recipe is a public function whose first argument is called ``run`` and whose others are keyword-only, annotated, and
have defaults: ``def hinton(run: "Run", *, temperature: float = 20.0, seed: int = 0) -> None``. Flags may be ``int``,
``float``, ``str``, ``bool``, ``Path``, ``Literal``, ``… | None`` and ``tuple[…, ...]`` or ``list`` of these; the names
in ``tutelage.cli.common`` (``--device``, ``--threads``, …) are taken. A preset is a ``functools.partial`` of the recipe
in the same module, named ``<recipe>_<preset>``: ``hinton_quick = partial(hinton, epochs=6)``.

What ``tutelage ls`` and ``--help`` say is in the docstrings. A module's first line says what it is about and which
data it needs, a recipe's first line what it does. At the end of a recipe's docstring the flags whose names do not say
enough are explained, in the form that most tools read::

    Args:
        temperature: softness of the teacher's probabilities; 1 leaves them as they are

A recipe module imports torch, and whatever imports torch, inside its functions only (types under ``TYPE_CHECKING``):
otherwise every ``--help`` waits for it.
"""

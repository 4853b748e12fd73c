"""Writes the pages that follow from the code, docs/reference.md and docs/methods.md, and those of results/.

``make docs`` calls it. The code is read, not run: signatures and docstrings stand here as they are written, whatever is
installed.
"""

import ast
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import tutelage
from tutelage.cli.find import headline, purpose
from tutelage.cli.recipe import recipes_in, shipped
from tutelage.report.kept import publish_kept

DOCS = Path(__file__).resolve().parent
RESULTS = DOCS.parent / "results"
COMMANDS = ("tutelage.__main__", "tutelage.cli", "tutelage.recipes", "tutelage.report")  # docs/command.md
NO_METHODS = (
    "cli",
    "data",
    "own_data",
    "deployment",
    "recipes",
    "report",
)  # packages whose functions are tools, or have a table of their own
SOURCE = re.compile(r"arXiv|doi|\"[^\"]+\",.*\b(18|19|20)\d\d\b", re.DOTALL)
GENERATED = "<!-- Written by docs/generate.py from the docstrings; edit those, then run `make docs`. -->"
WIDEST = 100  # characters of a signature on one line

Member = ast.FunctionDef | ast.ClassDef


def pages() -> dict[str, str]:
    """File name -> text of every generated page."""
    return {"reference.md": reference(), "methods.md": methods()}


def reference() -> str:
    """Every public name of every module, in the modules' own words."""
    parts = [
        GENERATED,
        "# Reference",
        "Every name is imported from its module: `from tutelage.losses.kd import soft_targets`. What most people need "
        f"is found in `tutelage` itself, too: {', '.join(f'`{name}`' for name in tutelage.__all__)}. What only the "
        "command uses is not listed here; see [the command](command.md).",
    ]
    found = [(name, ast.parse(file.read_text(encoding="utf-8"))) for name, file in modules()]
    told = [(name, tree) for name, tree in found if public(tree) or any(constants(tree))]
    parts.append("\n".join(f"- [`{name}`](#{anchor(name)}) {first_line(tree)}" for name, tree in told))
    for name, tree in told:
        parts += [f"## {name}", prose(ast.get_docstring(tree) or "")]
        parts += [f"- `{one} = {value}`: {meaning}" for one, value, meaning in constants(tree)]
        for member in public(tree):
            parts += described(member, name)
    return "\n\n".join(part for part in parts if part) + "\n"


def methods() -> str:
    """Every method, what it computes and whom it comes from, by family."""
    parts = [
        GENERATED,
        "# Methods",
        "What there is, by family. Signatures and examples are in the [reference](reference.md).",
    ]
    for family in families():
        rows = [
            f"| [`{short(name)}.{member.name}`](reference.md#{anchor(f'{short(name)}.{member.name}')}) "
            f"| {cell(paragraphs(member)[0])} | {cell(source(member))} |"
            for name, file in modules()
            if f"{name}.".startswith(f"tutelage.{family}.")
            for member in public(ast.parse(file.read_text(encoding="utf-8")))
            if ast.get_docstring(member)
        ]
        if rows:
            parts += [f"## {family}", "\n".join(["| name | what it is | source |", "|---|---|---|", *rows])]
    recipes = [
        f"| `{recipe.name}` | {cell(headline(recipe.function))} | {', '.join(recipe.presets)} |"
        for short, module in shipped().items()
        for recipe in recipes_in(module, short)
    ]
    parts += ["## recipes", "\n".join(["| name | what it is | presets |", "|---|---|---|", *recipes])]
    return "\n\n".join(parts) + "\n"


def modules() -> list[tuple[str, Path]]:
    """Dotted name and file of every module that one imports, in alphabetical order."""
    found = []
    for info in pkgutil.walk_packages(tutelage.__path__, "tutelage."):
        if not info.name.startswith(COMMANDS):
            path = DOCS.parent.joinpath("src", *info.name.split("."))
            found.append((info.name, path / "__init__.py" if info.ispkg else path.with_suffix(".py")))
    return sorted(found)


def families() -> list[str]:
    packages = [info.name for info in pkgutil.iter_modules(tutelage.__path__) if info.ispkg]
    return sorted(name for name in packages if name not in NO_METHODS)


def public(tree: ast.Module) -> list[Member]:
    inherit(tree)
    return [x for x in tree.body if isinstance(x, Member) and not x.name.startswith("_")]


def inherit(tree: ast.Module) -> None:
    """Give classes without an ``__init__`` that of a base of theirs in the same module."""
    inits: dict[str, ast.FunctionDef] = {}
    for made in (x for x in tree.body if isinstance(x, ast.ClassDef)):
        own = [x for x in made.body if isinstance(x, ast.FunctionDef) and x.name == "__init__"]
        bases = [inits[ast.unparse(base)] for base in made.bases if ast.unparse(base) in inits]
        if not own and bases:
            made.body.append(bases[0])
        if own or bases:
            inits[made.name] = (own or bases)[0]


def constants(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Name, value and meaning of the constants and types that are followed by a string about them."""
    for node, after in zip(tree.body, tree.body[1:], strict=False):
        meaning = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if isinstance(meaning, str) and isinstance(targets[0] if targets else None, ast.Name):
            name, value = ast.unparse(targets[0]), getattr(node, "value", None)
            if not name.startswith("_") and value is not None:
                yield name, shortened(ast.unparse(value)), " ".join(meaning.split())


def shortened(code: str) -> str:
    return code if len(code) <= WIDEST else code[: WIDEST - 2] + " …"


def described(member: Member, module: str) -> list[str]:
    """Heading, signature and docstring of a function; of a class, its fields and methods, too."""
    parts = [
        f"### {short(module)}.{member.name}",
        f"```text\n{signature(member)}\n```",
        prose(ast.get_docstring(member) or ""),
    ]
    if isinstance(member, ast.ClassDef):
        for part in member.body:
            if isinstance(part, ast.FunctionDef) and not part.name.startswith("_") and ast.get_docstring(part):
                meaning = prose(ast.get_docstring(part) or "").replace("\n", "\n  ")
                shown = part.name if is_property(part) else signature(part, method=True)
                parts.append(f"- `.{shown}`: {meaning}")
    return parts


def is_property(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator).endswith("property") for decorator in function.decorator_list)


def signature(member: Member, *, method: bool = False) -> str:
    """As written in the source; a class shows the arguments of its ``__init__``, or its fields."""
    if isinstance(member, ast.ClassDef):
        inits = [x for x in member.body if isinstance(x, ast.FunctionDef) and x.name == "__init__"]
        arguments = words_of(inits[0].args)[1:] if inits else fields(member)
        return laid_out(f"class {member.name}", arguments, "")
    arguments = words_of(member.args)[1:] if method else words_of(member.args)
    returned = f" -> {ast.unparse(member.returns).strip(chr(39))}" if member.returns else ""
    return f"{member.name}({', '.join(arguments)}){returned}" if method else laid_out(member.name, arguments, returned)


def fields(member: ast.ClassDef) -> list[str]:
    return [
        ast.unparse(x)
        for x in member.body
        if isinstance(x, ast.AnnAssign)
        and not ast.unparse(x.target).startswith("_")
        and "init=False" not in ast.unparse(x)
    ]


def words_of(arguments: ast.arguments) -> list[str]:
    """Every argument with its type and default, ``*`` and ``/`` included."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    words = [worded(x, default) for x, default in zip(plain, defaults, strict=True)]
    if arguments.posonlyargs:
        words.insert(len(arguments.posonlyargs), "/")
    if arguments.vararg:
        words.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        words.append("*")
    words += [worded(x, default) for x, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return [*words, f"**{ast.unparse(arguments.kwarg)}"] if arguments.kwarg else words


def worded(argument: ast.arg, default: ast.expr | None) -> str:
    equals = " = " if argument.annotation else "="
    return ast.unparse(argument) + (f"{equals}{ast.unparse(default)}" if default is not None else "")


def laid_out(name: str, arguments: list[str], returned: str) -> str:
    line = f"{name}({', '.join(arguments)}){returned}"
    if len(line) <= WIDEST:
        return line
    return "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), f"){returned}"])


def prose(docstring: str) -> str:
    """A docstring as Markdown: examples fenced, ``Args:`` as a list."""
    parts = []
    for paragraph in docstring.strip().split("\n\n"):
        if paragraph.startswith(">>>"):
            parts.append(f"```pycon\n{paragraph}\n```")
        elif paragraph.startswith("Args:\n"):
            parts.append(re.sub(r"^    (\w+): ", r"- `\1`: ", paragraph.partition("\n")[2], flags=re.MULTILINE))
        else:
            parts.append(paragraph)
    return "\n\n".join(parts)


def paragraphs(member: Member) -> list[str]:
    return [" ".join(part.split()) for part in (ast.get_docstring(member) or "").split("\n\n")]


def source(member: Member) -> str:
    """The paragraphs of the docstring that say who wrote it, linked."""
    told = [part for part in paragraphs(member)[1:] if SOURCE.search(part)]
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", " ".join(told))


def short(module: str) -> str:
    return module.removeprefix("tutelage.")


def anchor(heading: str) -> str:
    """Where a link to a heading goes: letters, digits and underscores."""
    return heading.lower().replace(".", "")


def first_line(tree: ast.Module) -> str:
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def cell(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
    if any(RESULTS.glob("*/*.json")):
        publish_kept(RESULTS, purpose)

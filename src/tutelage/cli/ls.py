"""``tutelage ls``: what there is to run."""

from collections.abc import Sequence
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from tutelage.cli.failures import DONE, Usage
from tutelage.cli.find import headline, module_named
from tutelage.cli.recipe import recipes_in, shipped


def ls(words: Sequence[str]) -> int:
    """List the recipes that come with the package, or those in modules of your own: tutelage ls my_lab.runs.

    For each module what it is about, for each recipe what it does and its presets, the smallest first.
    """
    if flags := [word for word in words if word.startswith("-")]:
        raise Usage(f"ls has no flag {flags[0]}; `tutelage ls --help` says what it takes.")
    modules = {name: module_named(name) for name in words} or shipped()
    console = Console()

    def say(text: str, indent: int, style: str = "") -> None:
        for line in wrap(text, max(console.width - indent, 40)):
            console.print(Text(" " * indent + line, style=style), soft_wrap=True)

    with console.capture() as said:  # rich itself would end the process where `| head` closes the pipe
        for short, module in modules.items():
            say(f"{short}: {headline(module)}", 0, "underline")
            for recipe in recipes_in(module, short):
                say(recipe.name, 2, "bold")
                say(headline(recipe.function), 6)
                if recipe.presets:
                    say(f"presets: {', '.join(recipe.listed)}", 6, "dim")
    print(said.get(), end="")
    return DONE

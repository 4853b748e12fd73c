"""Any word for any flag, in process, up to the first training: what the tests draw a little of, and a drill a lot.

`python tests/any_value.py --examples 500` tries every flag of every recipe so often, and as many whole command lines.
"""

import argparse
import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from contract.test_recipes import RECIPES, WRITTEN
from tutelage.cli.command import COMMANDS, main
from tutelage.cli.flag import Flag
from tutelage.cli.flags import flags_of, flags_of_bundle, leaves
from tutelage.cli.recipe import Recipe
from tutelage.cli.sweep import Sweeping
from tutelage.data import synthetic

TRAINS = 77
_begun: list[str] = []  # by the command that is at work
"""What a command ends with where it would have begun to train."""
REFUSED = (2, 3)
NUMBERS = [
    *["0", "1", "2", "3", "7", "-1", "-0.0", "0.5", "1e3", "1e-320", "1e308", "1e400", "-1e308", "nan", "inf", "-inf"],
    *["1000000", "4294967295", "4294967296", "9223372036854775808", "1" + 30 * "0", 5000 * "9", "1_0", "0x10", "1e9"],
    *["\N{MINUS SIGN}1", "\N{ARABIC-INDIC DIGIT TWO}", "1,5", "1.", ".5", "+1", " 1", "1 "],
]
TEXTS = [
    *["", " ", "-", "--", "none", "None", "True", "all", "x", "a b", "é", "\N{KELVIN SIGN}d", "a\0b", "kd kd", "%"],
    *["\udcff", "a\nb", 10_000 * "k", "../../etc/passwd", "/dev/null", "/proc/x/y", "%s{0}$HOME`id`", "[]", "{}", "'"],
    *[":x", "x:", "a:b:c", "kd+", "+", "*kd", "nan*kd", "inf*kd", "-1*kd", "1e400*kd", "1e308*kd", "0*kd", "kd+kd"],
    *["simkd+kd", "0.5*at+sp", "resnet8", "resnet8(depth=-1)", "resnet8(num_classes=0)", "resnet8(num_classes=7)"],
    *["wide_resnet(16, 10**6)", "wide_resnet(16, 256)", "resnet(8, width=1e3)", "densenet(7, 1)", "mlp", "lenet5"],
    *["resnet8()", "resnet8(", "resnet8(*[1])", "resnet8(width=None)", "shufflenet_v2(width=nan)", "torch.nn.Linear"],
    *["layer1", "layer1.", "layer9", "stem", ".", "CAGrad(c=nan)", "CAGrad(c=-1)", "MGDA", "UPGrad(x=1)", "pcgrad"],
    *["cpu", "meta", "cuda:99", "cpu:5", "smoke", "quick", "synthetic", "adam", "cosine", "mps", "labels_first"],
]
WORD = (
    st.sampled_from(NUMBERS)
    | st.sampled_from(TEXTS)
    | st.floats().map(str)
    | st.text(st.characters(exclude_characters="/.~"), max_size=8)  # none that leads to another folder
)


@st.composite
def values(draw: st.DrawFn) -> list[str]:
    """What stands after a flag: mostly one word, sometimes none, several, or the same twice."""
    words = [draw(WORD) for _ in range(draw(st.sampled_from([0, 1, 1, 1, 1, 1, 2, 3])))]
    return [*words, *words] if draw(st.integers(0, 9)) == 0 else words


def flags(recipe: Recipe) -> list[Flag]:
    """Every flag of a recipe, with those of every run and of a sweep, but for the one that asks for a traceback."""
    common = [flag for flag in flags_of_bundle(Sweeping) if flag.name != "traceback"]
    return [*leaves(flags_of(recipe.function)), *common]


def spelled(flag: Flag, words: Sequence[str], *, joined: bool) -> list[str]:
    """The flag with its values in either of the two forms."""
    return [f"{flag.spelled}={words[0]}", *words[1:]] if joined and words else [flag.spelled, *words]


@contextlib.contextmanager
def nothing_trains() -> Iterator[None]:
    """Whoever would train or start a process ends with ``TRAINS``; pictures are drawn once; in a folder of its own."""

    def end(*_arguments: object, **_options: object) -> None:
        _begun.append("training")
        raise SystemExit(TRAINS)  # of which the command makes another code

    here = Path.cwd()
    with (
        patch("tutelage.run.Run.stage", end),
        patch("tutelage.run.Run.peers", end),
        patch("tutelage.cli.sweep.Crew.work", end),
        patch("tutelage.cli.run.use"),
        patch("tutelage.machine.tune_allocator"),
        patch.object(synthetic, "photographs", cache(synthetic.photographs)),
        patch.object(synthetic, "digit_sets", cache(synthetic.digit_sets)),
        tempfile.TemporaryDirectory() as folder,
    ):
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)


def answer(words: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command, and what it said on standard error."""
    out, error = io.StringIO(), io.StringIO()
    _begun.clear()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = main(words)
    return TRAINS if _begun else code, error.getvalue()


def check(words: Sequence[str]) -> int:
    """Fail unless a command would train, ends well, or is refused in one sentence; return its exit code."""
    code, said = answer(words)
    shown = [word if len(word) < 100 else f"{word[:20]}… ({len(word)})" for word in words]
    assert code in (0, TRAINS, *REFUSED), f"{shown} ends with {code}: {said[-2000:]}"
    assert "Traceback" not in said and "Warning" not in said, f"{shown}: {said[-2000:]}"
    if code in REFUSED:
        last = said.splitlines()[-1] if said else ""
        assert last.startswith("tutelage: ") and len(last) > 20, f"{shown} ends with {code} and says {said!r}"
        assert len(last) < 2000 and said.count("tutelage: ") == 1, f"{shown} says too much: {said!r}"
    return code


def try_flag(recipe: Recipe, flag: Flag, examples: int, number: int = 0) -> None:
    """Draw values for one flag of one recipe, started from its smoke preset."""

    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(values(), st.booleans())
    def drawn(words: list[str], joined: bool) -> None:
        check(["run", recipe.name, "--preset", "smoke", *spelled(flag, words, joined=joined)])

    drawn()


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A whole command: mostly one that is known, mostly of a recipe that is known, with any flags and words."""
    verb = draw(st.sampled_from([*COMMANDS, "run", "run", "sweep"]) | WORD)
    recipe = draw(st.sampled_from(RECIPES))
    name = draw(st.sampled_from([recipe.name] * 8 + [recipe.module, f"{recipe.name}_smoke", f"{recipe.name}:x"]) | WORD)
    words = [verb, name, *draw(st.sampled_from([["--preset", "smoke"]] * 4 + [[]]))]
    for flag in draw(st.lists(st.sampled_from(flags(recipe)), max_size=3)):
        words += spelled(flag, draw(values()), joined=draw(st.booleans()))
    return words + draw(
        st.sampled_from([[], [], [], ["--help"], ["--plan"], ["-x"], ["--"], ["--jobs", "2"], ["--by"]])
    )


def walk(examples: int, number: int = 0) -> None:
    """Draw whole command lines."""

    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(command_lines())
    def drawn(words: list[str]) -> None:
        check(words)

    drawn()


def drill(examples: int, number: int) -> int:
    """Every flag and as many command lines; print each that fell through, and return how many did."""
    tries = [
        (f"{recipe.name} {flag.spelled}", try_flag, (recipe, flag)) for recipe in WRITTEN for flag in flags(recipe)
    ]
    failures = 0
    for name, attempt, about in [*tries, ("whole command lines", walk, ())]:
        with nothing_trains():
            try:
                attempt(*about, examples, number)
            except Exception as found:
                failures += 1
                print(f"{name}: {str(found)[:1500]}\n", flush=True)
    print(f"{len(tries) + 1} kinds of words, {examples} examples each: {failures} fell through")
    return failures


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--examples", type=int, default=500)
    asked.add_argument("--seed", type=int, default=0)
    given_words = asked.parse_args()
    raise SystemExit(1 if drill(given_words.examples, given_words.seed) else 0)

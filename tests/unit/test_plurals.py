"""One sample is no samples: numbers get their nouns from one function, in every message, card and report."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import tutelage
from tutelage.plurals import counted, plural

ROOT = Path(tutelage.__file__).parent
NOUNS = (
    "answers channels classes columns epochs errors files images labels layers masks members methods minutes models "
    "names networks numbers parts pictures recordings rounds rows runs samples seeds settings steps students teachers "
    "threads times values views warnings"
)
PLURAL = re.compile(rf" (?:[a-z]+ ){{0,2}}?({'|'.join(NOUNS.split())})\b")
NUMBER = re.compile(
    r"^len\(|^int\(|\bcount\b$|\.n$|shape\[\d\]$|counts\[|"
    r"(?:^|\.|_)(size|total|rows|epochs|few|alike|lone|turned|grey|changed|number|samples|channels|threads)(\(\))?$"
)
PLACES = ["api.py", "cli", "own_data", "foreign", "deployment", "report", "study", "integrity.py"]
PAPERS = {"capacity", "cohorts", "comparison", "conflicts", "efficacy", "ensembles", "sets", "speech", "transfer"}
"""Modules of ``study`` whose words are names of trials, tables and students, by which kept results are compared."""
OTHERS = {
    "{len(x)} samples",  # what results call their data sets
    "{len(unlabelled)} without labels",
    *["{size} its answers", "{size} it names", "{len(column)} are numbers", "{int(y.max())} and names"],
}
"""Names that are kept as they are, and numbers of no noun, or of another one."""


def files() -> Iterator[Path]:
    for place in PLACES:
        yield from [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))


def plurals_in(source: str) -> Iterator[str]:
    """Numbers that a text puts before a plural, whatever they are."""
    for node in ast.walk(ast.parse(source)):
        values = node.values if isinstance(node, ast.JoinedStr) else []
        for value, words in pairwise(values):
            if isinstance(value, ast.FormattedValue) and isinstance(words, ast.Constant):
                number, after = ast.unparse(value.value), PLURAL.match(words.value)
                if after and NUMBER.search(number):
                    yield f"{{{number}}}{after[0]}"


def test_no_message_puts_a_number_before_a_plural_by_itself():
    found = {
        f"{file.relative_to(ROOT)}: {words}"
        for file in files()
        if not ("study" in file.parts and file.stem in PAPERS)
        for words in plurals_in(file.read_text())
        if words not in OTHERS
    }
    assert not found, "say counted(number, noun)"


@pytest.mark.parametrize("text", ["f'{len(x)} test samples'", "f'{one.count:,} pictures are'", "f'of {rows} rows'"])
def test_it_would_see_one(text):
    assert list(plurals_in(text))


@pytest.mark.parametrize(
    ("noun", "more"),
    [("sample", "samples"), ("test sample", "test samples"), ("class", "classes"), ("query", "queries"),
     ("key", "keys"), ("batch", "batches"), ("epoch", "epochs"), ("training epoch", "training epochs")],
)  # fmt: skip
def test_only_one_is_singular(noun, more):
    assert plural(noun) == more
    assert [counted(n, noun) for n in (0, 1, 2, 1001)] == [f"0 {more}", f"1 {noun}", f"2 {more}", f"1,001 {more}"]
    assert [counted(n, noun, "is", "are").split()[-1] for n in (0, 1, 2)] == ["are", "is", "are"]

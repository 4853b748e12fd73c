"""Test files are told apart by their names alone."""

from collections import Counter
from pathlib import Path


def test_no_two_files_have_the_same_name():
    """They are no packages, so pytest imports each under its bare name, and refuses the second one of a name."""
    names = Counter(file.name for file in Path(__file__).parents[1].rglob("test_*.py"))
    assert names and not [name for name, count in names.items() if count > 1]

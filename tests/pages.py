"""The pages of the documentation, and the code in them."""

import re
from pathlib import Path

import pytest

import tutelage

ROOT = Path(tutelage.__file__).parents[2]
PAGES = [page for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]) if page.is_file()]
GENERATED = ("reference.md", "methods.md")


def named(pages):
    return [pytest.param(page, id=page.name) for page in pages]


def blocks(text, *languages):
    """The fenced blocks of a page that are written in one of ``languages``, in their order: (language, code)."""
    fences = re.findall(r"^```(\w+)[^\n]*\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(language, code) for language, code in fences if language in languages]

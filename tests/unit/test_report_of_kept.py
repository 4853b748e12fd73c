"""Results that are kept, some of them written by earlier versions, make pages that hold nothing empty."""

from pathlib import Path

import pytest

import tutelage
from readable import complaints
from tutelage.report.finished import find_finished, read_finished
from tutelage.report.groups import group_runs
from tutelage.report.page import page_html
from tutelage.report.story import story_of

pytestmark = pytest.mark.slow

RESULTS = Path(tutelage.__file__).parents[2] / "results"
FOLDERS = sorted({file.parent for file in RESULTS.glob("*/*.json")})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_kept_results_make_a_page_without_complaints(folder):
    groups = group_runs([run for source in find_finished(folder) for run in read_finished(source)])
    assert complaints(page_html(groups, story_of(groups))) == []


def test_there_are_kept_results():
    assert FOLDERS

"""Any value of any flag ends in one sentence or in a run: never a traceback, never silence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from any_value import check, command_lines, flags, nothing_trains, spelled, values
from contract.test_recipes import WRITTEN

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def folder():
    with nothing_trains():
        yield


@pytest.mark.parametrize("recipe", WRITTEN, ids=lambda recipe: recipe.name)
@given(drawn=st.data())
@settings(max_examples=3, derandomize=True)
def test_any_value_of_any_flag_is_refused_in_a_sentence_or_trains(recipe, drawn):
    flag = drawn.draw(st.sampled_from(flags(recipe)))
    words = spelled(flag, drawn.draw(values()), joined=drawn.draw(st.booleans()))
    check(["run", recipe.name, "--preset", "smoke", *words])


@given(words=command_lines())
@settings(max_examples=8, derandomize=True)
def test_any_command_line_ends_with_a_code_that_is_documented_and_a_word(words):
    check(words)

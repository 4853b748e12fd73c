"""Calls as flags hold them."""

import pytest

from tutelage.calls import call


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("resnet8", ("resnet8", [], {})),
        (" a.b.c( 1, 'x', deep=[2, None]) ", ("a.b.c", [1, "x"], {"deep": [2, None]})),
        ("lab.net(width=-0.5)", ("lab.net", [], {"width": -0.5})),
    ],
)
def test_a_name_or_a_call_with_plain_values_is_read(text, made):
    assert call(text) == made


@pytest.mark.parametrize("text", ["", "1", "a(b)", "a(", "a()()", "a[0]", "a(**{'b': 1})", "a(*[1])", "a; b", "f'{a}'"])
def test_whatever_else_is_refused(text):
    with pytest.raises(ValueError, match="Neither a name nor a call"):
        call(text)

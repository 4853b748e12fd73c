"""Calls as flags hold them."""

import sys

import pytest
from torch.nn import Linear

from tutelage.calls import call, lookup


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


@pytest.mark.parametrize("text", ["", "1", "a(b)", "a(", "a()()", "a[0]", "a(**{'b': 1})", "a(*[1])", "a; b", "f'{a}'",
                                  "a(b=1, b=1)", "a(b=1, c=2, b=3)"])  # fmt: skip
def test_whatever_else_is_refused(text):
    with pytest.raises(ValueError, match="Neither a name nor a call"):
        call(text)


@pytest.mark.parametrize(
    "path", ["torch.nn.Linear", "torch.nn:Linear", "torch:nn.Linear", "torch.nn.modules.linear.Linear"]
)
def test_a_path_leads_to_what_stands_there(path):
    assert lookup(path) is Linear


def test_a_function_that_has_the_name_of_its_module_is_the_function(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "namesake").mkdir()
    (tmp_path / "namesake" / "__init__.py").write_text("from namesake.net import net", encoding="utf-8")
    (tmp_path / "namesake" / "net.py").write_text("def net(): pass", encoding="utf-8")
    assert lookup("namesake.net").__name__ == "net" and lookup("namesake.net.net") is lookup("namesake:net")
    for name in ("namesake", "namesake.net"):
        del sys.modules[name]


@pytest.mark.parametrize("path", ["", "net", ".net", "a..b", "a:", ":a", "a b.c", "../a.b", "a-b.c"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError, match="goes by its path"):
        lookup(path)

"""JSON that is none, or that nobody could walk through, is refused with its place."""

import json

import pytest

from tutelage import plain_json
from tutelage.plain_json import DEEPEST, parsed, read


@pytest.mark.parametrize("value", [{}, [], None, 1, -0.5, "é\u2028", {"a": [{"b": [1, True, None, "x"]}]}, 2**128])
def test_what_was_written_comes_back(tmp_path, value):
    (tmp_path / "x.json").write_text(json.dumps(value))
    assert read(tmp_path / "x.json") == value
    (tmp_path / "x.json").write_text(json.dumps(value, ensure_ascii=False, indent=1), "utf-8-sig")  # of Windows
    assert read(tmp_path / "x.json") == value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"at line 1, column 1: Expecting value"),
        (b'[\n{"a":\n]', r"at line 3, column 1: Expecting value"),
        (b'\n"\xff"', r"at line 2: the byte 0xff is no UTF-8 there"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', r"at line 1: the key 'c' stands there twice"),
        (b"[" * 5000 + b"]" * 5000, rf"at line 1: lists and objects .* more than {DEEPEST} deep"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, rf"at line 1: lists and objects .* more than {DEEPEST} deep"),
        (b"[" + b"1" * 5000 + b"]", r"at line 1: a whole number has 5000 digits, and at most 300 are read"),
        (b'["\\ud800"]', r"at line 1: a text has half of a character"),
        (b'{"\\udfff": 1}', r"at line 1: a text has half of a character"),
    ],
)
def test_each_is_refused_with_its_place(content, words):
    with pytest.raises(ValueError, match=f"^{words}") as refusal:
        parsed(content)
    assert "\n" not in str(refusal.value)


def test_a_line_of_a_file_is_named_by_its_number():
    with pytest.raises(ValueError, match="at line 7, column 2"):
        parsed(b"[", line=7)


def test_pairs_of_surrogates_are_a_character():
    assert parsed('"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_as_deep_as_is_allowed_is_read():
    assert json.dumps(parsed("[" * DEEPEST + "]" * DEEPEST)) == "[" * DEEPEST + "]" * DEEPEST


def test_a_file_of_any_size_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_json, "LARGEST", 10)
    (tmp_path / "x.json").write_text('"0123456789"')
    with pytest.raises(ValueError, match="it has 12 bytes, and at most 10 are read"):
        read(tmp_path / "x.json")

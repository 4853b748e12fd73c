"""Text that somebody else wrote, as a terminal, a page or a table may show it."""

import re
from typing import Any

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters: what begins an escape sequence, goes back, ends a line
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\u2028\u2029\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"  # other ends of lines, what nobody sees
)


def printable(text: str) -> str:
    r"""``text`` with a � for every character that would move the cursor, turn the writing round or hide.

    New lines and tabs stay.

    >>> printable("teacher\x1b[2J")
    'teacher�[2J'
    """
    return _UNSEEN.sub("\ufffd", text)


def printable_in(content: Any) -> Any:
    """What a JSON file holds, with all of its texts and names ``printable``."""
    if isinstance(content, str):
        return printable(content)
    if isinstance(content, list | tuple):
        return [printable_in(x) for x in content]
    if isinstance(content, dict):
        return {printable_in(name): printable_in(x) for name, x in content.items()}
    return content


def in_markdown(words: str) -> str:
    r"""Text that Markdown shows as it is, on one line.

    >>> in_markdown("a_b | <script>\n[1]")
    'a\\_b \\| &lt;script\\> \\[1\\]'
    """
    safe = re.sub(r"([\\`*_\[\]>|#])", r"\\\1", words.replace("\n", " "))
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", safe)

"""A number with its noun or its unit, as every message, card and report says it. No torch here."""

SIBILANTS = ("s", "x", "z", "ch", "sh")


def counted(count: int, noun: str, one: str = "", many: str = "") -> str:
    """The number, its noun, and what is said of ``one`` or of ``many``, where that is another word.

    >>> counted(1, "layer"), counted(1200, "test sample"), counted(2, "class"), counted(3, "query")
    ('1 layer', '1,200 test samples', '2 classes', '3 queries')
    >>> counted(1, "picture", "was", "were"), counted(0, "picture", "was", "were")
    ('1 picture was', '0 pictures were')
    """
    verb = one if count == 1 else many
    return f"{count:,} {noun if count == 1 else plural(noun)}{f' {verb}' if verb else ''}"


def plural(noun: str) -> str:
    """More than one of them.

    >>> plural("epoch"), plural("batch"), plural("key"), plural("entry")
    ('epochs', 'batches', 'keys', 'entries')
    """
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(SIBILANTS) and not noun.endswith("epoch") else f"{noun}s"


def megabytes(count: int) -> str:
    """Bytes as people say them, of memory and disk that something takes: whole megabytes, never none.

    >>> megabytes(1), megabytes(3 * 10**9)
    ('1 MB', '3,000 MB')
    """
    return f"{max(-(-count // 10**6), 1):,} MB"

"""A report as somebody meets it who hears it, who has no script, or who sees no colours: what is wrong with a page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "img", "br", "hr", "link", "input", "wbr"}
NOTHING = ("", "–")
DRAWN = re.compile(r"\b(curve|mark|bar|cell|dot|seed)\b")
LIMIT = 2_000_000


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list["Element | str"] = field(default_factory=list)
    parent: "Element | None" = None

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name) or ""

    def all(self, *tags: str) -> Iterator["Element"]:
        """Every element below this one, in the order of the page; those of ``tags``, if any are named."""
        for child in self.children:
            if isinstance(child, Element):
                if not tags or child.tag in tags:
                    yield child
                yield from child.all(*tags)

    def inside(self, tag: str) -> "Element | None":
        above = self.parent
        while above is not None and above.tag != tag:
            above = above.parent
        return above

    @property
    def text(self) -> str:
        """What is read aloud of it."""
        if self["aria-hidden"] == "true" or self.tag in ("script", "style"):
            return ""
        parts = (child if isinstance(child, str) else child.text for child in self.children)
        return re.sub(r"\s+", " ", "".join(parts)).strip(" ")


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = self.at = Element("page")

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs), parent=self.at)
        self.at.children.append(element)
        if tag not in VOID:
            self.at = element

    def handle_startendtag(self, tag, attrs):
        self.at.children.append(Element(tag, dict(attrs), parent=self.at))

    def handle_endtag(self, tag):
        assert self.at.tag == tag, f"</{tag}> closes <{self.at.tag}>"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data):
        self.at.children.append(data)


def tree(text: str) -> Element:
    """The page's elements; an AssertionError where they do not nest."""
    reader = _Tree()
    reader.feed(text)
    reader.close()
    assert reader.at is reader.root, f"<{reader.at.tag}> is never closed"
    return reader.root


def complaints(text: str) -> list[str]:
    """All that is wrong with a page, in words; none of a good one."""
    page = tree(text)
    checks = (_headings, _landmarks, _alternatives, _names, _tables, _columns, _links, _script, _nothing_empty)
    size = [f"the page has {len(text.encode())} bytes"] if len(text.encode()) >= LIMIT else []
    return [*size, *(words for check in checks for words in check(page))]


def _headings(page: Element) -> Iterator[str]:
    titles = list(page.all("h1", "h2", "h3", "h4", "h5", "h6"))
    levels = [int(title.tag[1]) for title in titles]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield f"one h1 comes first, not {levels}"
    yield from (f"h{b} follows h{a}" for a, b in pairwise(levels) if b - a > 1)
    yield from (f"an empty {title.tag}" for title in titles if not title.text)


def _landmarks(page: Element) -> Iterator[str]:
    (html,) = page.all("html")
    if html["lang"] != "en":
        yield "the language is not said"
    if not next(page.all("title")).text:
        yield "no title"
    for tag in ("header", "main", "footer"):
        if len(list(page.all(tag))) != 1:
            yield f"not one {tag}"
    yield from ("a nav without a name" for nav in page.all("nav") if not nav["aria-label"])
    outside = [x.tag for x in next(page.all("body")).children if isinstance(x, Element)]
    if outside != ["header", "main", "footer", "script"]:
        yield f"outside of all landmarks: {outside}"


def _alternatives(page: Element) -> Iterator[str]:
    yield from ("a picture without words" for image in page.all("img") if not image["alt"])
    for svg in page.all("svg"):
        if svg.inside("svg") is not None:
            continue
        if svg["aria-hidden"] == "true":  # the same is said beside it
            row = svg.inside("tr")
            if row is None or not re.search(r"\d", row.text):
                yield "a hidden drawing beside which nothing is said"
        elif svg["role"] != "img" or not svg["aria-label"] or not next(svg.all("title")).text:
            yield "a drawing without words"


def _names(page: Element) -> Iterator[str]:
    for each in page.all():
        if each["role"] == "region" and (not each["aria-label"] or each["tabindex"] != "0"):
            yield "a region that has no name or cannot be reached by keyboard"
        if each.tag in ("a", "summary", "button") and not (each.text or each["aria-label"]):
            yield f"a {each.tag} without words"
        if each.tag == "figure" and not (list(each.all("figcaption")) or list(each.all("svg"))):
            yield "a figure without words"


def _rows(table: Element) -> list[list[Element]]:
    rows = [row for row in table.all("tr") if row.parent is None or row.parent["aria-hidden"] != "true"]
    return [[cell for cell in row.children if isinstance(cell, Element)] for row in rows]


def _tables(page: Element) -> Iterator[str]:
    for table in page.all("table"):
        head, *body = _rows(table)
        named = list(table.all("caption")) or (table.inside("div") or table)["aria-label"]
        if not named and "confusions" not in table["class"]:
            yield f"a table without a name: {table.text[:60]}"
        yield from (f"a heading without scope: {cell.text}" for row in (head, *body) for cell in row
                    if cell.tag == "th" and not cell["scope"])  # fmt: skip
        yield from (f"an empty heading in: {table.text[:60]}" for cell in head if not cell.text or cell.tag != "th")
        for row in body:
            width = sum(int(cell["colspan"] or 1) for cell in row)
            if width != len(head):
                yield f"a row of {width} cells below {len(head)} headings: {table.text[:60]}"
            if not any(cell.tag == "th" for cell in row):
                yield f"a row without a heading: {[cell.text for cell in row]}"


def _columns(page: Element) -> Iterator[str]:
    for table in page.all("table"):
        head, *body = _rows(table)
        for place, title in enumerate(head):
            cells = [row[place] for row in body if len(row) == len(head)]
            if cells and all(cell.text in NOTHING and not _is_drawn(cell) for cell in cells):
                yield f"an empty column: {title.text}"
            yield from (f"a gap in: {title.text}" for cell in cells if not cell.text and not _is_drawn(cell))


def _is_drawn(cell: Element) -> bool:
    return any(each.tag == "svg" or "barline" in each["class"] for each in cell.all())


def _links(page: Element) -> Iterator[str]:
    names = [each["id"] for each in page.all() if each["id"]]
    yield from (f"two of the name {name}" for name in {*names} if names.count(name) > 1)
    for link in page.all("a"):
        if link["href"].startswith("#") and link["href"][1:] not in names:
            yield f"a link that leads nowhere: {link['href']}"
        elif not re.match(r"#|https://|report\.(json|csv|md)$", link["href"]):
            yield f"a link of another kind: {link['href']}"


def _script(page: Element) -> Iterator[str]:
    """All is there without one: nothing is hidden that a script would have to show."""
    for each in page.all():
        if "hidden" in each.attributes or "display" in each["style"] or "visibility" in each["style"]:
            yield f"a {each.tag} that is hidden"
        yield from (f"a {each.tag} that runs {name}" for name in each.attributes if name.startswith("on"))
        if each.tag == "button":
            yield "a button that does nothing without a script"


def _nothing_empty(page: Element) -> Iterator[str]:
    for each in page.all("section", "details", "figure", "ul", "dl", "p", "li", "pre", "caption", "figcaption"):
        if not each.text and not list(each.all("svg", "img")):
            yield f"an empty {each.tag}"
    for svg in page.all("svg"):
        if svg["role"] == "img" and not any(DRAWN.search(each["class"]) for each in svg.all()):
            yield f"a panel in which nothing is drawn: {svg['aria-label']}"

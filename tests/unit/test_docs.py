"""Every page says what is there: its links lead somewhere, its names exist; generated pages are those of the code."""

import ast
import importlib.util
import re
import shutil
from functools import cache

import pytest

import tutelage
from pages import GENERATED, PAGES, ROOT, blocks, named
from tutelage.cli.command import COMMANDS
from tutelage.cli.find import find, purpose
from tutelage.cli.recipe import PLAIN
from tutelage.report.kept import publish_kept
from unit.test_layers import ORDER

pytestmark = pytest.mark.slow

RESULTS = [*ROOT.glob("results/RESULTS.md"), *sorted(ROOT.glob("results/*/README.md"))]
SCREEN = 45  # lines
SHORT = {"README.md": 12, "plain_loop.md": 30, "lightning.md": 30, "hugging_face.md": 30}  # lines of code a block


MODULE = '''
"""A module."""
Limit = 3
"""How many."""

def shown(x: int, *rest: str, deep: bool = False) -> "int":
    """What it does.

    >>> shown(1)
    1
    """

def _hidden() -> None:
    """Not told."""

class Held:
    """Holds."""
    size: int = 3

    def grow(self, by: int) -> None:
        """Grows."""
'''


def test_pages_are_found_and_most_of_them_hold_code():
    assert {"README.md", "tutorial.md", *SHORT} <= {page.name for page in PAGES}
    assert sum(bool(blocks(page.read_text(encoding="utf-8"), "python", "sh")) for page in PAGES) >= 6


@pytest.mark.parametrize("name", SHORT)
def test_the_code_of_the_first_pages_is_short(name):
    (page,) = [page for page in PAGES if page.name == name]
    for _, code in blocks(page.read_text(encoding="utf-8"), "python"):
        assert len([line for line in code.splitlines() if line.strip()]) <= SHORT[name]


@pytest.mark.parametrize("page", named([*PAGES, *RESULTS]))
def test_every_link_into_the_repository_leads_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path if path else page).resolve()
        if file.name == "report.png":
            continue  # written by measurements, not by hand
        assert file.exists(), f"{page.name} links to {target}"
        if heading:
            assert heading in anchors(file), f"{page.name} links to {target}"


@cache
def anchors(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", named(PAGES))
def test_every_module_and_make_target_that_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(re.findall(r"`make ([a-z]+)", text)) <= set(targets)
    for dotted in set(re.findall(r"`(tutelage(?:\.\w+)+)`", text)):
        assert _exists(dotted), f"{page.name} names {dotted}"


@pytest.mark.parametrize("page", named(PAGES))
def test_every_name_that_a_page_imports_from_here_exists(page):
    for dotted in imports(page.read_text(encoding="utf-8")):
        assert _exists(dotted), f"{page.name} imports {dotted}"


def test_an_import_of_what_is_not_there_is_seen_wherever_it_stands():
    text = (
        "```python\ndef f():\n    from tutelage.recipes.mnist import hinton_smoke as h\n```\n"
        "```text\nimport tutelage.gone\n```\n"
    )
    assert imports(text) == ["tutelage.recipes.mnist.hinton_smoke", "tutelage.gone"]
    assert not any(map(_exists, imports(text))) and _exists("tutelage.recipes.mnist.hinton.hinton_smoke")


def imports(text):
    """What the code of a page imports from this package; blocks that are no Python are passed over."""
    found = []
    for _, code in blocks(text, "python", "pycon", "text"):
        try:
            tree = ast.parse(code)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                found += [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
    return [dotted for dotted in found if dotted.partition(".")[0] == "tutelage"]


def _exists(dotted):
    module, _, name = dotted.rpartition(".")
    try:
        if importlib.util.find_spec(dotted):
            return True
    except ModuleNotFoundError:
        pass
    try:
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return False


def generate():
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_up_to_date():
    pages = generate().pages()
    assert set(pages) == set(GENERATED)
    for name, text in pages.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, f"docs/{name} is out of date: make docs"


def test_the_pages_of_results_are_made_from_the_results(tmp_path):
    again = publish_kept(shutil.copytree(ROOT / "results", tmp_path / "results"), purpose)
    for page in RESULTS:
        made = again.parent / page.relative_to(ROOT / "results")
        assert made.read_text(encoding="utf-8") == page.read_text(encoding="utf-8"), f"{page} is out of date: make docs"


def test_the_index_of_results_is_a_screen_and_every_experiment_has_its_page():
    index = (ROOT / "results" / "RESULTS.md").read_text(encoding="utf-8")
    folders = {file.parent.name for file in ROOT.glob("results/*/*.json")}
    assert folders and folders == set(re.findall(r"\]\(([\w.-]+)/README\.md\)", index))
    assert len(index.splitlines()) <= SCREEN


def test_no_name_of_a_file_of_results_is_long():
    assert max(len(file.name) for file in ROOT.glob("results/*/*")) <= 40


def test_the_reference_finds_what_a_module_defines_and_nothing_private():
    module = ast.parse(MODULE)
    page = generate()
    told = "\n".join(part for member in page.public(module) for part in page.described(member, "tutelage.it"))
    assert list(page.constants(module)) == [("Limit", "3", "How many.")]
    assert "shown(x: int, *rest: str, deep: bool = False) -> int" in told
    assert "```pycon\n>>> shown(1)\n1\n```" in told
    assert "class Held(size: int = 3)" in told and "`.grow(by: int) -> None`: Grows." in told
    assert "hidden" not in told


def test_the_architecture_page_has_the_import_order_that_is_enforced():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (block,) = [code for _, code in blocks(text, "text") if code.startswith("machine")]
    here = [name for name in ORDER if importlib.util.find_spec(f"tutelage.{name}")]
    assert [name for name in re.findall(r"\w+", block) if name in ORDER] == here


def test_the_command_page_names_every_command_and_every_exit_code():
    text = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
    assert all(f"tutelage {name}" in text for name in COMMANDS)
    assert all(f"| {code} |" in text for code in (0, 1, 2, 3, 4, 130, 143))


@pytest.mark.parametrize("page", named(page for page in PAGES if page.name not in GENERATED))
def test_every_recipe_and_preset_that_a_page_names_exists(page):
    for name, preset in re.findall(r"\b(mnist:\w+)(?: --preset (\w+))?", page.read_text(encoding="utf-8")):
        recipe, found = find(name)
        assert recipe.with_preset(preset or found or PLAIN)


def test_the_citation_file_has_what_the_format_requires():
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    fields = {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines if re.match(r"[\w-]+:", line)}
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= fields.keys()
    assert fields["version"] == tutelage.__version__
    assert fields["license"] == "Apache-2.0"


def test_the_change_log_speaks_of_this_version():
    assert re.search(rf"^## \[{re.escape(tutelage.__version__)}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

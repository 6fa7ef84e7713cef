"""README.md, docs/ and what stands beside them: links, headings, quoted messages and citations lead to something."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import i2i_cli
from i2i_cli.cli import app

ROOT = Path(i2i_cli.__file__).parents[1]
README = ROOT / "README.md"
SHELF = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\[[^]]*\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(there), f"{target}: no such heading"


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of `page`."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    assert len(README.read_bytes()) <= 16 * 1024
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", README.read_text(encoding="utf-8"))}
    for page in SHELF:
        assert named(page) in links, page
    for name, command in typer.main.get_command(app).commands.items():
        assert command.hidden or f"docs/commands/{name}.md" in links, name


def test_the_maps_of_the_papers_lead_to_the_code() -> None:
    papers = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:models|engine)/[\w/]+\.py)`", papers):
        assert (ROOT / "i2i_cli" / path).is_file(), path
    for path, names in re.findall(r"`(models/[\w/]+\.py)`: ((?:`[A-Z]\w+(?:\.\w+)?`(?:, )?)+)", papers):
        code = (ROOT / "i2i_cli" / path).read_text()
        for name in re.findall(r"`(\w+)(?:\.(\w+))?`", names):
            assert f"class {name[0]}" in code and (not name[1] or f"def {name[1]}" in code), name


def test_every_module_is_in_the_tree() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\w+", page.split("## The tree")[1]))
    for path in (ROOT / "i2i_cli").rglob("*.py"):
        if path.name not in ("__init__.py", "__main__.py") and path.parent.name != "cli":  # there, one file a command
            assert {path.stem, path.parent.name} <= names, path


def test_every_symptom_that_quotes_a_message_quotes_one_that_there_is() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    symptoms = [row.split(" | ")[0] for row in page.splitlines() if row.startswith("| ")]
    quoted = [text for symptom in symptoms for text in re.findall(r"`([^`]+)`", symptom)]
    messages = "\n".join(text for path in (ROOT / "i2i_cli").rglob("*.py") for text in strings(path))
    for text in quoted:
        if text.startswith(("-", "operator ")) or text in ("sharp", "dual"):  # options, recipes, and torchvision's own
            continue
        for piece in text.split("…"):
            assert piece.strip("`: ,;") in messages, text


def strings(path: Path) -> Iterator[str]:
    """The texts in a module, those with values in them in pieces."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_citation_names_this_version_and_both_papers() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {i2i_cli.__version__}\n" in citation
    assert f"## [{i2i_cli.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    titles = re.findall(r'^    title: "(.+)"|^  - type: article\n    title: "(.+)"', citation, re.MULTILINE)
    papers = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    assert len(titles) == 2 and all(f"*{title or other}*" in papers for title, other in titles)
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] in citation

"""`docs/api.md`: every public name has a section, with an example that does what the page says."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

import i2i_cli

ROOT = Path(i2i_cli.__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SECTIONS = {
    title.replace("\\", ""): text
    for title, text in re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
}


def test_every_public_name_has_a_section_with_an_example() -> None:
    assert set(SECTIONS) == set(i2i_cli.__all__)
    assert not [name for name, text in SECTIONS.items() if "```pycon" not in text]
    assert re.findall(r"^\| \[`(\w+)`\]\(#", PAGE, flags=re.MULTILINE) == list(SECTIONS), "the contents"


@pytest.mark.parametrize("name", sorted(set(i2i_cli.__all__) - {"__version__"}))
def test_a_section_names_every_parameter(name: str) -> None:
    """But for those whose types are no public names: what encodes, and which shard."""
    told = set(inspect.signature(getattr(i2i_cli, name)).parameters) - {"shard", "encode"}
    if name == "Translator":
        methods = ("translate", "swap_domain", "reconstruct", "classify", "encode", "decode", "target", "samples")
        told = {
            given for method in methods for given in inspect.signature(getattr(i2i_cli.Translator, method)).parameters
        }
        told -= {"self"}
    assert not [given for given in told if given not in SECTIONS[name]]


def test_examples_do_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "astronaut.jpg").symlink_to(ROOT / "docs" / "astronaut.jpg")
    monkeypatch.chdir(tmp_path)
    examples = doctest.DocTestParser().get_doctest(PAGE.replace("```", ""), {}, "api.md", "docs/api.md", 0)
    assert len(examples.examples) > 30
    told: list[str] = []
    found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, out=told.append)
    assert not found.failed, "".join(told)

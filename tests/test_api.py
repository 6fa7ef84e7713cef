"""`docs/api.md`: every public name has a section, with an example that does what the page says."""

import contextlib
import doctest
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import i2i_cli

ROOT = Path(i2i_cli.__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SECTIONS = {
    title.replace("\\", ""): text
    for title, text in re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
}

EXAMPLES = {"the top": PAGE.partition("\n## ")[0], **SECTIONS}


def test_every_public_name_has_a_section_with_an_example() -> None:
    assert set(SECTIONS) == set(i2i_cli.__all__)
    assert not [name for name, text in SECTIONS.items() if "```pycon" not in text]
    assert re.findall(r"^\| \[`(\w+)`\]\(#", PAGE, flags=re.MULTILINE) == list(SECTIONS), "the contents"


@pytest.mark.parametrize("name", sorted(set(i2i_cli.__all__) - {"__version__"}))
def test_a_section_names_every_parameter(name: str) -> None:
    """But for those whose types are no public names: what encodes, and which shard."""
    told = set(inspect.signature(getattr(i2i_cli, name)).parameters) - {"shard", "encode"}
    if name == "TorchTranslator":
        methods = ("translate", "swap_domain", "reconstruct", "classify", "encode", "decode", "target", "samples")
        told = {
            given for method in methods for given in inspect.signature(getattr(i2i_cli.Translator, method)).parameters
        }
        told -= {"self"}
    assert not [given for given in told if given not in SECTIONS[name]]


@pytest.fixture(scope="module")
def run_until(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Runs the examples in the order of the page, as far as a section; what one makes, later ones use."""
    here, names, done = tmp_path_factory.mktemp("api"), dict[str, object](), list[str]()
    (here / "docs").mkdir()
    (here / "docs" / "astronaut.jpg").symlink_to(ROOT / "docs" / "astronaut.jpg")

    def run(section: str) -> str:
        told: list[str] = []
        for title, text in EXAMPLES.items():
            if title not in done:
                done.append(title)
                examples = doctest.DocTestParser().get_doctest(text.replace("```", ""), names, title, "docs/api.md", 0)
                examples.globs = names  # the parser copies them
                doctest.DocTestRunner().run(examples, out=told.append, clear_globs=False)
            if title == section:
                return "".join(told)
        raise KeyError(section)

    with contextlib.chdir(here):
        yield run


@pytest.mark.parametrize("section", EXAMPLES)
def test_examples_do_what_the_page_says(section: str, run_until: Callable[[str], str]) -> None:
    assert run_until(section) == ""

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from i2i_cli.cli import app
from i2i_cli.errors import ConfigError
from i2i_cli.web.orders import TranslationOrder, classify_command, neighbours_command, swap_command

IMAGE = Path("/uploads/query.png")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "nothing to translate to"),
        ({"to": "a", "samples": 99}, "99 samples are out of range"),
        ({"to": "a", "samples": 2, "code": 3}, "samples draws codes"),
        ({"like": IMAGE, "code": 3}, "a reference image takes neither"),
        ({"to": "a", "size": "huge"}, "no size 'huge'"),
        ({"to": "a", "size": "model", "paste": True}, "paste keeps"),
        ({"to": "a", "suffix": ".exe"}, "no format 'exe'"),
    ],
)
def test_what_contradicts_itself_is_refused(told: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TranslationOrder(image=IMAGE, **told)


@pytest.mark.parametrize(
    "told",
    [
        {"to": "disc"},
        {"to": "disc", "code": 2, "strength": 0.5, "crop": "0,0,20,20", "paste": True},
        {"to": "disc", "samples": 2, "seed": 7, "size": "model", "own": "square"},
        {"to": "disc", "like": Path("/elsewhere/query.png")},
    ],
)
def test_the_command_line_does_what_was_asked(
    here: Path, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(TranslationOrder(image=IMAGE, **told).command("runs/faces"))
    result = CliRunner().invoke(app, words[1:])
    assert words[0] == "i2i" and result.exit_code == 0, result.stderr
    assert list(here.glob("query-*.png"))


def test_other_commands_run_too(here: Path) -> None:
    (here / "other.png").write_bytes((here / "query.png").read_bytes())
    for line in (
        swap_command(IMAGE, Path("/x/other.png"), "faces"),
        neighbours_command("query.png", "faces", here / "shapes", 3, "disc"),
        classify_command(IMAGE, "faces", None),
    ):
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        assert result.exit_code == 0, result.stderr


def test_names_are_quoted_and_never_options() -> None:
    line = TranslationOrder(image=Path("/x/-my photo.png"), to="it's").command("faces")
    assert shlex.split(line)[2] == "./-my photo.png" and "it's" in shlex.split(line)

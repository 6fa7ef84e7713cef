from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import i2i_cli.jobs.demo as demo
from i2i_cli.cli import app


def draw_few(root: Path) -> None:
    for split, numbers in (("train", range(12)), ("test", range(12, 20))):
        for d, domain in enumerate(("filled", "outline", "pixel", "serif")):
            (root / split / domain).mkdir(parents=True, exist_ok=True)
            for number in numbers:
                image = Image.new("RGB", (32, 32), (60 * d, 90, 90))
                image.paste((255, 255, 255), (number, 4, number + 6, 20))
                image.save(root / split / domain / f"U+{number:04X}.png")


def test_it_trains_translates_and_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's own path, with fewer characters and steps than `make demo` takes."""
    monkeypatch.setattr(demo, "draw_styles", draw_few)
    monkeypatch.setattr(demo, "STEPS", 3)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 0, result.stderr
    assert "filled->outline " in result.stdout and "Type next:" in result.stdout
    for path in ("swap.png", "samples.png", "run/samples/latest.png", "translated/filled/U+000C-serif.png"):
        with Image.open(tmp_path / "demo" / path) as image:
            image.load()
    commands = [line.strip() for line in result.stdout.split("Type next:")[1].splitlines() if line.strip()]
    assert commands[0].startswith("i2i translate demo/glyphs/test/filled/U+000C.png --to serif -w demo/run")
    assert CliRunner().invoke(app, commands[0].split()[1:]).exit_code == 0, "what it says to type works"
    again = CliRunner().invoke(app, ["demo", "--json"])
    assert again.exit_code == 0 and "using the model of an earlier demo" in again.stderr
    assert again.stdout.startswith('{"figures"')
    assert CliRunner().invoke(app, ["weights", "list"]).stdout == "", "it never becomes the default"

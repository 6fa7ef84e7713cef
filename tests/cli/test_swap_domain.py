import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from i2i_cli.cli import app


@pytest.fixture
def swap(run: Path, domains: Path, photo: Path):
    def invoke(*words: str):
        a = domains / "disc" / "01.png"
        return CliRunner().invoke(app, ["swap-domain", str(photo), str(a), "-w", str(run), *words])

    return invoke


def test_both_results_and_the_sheet(swap, tmp_path: Path, photo: Path, domains: Path) -> None:
    result = swap("--sheet", str(tmp_path / "sheet.png"))
    assert result.exit_code == 0, result.stderr
    wanted = [photo.parent / "photo~01.png", domains / "disc" / "01~photo.png", tmp_path / "sheet.png"]
    assert result.stdout.splitlines() == [str(path) for path in wanted]
    sizes = []
    for path in wanted:
        with Image.open(path) as image:
            sizes.append(image.size)
    assert sizes[:2] == [(200, 120), (40, 36)] and sizes[2][0] > 4 * 256


def test_a_folder_for_the_results(swap, tmp_path: Path) -> None:
    lines = swap("-o", str(tmp_path / "out"), "--json").stdout.splitlines()
    assert [json.loads(line)["output"] for line in lines] == [
        str(tmp_path / "out" / name) for name in ("photo~01.png", "01~photo.png")
    ]


def test_nothing_is_overwritten_unasked(swap, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "01~photo.png").write_text("mine")
    result = swap("-o", str(tmp_path / "out"))
    assert result.exit_code == 1 and "--force" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["01~photo.png"]
    assert swap("-o", str(tmp_path / "out"), "--force").exit_code == 0


def test_equal_stems_are_refused(run: Path, domains: Path) -> None:
    words = ["swap-domain", str(domains / "disc" / "01.png"), str(domains / "square" / "01.png"), "-w", str(run)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2 and "the same stem" in result.stderr


def test_both_orders_of_a_dual_model(dual_run: Path, factors: Path, tmp_path: Path) -> None:
    def invoke(b: Path, *words: str):
        a = factors / "grey_disc" / "01.png"
        return CliRunner().invoke(
            app, ["swap-domain", str(a), str(b), "-w", str(dual_run), "-o", str(tmp_path / "out"), *words]
        )

    result = invoke(factors / "red_square" / "02.png")
    assert result.exit_code == 0, result.stderr
    assert [Path(line).name for line in result.stdout.splitlines()] == ["01~02.png", "02~01.png"]
    wrong = invoke(factors / "grey_square" / "02.png", "--force")
    assert wrong.exit_code == 1 and "the codes of grey_disc and grey_square cannot be exchanged" in wrong.stderr
    told = invoke(factors / "grey_square" / "02.png", "--force", "--from", "grey_disc", "--from", "red_square")
    assert told.exit_code == 0, told.stderr
    once = invoke(factors / "grey_square" / "02.png", "--force", "--from", "grey_disc")
    assert once.exit_code == 2 and "--from is given 1 times, not twice" in once.stderr

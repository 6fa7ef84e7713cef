"""What a stranger's folders hold, through the commands: the rest is done, what is left out is named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from i2i_cli.jobs.plots.sheets import _lost
from tests.cli.conftest import i2i
from tests.conftest import draw_domains

TINY = ["--image-size", "32", "--batch-size", "4", "--perceptual", "none", "--device", "cpu", "--precision", "fp32"]
TINY += ["--set", "networks.width=16", "--set", "networks.min_width=8"]


PASSED_OVER = "skipped: 2 files with other endings (.heic, .jp2)"


@pytest.mark.parametrize(
    "words",
    [
        ["translate", "shapes", "-r", "--to", "square", "-o", "out"],
        ["classify", "shapes", "-r"],
        ["neighbours", "query.png", "--gallery", "shapes"],
        ["index", "shapes", "-o", "g.safetensors"],
        ["fit-classifier", "shapes", "--labels", "mine"],
        ["plot", "shapes", "--method", "pca", "-o", "codes.png"],
        ["train", "shapes", "--steps", "1", *TINY],
        ["evaluate", "split", "--only", "classification"],
    ],
    ids=lambda words: words[0],
)
def test_other_endings_are_counted_wherever_folders_are_walked(here: Path, words: list[str]) -> None:
    for shift, split in enumerate(("train", "test")):
        draw_domains(here / "split" / split, shift=shift)
    for folder in (here / "shapes" / "disc", here / "split" / "train" / "disc"):
        shutil.copy(here / "query.png", folder / "a.heic")
        shutil.copy(here / "query.png", folder / "b.jp2")
    result = i2i(*words)
    assert result.stderr.count(PASSED_OVER) == 1, result.stderr


def test_jpegs_by_any_of_their_endings_are_images(here: Path) -> None:
    for name in ("a.jfif", "b.jpe", "c.JPEG"):
        (here / "photos").mkdir(exist_ok=True)
        Image.open("query.png").save(here / "photos" / name, "JPEG")
    lines = i2i("translate", "photos", "-r", "--to", "square", "-o", "out").stdout.splitlines()
    assert lines == ["out/a-square.png", "out/b-square.png", "out/c-square.png"]


def test_a_pair_that_would_become_one_file_stops_no_other(here: Path) -> None:
    (here / "photos").mkdir()
    for name in ("a.png", "a.jpg", "b.png"):
        Image.open("query.png").save(here / "photos" / name)
    result = i2i("translate", "photos", "-r", "--to", "square", "-o", "out", code=1)
    assert result.stdout == "out/b-square.png\n"
    assert "photos/a.jpg and photos/a.png would both become a-square.png" in result.stderr
    assert "2 of 3 images failed" in result.stderr and [p.name for p in (here / "out").iterdir()] == ["b-square.png"]


def test_links_that_lead_back_end(here: Path) -> None:
    (here / "t" / "deep").mkdir(parents=True)
    shutil.copy("query.png", "t/pic.png")
    (here / "t" / "deep" / "up").symlink_to("..")
    (here / "t" / "self").symlink_to(".")
    assert len(i2i("classify", "t", "-r").stdout.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_lists_as_windows_writes_them(here: Path, encoding: str) -> None:
    shutil.copy("query.png", "a b.png")
    Path("list.txt").write_bytes("a b.png\r\nquery.png\r\n".encode(encoding))
    assert len(i2i("classify", "--from-file", "list.txt").stdout.splitlines()) == 2
    assert len(i2i("classify", "--from-file", "-", stdin=Path("list.txt").read_bytes()).stdout.splitlines()) == 2


def test_a_gallery_whose_images_have_moved_says_so_and_shows_no_blank(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    i2i("index", "shapes", "-o", "g.safetensors")
    (here / "shapes").rename(here / "elsewhere")
    words = ["neighbours", "query.png", "--gallery", "g.safetensors", "-k", "2", "--from", "disc", "--sheet", "s.png"]
    result = i2i(*words)
    assert len(result.stdout.splitlines()) == 2
    assert (
        "warning: 2 of the images found no longer exist, such as shapes/square/" in result.stderr
        and "i2i index" in result.stderr
    )
    with Image.open("s.png") as sheet:
        counts = {colour: count for count, colour in sheet.convert("RGB").getcolors(100_000)}
    tile = Image.fromarray(_lost(32))
    grey = next(count for count, colour in tile.getcolors(9999) if colour == (225, 225, 225))
    assert counts[(225, 225, 225)] == pytest.approx(2 * 4 * grey, rel=0.01), (
        "two tiles, enlarged, say that their image is gone"
    )
    (here / "elsewhere").rename(here / "shapes")
    assert "gone" not in i2i(*words, "--force").stderr
    exists = Path.exists

    def forbidden(path: Path) -> bool:
        if "shapes" in path.parts and path.suffix:
            raise PermissionError(13, "Permission denied")
        return exists(path)

    monkeypatch.setattr(Path, "exists", forbidden)  # as of another user's folder, before Python 3.12
    assert len(i2i(*words[:-2]).stdout.splitlines()) == 2


def test_images_of_a_gallery_that_cannot_be_read_are_not_counted_as_queries(here: Path) -> None:
    (here / "shapes" / "disc" / "00.png").write_text("no")
    result = i2i("neighbours", "query.png", "--gallery", "shapes", "-k", "1", code=1)
    assert "1 of 32 images of the gallery could not be read" in result.stderr
    assert "images failed" not in result.stderr, "the one query did not"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="takes another user's place")
def test_a_user_without_a_home_searches_and_trains(here: Path, domains: Path) -> None:
    here.chmod(0o777)
    bare = ["env", "-i", f"PATH={os.environ['PATH']}", "OMP_NUM_THREADS=1"]
    homeless = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]
    homeless += ["--inh-caps=+dac_read_search,+dac_override", "--ambient-caps=+dac_read_search,+dac_override"]
    if subprocess.run([*homeless, "true"], capture_output=True).returncode:
        pytest.skip("no setpriv that can")
    command = [*homeless, *bare, sys.executable, "-m", "i2i_cli"]
    words = ["neighbours", "query.png", "--gallery", "shapes", "-w", "runs/faces/model.safetensors"]
    found = subprocess.run([*command, *words], cwd=here, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0 and len(found.stdout.splitlines()) == 5, found.stderr
    assert found.stderr.count("I2I_CACHE=FOLDER") == 1
    trained = subprocess.run(
        [*command, "train", "shapes", "--steps", "1", "--name", "x", *TINY], cwd=here, capture_output=True, text=True
    )
    assert trained.returncode == 0, trained.stderr


def test_a_domain_of_one_image_is_trained_on_with_a_warning(here: Path) -> None:
    data = draw_domains(here / "few", count=8)
    for path in sorted((data / "disc").iterdir())[1:]:
        path.unlink()
    result = i2i("train", "few", "--steps", "2", "--name", "x", *TINY)
    assert "the smallest domain has 1 image;" in result.stderr and "finished at step 2" in result.stderr
    assert i2i("translate", "query.png", "--to", "disc", "-w", "runs/x", "-o", "o.png").stdout == "o.png\n"


def test_what_systems_leave_in_a_data_folder_is_no_domain(here: Path) -> None:
    (here / "shapes" / "__MACOSX" / "disc").mkdir(parents=True)
    shutil.copy("query.png", here / "shapes" / "__MACOSX" / "disc" / "._00.png")
    result = i2i("train", "shapes", "--steps", "1", "--name", "x", *TINY)
    assert "skipped: __MACOSX" in result.stderr and "disc->square" in Path("runs/x/README.md").read_text()

"""`i2i index`, `neighbours`, `classify` and `fit-classifier`: streams, exit codes, files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import i2i

PORTRAIT = Path(__file__).parents[2] / "docs" / "astronaut.jpg"


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_neighbours_are_found_among_the_runs_own_images(here: Path) -> None:
    result = i2i("neighbours", "query.png", "--from", "disc", "-k", "3")
    found = rows(result.stdout)
    assert [(row[0], row[1], row[3]) for row in found] == [("query.png", str(rank), "square") for rank in (1, 2, 3)]
    assert all(Path(row[4]).is_file() and -1 <= float(row[2]) <= 1 for row in found)
    assert "gallery: runs/faces/gallery.safetensors" in result.stderr


def test_neighbours_in_a_folder_from_a_list_with_a_sheet(here: Path) -> None:
    names = sorted(str(path) for path in Path("shapes").rglob("0[12].png"))
    assert len(names) == 4
    listed = b"\0".join(os.fsencode(name) for name in names)
    words = ["neighbours", "--from-file", "-", "-0", "--gallery", "shapes", "-k", "2", "--sheet", "n.png", "--json"]
    found = [json.loads(line) for line in i2i(*words, stdin=listed).stdout.splitlines()]
    assert [item["query"] for item in found] == names
    for item in found:
        assert item["domain"] == Path(item["query"]).parent.name
        assert len(item["neighbours"]) == 2 and item["neighbours"][0]["domain"] != item["domain"]
    with Image.open("n.png") as sheet:
        assert sheet.width > 3 * 64 and sheet.height > 4 * 64
    assert "exists already" in i2i(*words, stdin=listed, code=1).stderr


def test_neighbours_of_stdin_and_of_what_cannot_be_read(here: Path) -> None:
    (here / "bad.png").write_text("no")
    data = (here / "query.png").read_bytes()
    result = i2i("neighbours", "-", "bad.png", "--in", "disc", "-k", "1", stdin=data, code=1)
    assert [row[0] for row in rows(result.stdout)] == ["-"]
    assert result.stderr.count("bad.png") == 1 and "1 of 2 images failed" in result.stderr
    assert "no domain 'disk'" in i2i("neighbours", "query.png", "--in", "disk", code=2).stderr
    assert "no images given" in i2i("neighbours", code=2).stderr


def test_a_query_that_is_not_there_is_named_rather_than_its_folder(here: Path, tmp_path: Path) -> None:
    said = i2i("neighbours", str(tmp_path / "nobody.png"), "-w", "faces", code=1).stderr
    assert "nobody.png: no such file" in said and "has no images" not in said


def test_index_is_brought_up_to_date_and_searched(here: Path) -> None:
    first = i2i("index", "shapes", "-o", "g.safetensors")
    assert first.stdout == "g.safetensors\n" and "32 encoded, 0 unchanged" in first.stderr
    assert "0 encoded, 32 unchanged" in i2i("index", "shapes", "-o", "g.safetensors").stderr
    (here / "shapes" / "disc" / "00.png").write_text("no")
    spoilt = i2i("index", "shapes", "-o", "g.safetensors", "--json", code=1)
    counts = {"encoded": 0, "kept": 31, "removed": 0, "unreadable": 1}
    assert json.loads(spoilt.stdout) == {"gallery": "g.safetensors"} | counts
    found = rows(i2i("neighbours", "query.png", "--gallery", "g.safetensors", "-k", "40", "--from", "square").stdout)
    assert len(found) == 15 and {row[3] for row in found} == {"disc"}
    assert "'.txt'" in i2i("index", "shapes", "-o", "g.txt", code=2).stderr
    assert "an index holds one" in i2i("index", "shapes", "shapes", "-o", "h.csv", code=2).stderr


def test_galleries_are_merged(here: Path) -> None:
    for name in ("disc", "square"):
        i2i("index", f"shapes/{name}", "-o", f"{name}.safetensors")
    result = i2i("index", "--merge", "disc.safetensors", "square.safetensors", "-o", "both.safetensors", "--json")
    assert json.loads(result.stdout) == {"gallery": "both.safetensors", "images": 32}
    assert "exists already" in i2i("index", "--merge", "a", "b", "-o", "both.safetensors", code=1).stderr


def test_classify_in_a_pipe(here: Path) -> None:
    (here / "bad.png").write_text("no")
    result = i2i("classify", "query.png", "bad.png", "shapes", "-r", code=1)
    found = rows(result.stdout)
    assert len(found) == 33 and found[0][0] == "query.png"
    assert all(row[1] in ("disc", "square") and 0.5 <= float(row[2]) <= 1 for row in found)
    data = (here / "query.png").read_bytes()
    values = json.loads(i2i("classify", "-", "--json", stdin=data).stdout)
    assert values["label"] == found[0][1] and sum(values["probabilities"].values()) == pytest.approx(1, abs=1e-3)


def test_a_classifier_of_other_labels_is_fitted_and_used(here: Path) -> None:
    for path in sorted((here / "shapes").rglob("*.png")):
        folder = here / "halves" / ("upper" if int(path.stem) < 8 else "lower")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"{path.parent.name}-{path.name}")
    result = i2i("fit-classifier", "halves", "--group", r"\d\d\.png")
    assert result.stdout.splitlines()[0].split() == ["images", "count", "accuracy", "balanced", "AUC"]
    assert "stored as 'halves' in" in result.stderr and "images were held out: figures of fewer" in result.stderr
    assert rows(i2i("classify", "query.png", "--labels", "halves").stdout)[0][1] in ("upper", "lower")
    assert "halves" in i2i("weights", "show").stdout
    assert "--force" in i2i("fit-classifier", "halves", code=2).stderr
    copied = i2i("fit-classifier", "halves", "--labels", "again", "-o", "w.safetensors", "--json")
    assert json.loads(copied.stdout)["weights"] == "w.safetensors"
    assert "no classifier called 'again'" in i2i("classify", "query.png", "--labels", "again", code=2).stderr
    i2i("classify", "query.png", "--labels", "again", "-w", "w.safetensors")


def test_odd_names_pass_through_real_pipes(here: Path) -> None:
    odd = [b"sp ace.png", b"new\nline.png", b"-dash.png", b"\xff\xfe.png", b"UPPER.PNG", b"jpeg-inside.gif"]
    (here / "odd").mkdir()
    for name in odd:
        shutil.copyfile("query.png", Path("odd", os.fsdecode(name)))
    command = f"find odd -type f -print0 | {sys.executable} -m i2i_cli classify --from-file - -0 --json"
    found = subprocess.run(command, shell=True, capture_output=True, timeout=120)
    assert found.returncode == 0, found.stderr
    named = {os.fsencode(json.loads(line)["input"]) for line in found.stdout.splitlines()}
    assert named == {b"odd/" + name for name in odd}


def test_a_name_cannot_break_its_line(here: Path) -> None:
    shutil.copy("query.png", "a\tb\n\x1b[31m.png")
    (line,) = i2i("classify", "a\tb\n\x1b[31m.png").stdout.splitlines()
    assert line.split("\t")[0] == r"a\tb\n\x1b[31m.png"


def test_spoilt_images_of_a_gallery_are_named_and_end_in_1(here: Path) -> None:
    (here / "shapes" / "disc" / "00.png").write_text("no")
    result = i2i("neighbours", "query.png", "--gallery", "shapes", "-k", "1", code=1)
    assert len(rows(result.stdout)) == 1 and result.stderr.count("00.png") == 1
    result = i2i("fit-classifier", "shapes", "--labels", "mine", code=1)
    assert "stored as 'mine'" in result.stderr and result.stderr.count("00.png") == 1


def test_what_cannot_be_is_said_before_any_work(here: Path) -> None:
    assert "--by" in i2i("neighbours", "query.png", "--by", "colour", code=2).stderr
    assert "cannot write the image as" in i2i("neighbours", "query.png", "--sheet", "n", code=2).stderr
    assert "regular expression" in i2i("fit-classifier", "shapes", "--labels", "x", "--group", "(", code=2).stderr
    assert "'domains' is" in i2i("fit-classifier", "shapes", "--labels", "domains", code=2).stderr
    assert "given more than once" in i2i("classify", "-", "--from-file", "-", code=2).stderr


def test_approximate_neighbours_are_those_of_an_exact_search_where_there_are_few(here: Path) -> None:
    words = ["neighbours", "query.png", "--from", "disc", "-k", "5"]
    assert rows(i2i(*words, "--approximate").stdout)[0][4] == rows(i2i(*words).stdout)[0][4]


def test_folders_and_fifos_called_like_images_stop_no_other(here: Path) -> None:
    (here / "folder.png").mkdir()
    os.mkfifo(here / "fifo.png")
    result = i2i("classify", "folder.png", "fifo.png", "query.png", "x" * 300 + ".png", code=1)
    assert [row[0] for row in rows(result.stdout)] == ["query.png"]
    assert result.stderr.count("folder.png") == result.stderr.count("fifo.png") == 1
    assert "3 of 4 images failed" in result.stderr


@pytest.mark.parametrize("command", [("classify",), ("neighbours", "--gallery", "shapes")])
def test_what_is_cut_out_of_a_photo_is_told(here: Path, command: tuple[str, ...]) -> None:
    shutil.copy(PORTRAIT, "me.jpg")
    cut = i2i(*command, "me.jpg", "--crop", "auto", "--json")
    left, top, width, height = json.loads(cut.stdout)["crop"]
    assert f"cut to {left},{top},{width},{height} (x,y,w,h); --crop none takes the whole image" in cut.stderr
    whole = i2i(*command, "me.jpg", "--crop", "none", "--json")
    assert "crop" not in json.loads(whole.stdout) and "cut to" not in whole.stderr
    Image.new("RGB", (200, 100), "green").save("field.jpg")
    two = i2i(*command, "me.jpg", "field.jpg", "--crop", "auto")
    assert "cut to" not in two.stderr and "no face found in 1 of 2 images: taken whole" in two.stderr

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner, Result

from i2i_cli.cli import app


def i2i(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def width(path: Path) -> int:
    with Image.open(path) as image:
        return image.size[0]


def lines(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


def test_a_picture_of_a_gallery_is_the_same_again(run: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    done = i2i("plot", run / "gallery.safetensors", "-o", one, "--json")
    assert done.exit_code == 0, done.output
    values = json.loads(done.stdout)
    assert values["images"] > 10 and set(values["silhouette"]) == {"content", "domain", "both"}
    assert i2i("plot", run / "gallery.safetensors", "-o", two).stdout == f"{two}\n"
    assert one.read_bytes() == two.read_bytes()
    assert width(one) > 1000


def test_a_folder_as_a_page_and_as_numbers(run: Path, domains: Path, tmp_path: Path) -> None:
    page, table = tmp_path / "codes.html", tmp_path / "codes.csv"
    assert i2i("plot", domains, "-w", run, "--method", "pca", "-o", page).exit_code == 0
    text = page.read_text()
    assert text.count("<circle") == 3 * 32 and "disc/00.png" in text and "http" not in text
    assert i2i("plot", domains, "-w", run, "--limit", "10", "-o", table).exit_code == 0
    head, *rows = lines(table)
    assert head == ["path", "label", "content_x", "content_y", "domain_x", "domain_y", "both_x", "both_y"]
    assert len(rows) == 20 and {row[1] for row in rows} == {"disc", "square"}
    thumbs = tmp_path / "thumbs.png"
    assert i2i("plot", domains, "-w", run, "--method", "pca", "--thumbnails", "-o", thumbs).exit_code == 0


def test_the_page_shows_the_points_as_the_picture_does(run: Path, domains: Path, tmp_path: Path) -> None:
    """Pages count downwards: unless turned, every cloud would stand on its head beside its PNG."""
    page, table = tmp_path / "codes.html", tmp_path / "codes.csv"
    for out in (page, table):
        assert i2i("plot", domains, "-w", run, "--method", "pca", "-o", out).exit_code == 0
    circles = re.findall(r'<circle[^>]*cx="([-.0-9]+)"[^>]*cy="([-.0-9]+)"', page.read_text())[:32]
    points = [(float(row[2]), float(row[3])) for row in lines(table)[1:]]
    assert len(circles) == len(points) == 32
    highest, lowest = (points.index(edge(points, key=lambda point: point[1])) for edge in (max, min))
    rightmost, leftmost = (points.index(edge(points, key=lambda point: point[0])) for edge in (max, min))
    assert float(circles[highest][1]) == 10 and float(circles[lowest][1]) == 390
    assert float(circles[rightmost][0]) == 390 and float(circles[leftmost][0]) == 10


def test_mistakes(run: Path, tmp_path: Path) -> None:
    gallery = run / "gallery.safetensors"
    assert i2i("plot", gallery, "-o", tmp_path / "codes.pdf").exit_code == 2
    refused = i2i("plot", gallery, "--method", "umap", "-o", tmp_path / "codes.png")
    assert refused.exit_code == 2 and "tsne or pca" in refused.stderr
    (tmp_path / "codes.png").write_text("mine")
    assert i2i("plot", gallery, "-o", tmp_path / "codes.png").exit_code == 1
    assert (tmp_path / "codes.png").read_text() == "mine"


def test_the_curves_of_a_run(run: Path, tmp_path: Path) -> None:
    picture, table = tmp_path / "curves.png", tmp_path / "curves.csv"
    assert i2i("plot", run, "-o", picture).exit_code == 0
    assert width(picture) > 1000
    assert i2i("plot", run, "-o", table).exit_code == 0
    head, *rows = lines(table)
    assert head == ["step", "kind", "name", "value"]
    assert {"pixel", "content_ridge"} <= {row[2] for row in rows if row[1] == "training"}
    page = tmp_path / "curves.html"
    assert i2i("plot", run, "-o", page).exit_code == 0
    text = page.read_text()
    assert "step 6<" in text and "Held-out figures" in text and "http" not in text
    assert text.index('class="headline"') < text.index("Too early to say") < text.index("<h2>")
    assert text.count("data:image/jpeg;base64,") == len(list((run / "samples").glob("step-*.png")))


def test_the_curves_of_a_run_need_no_torch(run: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from i2i_cli.cli import app;"
        f"app(['plot', {str(run)!r}, '-o', {str(tmp_path / 'curves.html')!r}], standalone_mode=False);"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == f"{tmp_path / 'curves.html'}\n", done.stderr


def test_a_page_of_codes_shows_images_and_switches_labels(run: Path, domains: Path, tmp_path: Path) -> None:
    page = tmp_path / "codes.html"
    assert i2i("plot", domains, "-w", run, "--method", "pca", "-o", page).exit_code == 0
    text = page.read_text()
    labels = json.loads(re.search(r"labels = (\[.*?\]);", text).group(1))  # type: ignore[union-attr]
    colours = re.findall(r'<circle[^>]*fill="(#\w+)"', text)[:32]
    assert labels == [0] * 16 + [1] * 16 and len({*zip(labels, colours, strict=True)}) == 2
    assert re.findall(r'aria-pressed="true" data-label="(\d)"', text) == ["0", "1"]
    assert text.count("data:image/jpeg;base64,") == 32 and "mixed. Silhouette" in text
    assert i2i("plot", run, "-o", tmp_path / "curves.pdf").exit_code == 2

"""The page in a browser: what a visitor does, sees and may never meet. Skipped where there is no Chromium."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from i2i_cli.bundled import portrait_file
from tests.conftest import TINY, draw_domains, finished_run, trusted
from tests.web.conftest import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.web.visiting import Visit

pytestmark = pytest.mark.slow

EVIL = "<img src=x onerror=alert(1)>"
"""A name that would run, were it taken for HTML."""

TABS = ("Translate", "Swap", "Neighbours", "Classify", "Codes", "Train", "Endpoint")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'i2i-cli[browser]'")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    path = os.environ.get("I2I_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("needs Chromium: install it, or say where it is by I2I_CHROMIUM")
    # Late: it needs playwright.
    from tests.web.visiting import ARGUMENTS

    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def folder(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server works: `shapes/`, a run of it, and one of a domain whose name is HTML."""
    folder = tmp_path_factory.mktemp("served")
    draw_domains(folder / "shapes")
    trusted(shutil.copytree(run, folder / "runs" / "shapes"))
    evil = draw_domains(folder / "evil")
    (evil / "disc").rename(evil / EVIL)
    trusted(finished_run(evil, TINY)).rename(folder / "runs" / EVIL)
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    words = [word for name in ("faces", "runs/shapes", f"runs/{EVIL}") for word in ("-w", name)]
    with serving(folder, *words, "--gallery", "shapes") as (_, address, _):
        yield address


@pytest.fixture
def stranger(browser: "Browser", address: str) -> Iterator["Visit"]:
    """A visitor who is about to come."""
    # Late: it needs playwright.
    from tests.web.visiting import visiting

    with visiting(browser, address, permissions=["clipboard-read", "clipboard-write"]) as visit:
        yield visit


@pytest.fixture
def visit(stranger: "Visit") -> "Visit":
    """A visitor who has come, and seen the picture that lies there translated."""
    stranger.arrive()
    return stranger


@pytest.fixture
def shapes(stranger: "Visit") -> "Visit":
    """A visitor who cannot wait, and chooses the model of discs and squares at once."""
    stranger.page.goto(stranger.address)
    stranger.choose("#model", "runs/shapes")
    stranger.told("-w runs/shapes")
    return stranger


@pytest.fixture(scope="module")
def wide() -> bytes:
    """A photo of 900x512 with a face in it."""
    return _png(_wide())


def _wide() -> Image.Image:
    image = Image.new("RGB", (900, 512), (90, 120, 150))
    with Image.open(portrait_file()) as portrait:
        image.paste(portrait.convert("RGB"), (300, 0))
    return image


def _png(image: Image.Image) -> bytes:
    # Late: it needs playwright.
    from tests.web.visiting import png

    return png(image)


def shape(folder: Path, name: str) -> tuple[str, bytes]:
    """The file `name` of `shapes/`, as `Visit.upload` wants it."""
    return Path(name).name, (folder / "shapes" / name).read_bytes()


def run_command(words: list[str], folder: Path, out: Path) -> None:
    """Type a command line in the folder where the server works, its image being there."""
    done = subprocess.run([sys.executable, "-m", "i2i_cli", *words[1:], "-o", str(out)], cwd=folder, text=True,
                          env=os.environ | {"PYTHONPATH": str(Path.cwd())}, capture_output=True)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_face_is_there_on_arrival_and_translated(visit: "Visit") -> None:
    assert visit.told() == ["i2i", "translate", portrait_file().name, "-w", "faces", "--to", "anime"]
    assert visit.page.locator("#result img").count() == 2 and visit.page.locator("#codes img").count() == 24
    slider = visit.page.locator("#result").bounding_box()
    assert slider is not None and slider["width"] > 300 and slider["height"] > 300


def test_domain_code_and_strength_change_the_result_and_the_command(visit: "Visit") -> None:
    with visit.another("#result img"), visit.another("#codes img"):
        visit.page.get_by_label("human", exact=True).check()
        visit.told("--to human")
    with visit.another("#result img"):
        visit.page.locator("#codes button.thumbnail-item").nth(4).click()
        assert visit.told("--code")[-2:] == ["--code", "5"]
    with visit.another("#result img"):
        visit.slide("#strength", 0.5)
        strength = float(visit.told("--strength")[-1])
    assert 0.4 <= strength <= 0.6


@pytest.mark.parametrize(("size", "at"), [((900, 512), (0.3, 0.5)), ((300, 700), (0.5, 0.3))])
def test_the_part_follows_a_click(visit: "Visit", size: tuple[int, int], at: tuple[float, float]) -> None:
    image = Image.new("RGB", size, (90, 120, 150))
    visit.upload("#picture", "flat.png", _png(image))
    visit.told("flat.png", "--crop none")
    with visit.another("#result img"):
        visit.click_picture("#part-view img", *at)
        visit.until(lambda: "," in visit.told()[-1], "the command does not follow the click")
    left, top, width, height = map(int, visit.told("--crop")[-1].split(","))
    for found, expected, length in zip((left + width / 2, top + height / 2), at, size, strict=True):
        assert abs(found / length - expected) < 0.03
    with visit.another("#part-view img"):
        visit.slide("#share", 0.2)
        visit.until(lambda: not visit.told()[-1].endswith(f",{width},{height}"), "the part keeps its size")


def test_the_download_has_the_input_s_size_and_the_pixels_of_the_command(
    visit: "Visit", folder: Path, tmp_path: Path, wide: bytes
) -> None:
    visit.upload("#picture", "wide.png", wide)
    visit.told("wide.png")
    visit.page.get_by_text("More", exact=True).click()
    visit.page.locator("#paste input").check()
    words = visit.told("wide.png", "--paste")
    downloaded = Image.open(visit.download(tmp_path))
    assert downloaded.size == (900, 512)
    (folder / "wide.png").write_bytes(wide)
    run_command(words, folder, tmp_path / "typed.png")
    assert np.array_equal(np.asarray(downloaded), np.asarray(Image.open(tmp_path / "typed.png")))
    assert not np.array_equal(np.asarray(downloaded), np.asarray(_wide()))


def test_samples_a_reference_and_a_morph(shapes: "Visit", folder: Path) -> None:
    shapes.page.get_by_text("More", exact=True).click()
    shapes.slide("#samples", 0.25)
    count = int(shapes.told("--samples")[-1])
    shapes.shows("#sampled img", count)
    assert shapes.page.locator("#sampled img").count() == count > 1
    with shapes.another("#sampled img"):
        shapes.page.get_by_label("Seed of the draw").fill("7")
        shapes.told("--seed 7")
    shapes.upload("#like", *shape(folder, "square/02.png"))
    assert shapes.told("--like")[-2:] == ["--like", "02.png"]
    shapes.page.locator("#make-morph").click()
    shapes.shows("#morph img")
    assert shapes.sources("#morph img")[0].endswith(".gif")


def test_a_picture_from_the_clipboard(visit: "Visit") -> None:
    visit.page.evaluate(COPY)
    with visit.another("#result img"):
        visit.page.locator("#picture button[aria-label='Paste from clipboard']").click()
        visit.until(lambda: portrait_file().name not in visit.told(), "the picture was not pasted")
    visit.tab("Neighbours")
    visit.page.locator("#query button[aria-label='Paste from clipboard']").click()
    visit.shows("#hits img", 12)


COPY = """async () => {
  const canvas = new OffscreenCanvas(60, 40), pen = canvas.getContext("2d");
  pen.fillStyle = "teal"; pen.fillRect(0, 0, 60, 40);
  const blob = await canvas.convertToBlob({type: "image/png"});
  await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
}"""


def test_what_cannot_be_read_is_told_once_and_the_page_goes_on(visit: "Visit", wide: bytes) -> None:
    visit.upload("#picture", "words.png", b"no image")
    visit.error("words.png: not an image that can be read")
    assert visit.page.locator("#result img").count() == 0, "what came of another picture is still there"
    visit.upload("#picture", "cut.png", wide[: len(wide) // 2])
    visit.error("cut.png: damaged image")
    visit.upload("#picture", "tiny.png", _png(Image.new("RGB", (1, 1))))
    visit.told("tiny.png")
    visit.tab("Classify")
    visit.upload("#classified", "words.png", b"no image")
    visit.error("words.png: not an image that can be read")
    visit.tab("Translate")
    visit.upload("#picture", "wide.png", wide)
    visit.told("wide.png", "--to anime")
    visit.shows("#result img", 2)


def test_another_model_has_other_domains(visit: "Visit") -> None:
    assert visit.page.locator("#to label").all_inner_texts() == ["anime", "human"]
    visit.choose("#model", "runs/shapes")
    assert visit.told("-w runs/shapes")[-1] in ("disc", "square")
    assert visit.page.locator("#to label").all_inner_texts() == ["disc", "square"]
    visit.shows("#notes p")
    assert "unlike what runs/shapes was trained on" in visit.page.locator("#notes").inner_text()


def test_swap_exchanges_two(shapes: "Visit", folder: Path) -> None:
    shapes.tab("Swap")
    shapes.upload("#swap-a", *shape(folder, "disc/01.png"))
    shapes.upload("#swap-b", *shape(folder, "square/02.png"))
    assert shapes.told("swap-domain") == ["i2i", "swap-domain", "01.png", "02.png", "-w", "runs/shapes"]
    shapes.shows("#a-as-b img")
    shapes.shows("#b-as-a img")


def test_a_click_on_a_neighbour_asks_for_its_own(shapes: "Visit", folder: Path) -> None:
    shapes.tab("Neighbours")
    shapes.upload("#query", *shape(folder, "disc/01.png"))
    shapes.shows("#hits img", 12)
    assert shapes.told("neighbours")[:3] == ["i2i", "neighbours", "01.png"]
    with shapes.another("#hits img"), shapes.another("#query img"):
        shapes.page.locator("#hits button.thumbnail-item").first.click()
        shapes.until(lambda: "01.png" not in shapes.told()[2:3], "the command still asks for the upload")
    assert Path(shapes.told()[2]).parent.name in ("disc", "square")


def test_classify_shows_the_probabilities(shapes: "Visit", folder: Path) -> None:
    shapes.tab("Classify")
    shapes.upload("#classified", *shape(folder, "square/02.png"))
    shapes.told("classify 02.png")
    bars = shapes.page.locator("#bars").inner_text()
    assert "disc" in bars and "square" in bars and "%" in bars


def test_codes_show_images_and_exchange_two(shapes: "Visit") -> None:
    shapes.tab("Codes")
    shapes.page.locator("#draw-codes").click()
    shapes.shows("#code-points circle", 30)
    points = shapes.page.locator("#code-points svg").first.locator("circle")
    points.nth(5).hover(force=True)
    assert shapes.page.locator("#code-points .shown img").is_visible()
    assert shapes.page.locator("#code-points .shown span").inner_text().endswith(".png")
    for place in (0, 20):
        points.nth(place).click(force=True)
    shapes.shows("#swapped img", 4)
    assert shapes.page.locator("#swapped img").count() == 4


def test_a_training_is_watched(visit: "Visit", run: Path, folder: Path) -> None:
    growing = folder / "runs" / "growing"
    shutil.copytree(run, growing, ignore=lambda *_: ["model.safetensors", "state.safetensors", ".lock"])
    (growing / ".lock").write_text(f"process {os.getpid()} on {platform.node()}")
    journal = growing / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    try:
        _append(journal, lines[1], 2)
        visit.tab("Train")
        live = visit.page.locator("#run-live")
        visit.until(lambda: "step 2" in live.inner_text(), "the run is not shown")
        assert "training" in live.inner_text() and visit.page.locator("#run-live .chart").count()
        with visit.another("#run-sheet img"):
            Image.new("RGB", (64, 64), "teal").save(growing / "samples" / "latest.png")
            _append(journal, lines[1], 4)
            visit.until(lambda: "step 4" in live.inner_text(), "the page does not follow the run")
        with visit.page.context.expect_page() as opened:
            visit.page.get_by_role("link", name="curves.html").click(modifiers=["Control"])
        opened.value.wait_for_selector(".verdict")
        assert "growing" in opened.value.inner_text("body")
    finally:
        shutil.rmtree(growing)


def _append(journal: Path, line: dict[str, Any], step: int) -> None:
    with journal.open("a") as file:
        file.write(json.dumps({**line, "step": step}) + "\n")


def test_names_that_are_html_are_read_and_never_run(visit: "Visit", folder: Path, wide: bytes) -> None:
    visit.upload("#picture", f"{EVIL}.png", wide)
    visit.told("onerror")
    visit.upload("#picture", f"{EVIL}2.png", b"no image")
    visit.error("onerror=alert(1)")
    visit.upload("#picture", "wide.png", wide)
    visit.told("wide.png", "-w faces")
    weights = folder / "runs" / EVIL / "model.safetensors"
    weights.rename(weights.with_suffix(".away"))
    visit.choose("#model", f"runs/{EVIL}")
    visit.error(f"cannot read the model runs/{EVIL}")
    weights.with_suffix(".away").rename(weights)
    visit.choose("#model", "faces")
    visit.told("-w faces")
    visit.choose("#model", f"runs/{EVIL}")
    visit.told(EVIL)
    assert f"unlike what runs/{EVIL} was trained on" in visit.page.locator("#notes").inner_text()
    visit.tab("Neighbours")
    visit.upload("#query", *shape(folder, "disc/01.png"))
    visit.shows("#hits img", 12)
    assert "is taken for one of" in visit.page.locator("#neighbours-told").inner_text()
    visit.tab("Classify")
    visit.upload("#classified", *shape(folder, "disc/01.png"))
    visit.told("classify")
    assert EVIL in visit.page.locator("#bars").inner_text()
    visit.tab("Codes")
    visit.page.locator("#draw-codes").click()
    visit.shows("#code-points circle", 30)
    assert EVIL in visit.page.locator("#code-points .legend").inner_text()
    visit.tab("Train")
    visit.choose("#run", EVIL)
    visit.until(lambda: EVIL in visit.page.locator("#run-live").inner_text(), "the run is not shown")
    visit.page.get_by_role("link", name="curves.html").click()
    visit.page.wait_for_selector(".verdict")
    assert EVIL in visit.page.inner_text("h1, body")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_every_tab_fits_and_can_be_read(
    browser: "Browser", address: str, folder: Path, width: int, scheme: str, tmp_path: Path
) -> None:
    # Late: it needs playwright.
    from tests.web.visiting import visiting

    with visiting(browser, address, viewport={"width": width, "height": 844}, color_scheme=scheme) as visit:
        visit.arrive()
        assert ("dark" in (visit.page.locator("body").get_attribute("class") or "")) == (scheme == "dark")
        assert min(map(visit.contrast, (".command .cm-line, .command .cm-line *", ".label p", "#to span"))) >= 4.5
        for name in TABS:
            visit.tab(name)
            if name == "Codes":
                visit.page.locator("#draw-codes").click()
                visit.shows("#code-points circle", 30)
            if name == "Train":
                visit.shows(".training .findings")
                assert visit.contrast(".training .legend span") >= 4.5
            visit.page.wait_for_timeout(300)
            visit.page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
            assert visit.overflow() <= 0, name

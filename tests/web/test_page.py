"""What the tabs answer, without a browser: `test_browser.py` has one."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

import i2i_cli as i2i
from i2i_cli.bundled import portrait_file
from i2i_cli.errors import DataError
from i2i_cli.web.desk import Desk
from i2i_cli.web.galleries import Galleries
from i2i_cli.web.models import Models
from i2i_cli.web.page import page
from i2i_cli.web.page.codes import CodesTab
from i2i_cli.web.page.framing import LARGEST, OWN, WHOLE
from i2i_cli.web.page.neighbours import OTHERS, NeighboursTab
from i2i_cli.web.page.parts import worded
from i2i_cli.web.page.train import NONE, TrainTab
from i2i_cli.web.page.translate import DEFAULT, PREDICTED, TranslateTab
from i2i_cli.web.service import Service
from i2i_cli.web.workspace import Workspace, stored

Told = list[str]


@pytest.fixture(autouse=True)
def _loops_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Gradio opens event loops to make its locks, and leaves them open."""
    opened, new_loop = list[asyncio.AbstractEventLoop](), asyncio.new_event_loop

    def recorded() -> asyncio.AbstractEventLoop:
        opened.append(new_loop())
        return opened[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", recorded)
    yield
    asyncio.set_event_loop(None)
    for loop in opened:
        loop.close()


@pytest.fixture
def blocks() -> Any:
    with gr.Blocks(analytics_enabled=False) as made:
        yield made


def uploaded(service: Service, path: Path) -> Path:
    return stored(service.workspace.folder(), path.name, path.read_bytes())


def wish(tab: TranslateTab, image: Path, **changed: Any) -> list[Any]:
    """The values of the controls, as the browser sends them."""
    seen, part, _, own_part, _ = tab.look(None, image, None)
    values = {"model": None, "picture": image, "to": "disc", "code": DEFAULT, "like": None, "samples": 0, "seed": 0,
              "strength": 1, "own": PREDICTED, "part": part.value, "paste": False, "seen": seen,
              "own_part": own_part}  # fmt: skip
    return list((values | changed).values())


def test_the_page_holds_every_tab_and_no_event_for_others(service: Service) -> None:
    blocks, _ = page(service, "http://127.0.0.1:1")
    labels = [block.label for block in blocks.blocks.values() if isinstance(block, gr.Tab)]
    assert labels == ["Translate", "Swap", "Neighbours", "Classify", "Codes", "Train", "Endpoint"]
    assert {event["api_visibility"] for event in blocks.config["dependencies"]} == {"private"}


def test_a_picture_is_translated_and_told_as_a_command(service: Service, photo: Path, run: Path, blocks: Any) -> None:
    tab = TranslateTab(service, gr.Dropdown([]), print)
    image = uploaded(service, photo)
    pair, _, _, download, command, _ = tab.translate(*wish(tab, image, strength=0.5))
    made = Image.open(download.value if isinstance(download.value, str) else download.value["path"])
    expected = i2i.load(run, device="cpu").translate(photo, "disc", strength=0.5)
    assert np.array_equal(np.asarray(made), np.asarray(expected)) and pair[0].size == pair[1].size == (200, 120)
    assert "--to disc --strength 0.5" in command and "--crop" not in command
    _, _, sampled, _, command, _ = tab.translate(*wish(tab, image, samples=3, code=5))
    assert len(sampled.value) == 3 and "--samples 3" in command and "--code" not in command
    *_, command, _ = tab.translate(*wish(tab, image, code=5))
    assert "--code 6" in command
    *_, command, _ = tab.translate(*wish(tab, image, like=uploaded(service, photo), code=5, samples=2))
    assert "--like photo.jpg" in command and "--code" not in command and "--samples" not in command


def test_nothing_is_asked_of_a_page_without_a_picture(service: Service, photo: Path, blocks: Any) -> None:
    tab = TranslateTab(service, gr.Dropdown([]), print)
    values = wish(tab, uploaded(service, photo))
    values[1] = None
    assert tab.translate(*values)[0] is None and tab.show_codes(*values) == ([], DEFAULT)
    assert tab.look(None, None, None)[0] is None


def test_the_codes_are_shown_on_the_picture_itself(service: Service, photo: Path, blocks: Any) -> None:
    tab = TranslateTab(service, gr.Dropdown([]), print)
    squares, code = tab.show_codes(*wish(tab, uploaded(service, photo)))
    assert code == DEFAULT and len(squares) > 3 and len({square.tobytes() for square in squares}) > 3


def test_a_part_follows_the_click(service: Service, photo: Path, blocks: Any) -> None:
    tab = TranslateTab(service, gr.Dropdown([]), print)
    image = uploaded(service, photo)
    seen, part, _, _, _ = tab.look(None, image, None)
    assert part.value == WHOLE
    click = gr.SelectData(None, {"index": [150, 60], "value": None})
    chosen, crop, view, _ = tab.move(image, seen, 0.5, click)
    assert chosen.value == OWN and tuple(crop) == (120, 30, 60, 60) and view.size == (200, 120)
    *_, command, _ = tab.translate(*wish(tab, image, part=OWN, own_part=crop))
    assert "--crop 120,30,60,60" in command


def test_a_face_is_framed_and_translated_to_the_other_domain(workspace: Workspace, blocks: Any) -> None:
    models = Models(["faces"], device="cpu")
    service = Service(models=models, galleries=Galleries(), desk=Desk(4), workspace=workspace)
    tab = TranslateTab(service, gr.Dropdown([]), print)
    image = uploaded(service, portrait_file())
    seen, part, _, _, to = tab.look(None, image, "human")
    assert part.value == LARGEST and len(seen.faces) == 1 and to.value == "anime"
    *_, command, _ = tab.translate(*wish(tab, image, to="anime", paste=True))
    assert command.endswith("--to anime --paste")


def test_a_dual_model_is_asked_for_what_a_picture_becomes(service: Service, factors: Path, blocks: Any) -> None:
    tab, name = TranslateTab(service, gr.Dropdown([]), print), list(service.models.served())[1]
    model = service.models.open(name)
    for domain in model.domains:
        image = uploaded(service, factors / domain / "01.png")
        own = next(iter(service.classify(name, image)))
        *_, to = tab.look(name, image, own)
        assert to.value in model.targets_of(own) and to.value != own


def test_a_hit_asks_for_its_own_neighbours(service: Service, domains: Path, blocks: Any) -> None:
    tab = NeighboursTab(service, gr.Dropdown([]), print)
    name = list(service.galleries.served(service.models.weights()))[1]
    query = uploaded(service, domains / "disc" / "03.png")
    shown, hits, told, _ = tab.search(None, query, None, name, OTHERS, 4)
    assert len(shown) == 4 and {hit.label for hit in hits} == {"square"} and "disc" in told
    followed, upload = tab.follow(hits, gr.SelectData(None, {"index": 1, "value": None}))
    asked = [None, Path(upload), followed, name, OTHERS, 4]
    _, found, _, command = tab.search(*asked)
    assert {hit.label for hit in found} == {"disc"} and str(hits[1].path) in command
    found[0].path.unlink()
    shown, left, told, _ = tab.search(*asked)
    assert len(shown) == len(left) == 3 and "1 of the images found are gone" in told


def test_codes_are_drawn_and_two_of_them_exchanged(service: Service, blocks: Any) -> None:
    tab = CodesTab(service, gr.Dropdown([]), print)
    value, paths, _ = tab.embed(None, None, "pca")
    assert len(value["panels"][0]["points"]) == len(value["images"]) == len(paths) == 30
    found = tab.swap(None, paths, gr.EventData(None, {"first": 0, "second": 20}))
    assert len(found.value) == 4


def test_trainings_are_watched_and_left_alone_where_nothing_is_new(here: Path, run: Path, blocks: Any) -> None:
    with gr.Tab("Train") as tab_block:
        tab = TrainTab(tab_block, print)
    runs, told, live, sheet, seen = tab.look(None, None)
    assert runs.value == "faces" and "/runs/faces/curves.html" in told and "finished" in live and sheet.visible
    assert tab.look("faces", seen)[2] == gr.skip()
    journal = here / "runs" / "faces" / "journal.jsonl"
    journal.write_text(journal.read_text() + '{"kind": "training", "step": 77, "pixel": 0.123}\n')
    assert "0.123" in tab.look("faces", seen)[2]
    shutil.rmtree(here / "runs")
    assert tab.look("faces", seen)[1] == NONE


def test_errors_become_sentences_and_faults_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    told: Told = []

    def bad(kind: str) -> None:
        if kind == "ours":
            raise DataError("<img> is no image", "give another")
        raise ZeroDivisionError

    with pytest.raises(gr.Error) as ours:
        worded(told.append)(bad)("ours")
    assert "&#60;img&#62; is no image" in str(ours.value) and "give another" in str(ours.value) and not told
    with pytest.raises(gr.Error, match="bug"):
        worded(told.append)(bad)("fault")
    assert "ZeroDivisionError" in told[0]

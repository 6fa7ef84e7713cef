"""The whole of `i2i serve` in a process of its own: load, memory, ends in the middle, the routes of the page."""

import contextlib
import io
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from PIL import Image

import i2i_cli as i2i
from i2i_cli.web.server import MAX_SESSIONS, SECONDS_TO_END
from tests.web.test_server import serving

pytestmark = pytest.mark.slow


class Served(NamedTuple):
    """A server of the tiny model, and the folder that its workspace is in."""

    process: subprocess.Popen[str]
    client: httpx.Client
    scratch: Path

    @property
    def workspace(self) -> Path:
        (found,) = self.scratch.glob("i2i-serve-*")
        return found

    def translate(self, image: Path, to: str = "disc") -> httpx.Response:
        return self.client.post("/api/translate", files={"image": (image.name, image.read_bytes())}, data={"to": to})

    def upload(self, image: Path) -> dict[str, Any]:
        """An upload of the page, as its events name it."""
        (path,) = self.client.post("/gradio_api/upload", files={"files": (image.name, image.read_bytes())}).json()
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    def event(self, name: str) -> int:
        return next(one["id"] for one in self.client.get("/config").json()["dependencies"] if one["api_name"] == name)

    def join(self, fn_index: int, data: list[Any], session: str, event_data: Any = None) -> httpx.Response:
        body = {"data": data, "fn_index": fn_index, "session_hash": session, "event_data": event_data}
        return self.client.post("/gradio_api/queue/join", json=body)

    def finished(self, session: str) -> dict[str, Any]:
        """What an event came to."""
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as answer:
            for line in answer.iter_lines():
                if "process_completed" in line:
                    return dict(json.loads(line.removeprefix("data: ")))
        raise AssertionError("the event never ended")

    def resident(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def end(self) -> str:
        """Stop it; what it said on stderr."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        _, told = self.process.communicate(timeout=SECONDS_TO_END + 20)
        assert time.monotonic() - started < SECONDS_TO_END + 10
        assert self.process.returncode == 128 + signal.SIGTERM
        assert not list(self.scratch.glob("i2i-serve-*"))
        return told


@pytest.fixture
def served(run: Path, tmp_path: Path) -> Iterator[Served]:
    with (
        serving(tmp_path, "-w", str(run), "--waiting", "10") as (process, address, scratch),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        yield Served(process, client, scratch)


def test_ten_clients_get_their_own_answers(served: Served, domains: Path, run: Path) -> None:
    model, images = i2i.load(run, device="cpu"), [domains / "disc" / f"{place:02d}.png" for place in range(10)]
    got: dict[int, bytes] = {}

    def ask(place: int) -> None:
        for _ in range(3):
            got[place] = served.translate(images[place], "square").content

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, image in enumerate(images):
        answer = np.asarray(Image.open(io.BytesIO(got[place])))
        assert np.array_equal(answer, np.asarray(model.translate(image, "square")))
    assert "Traceback" not in served.end()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_and_disk_stay_as_they_are(served: Served, photo: Path) -> None:
    sizes = []
    for _ in range(500):
        assert served.translate(photo).status_code == 200
        sizes.append(served.resident())
    assert sizes[-1] < 1.1 * sizes[99]
    assert [path.name for path in served.workspace.iterdir()] == ["vibe_edit_history"]  # Gradio's, empty


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_pages_that_were_left_are_forgotten(served: Served) -> None:
    index, sizes = served.event("choose_model"), []
    for number in range(2 * MAX_SESSIONS):
        served.join(index, [None], f"visitor{number}")
        served.finished(f"visitor{number}")
        sizes.append(served.resident())
    assert sizes[-1] - sizes[MAX_SESSIONS + 20] < 0.5 * (sizes[MAX_SESSIONS] - sizes[20])


def test_a_signal_ends_it_while_jobs_run_and_pages_listen(served: Served, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.effect_noise((3000, 3000), 50).save(large)

    def ask() -> None:
        with contextlib.suppress(httpx.HTTPError):  # it is cut off
            served.translate(large)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    with served.client.stream("GET", "/gradio_api/heartbeat/listening") as alive:
        next(alive.iter_raw())
        time.sleep(0.5)
        told = served.end()
    for thread in threads:
        thread.join()
    assert "Traceback" not in told


def test_gradio_gives_no_file_away_and_takes_none_from_elsewhere(served: Served, photo: Path, tmp_path: Path) -> None:
    upload, root = served.upload(photo), served.workspace
    assert served.client.get(f"/gradio_api/file={upload['path']}").content == photo.read_bytes()
    (tmp_path / "secret.png").write_bytes(photo.read_bytes())
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    for path in (
        tmp_path / "secret.png",
        root / "link.png",
        f"{root}/../../secret.png",
        f"{root}/%2e%2e/%2e%2e/secret.png",
        f"//{tmp_path}/secret.png",
        "",
        ".",
        "%00",
        f"{root}%00.png",
        f"file://{photo}",
        root,
    ):
        assert served.client.get(f"/gradio_api/file={path}").status_code in (403, 404), path
    for name in ("../../../evil.png", "/etc/evil.png", "..", "a\0b.png", "x" * 5000 + ".png", "😀" * 200 + ".png"):
        served.client.post("/gradio_api/upload", files={"files": (name, photo.read_bytes())})
    assert not list(served.scratch.glob("evil*")) and not (tmp_path / "evil.png").exists()
    assert served.scratch.resolve() == served.workspace.parent and len(list(served.scratch.iterdir())) == 1
    page = tmp_path / "page.html"
    page.write_text("<script>alert(1)</script>")
    shown = served.client.get(f"/gradio_api/file={served.upload(page)['path']}")
    assert shown.headers["content-disposition"].startswith("attachment")


def test_events_that_no_page_sends_break_nothing(served: Served, photo: Path) -> None:
    upload, index = served.upload(photo), served.event("classify")
    for number, data in enumerate(
        (
            [None, upload, "domains"],
            [None, upload, "../x"],
            ["../x", upload, "domains"],
            [1, 2, 3],
            [None],
            [],
            [None] * 9,
            [{"a": [1]}, upload, ["domains"]],
        )
    ):
        if served.join(index, data, f"own{number}").status_code == 200:
            assert served.finished(f"own{number}")["success"] or number, data
    for number, (name, event) in enumerate(
        (
            ("choose_code", {"index": "x"}),
            ("choose_code", {}),
            ("swap_3", {"first": 7}),
            ("move", {"index": [1e300, -1]}),
            ("follow", {"index": 99}),
        )
    ):
        if served.join(served.event(name), [None] * 2, f"event{number}", event).status_code == 200:
            assert not served.finished(f"event{number}")["success"]
    assert served.translate(photo).status_code == 200


def test_requests_that_no_page_sends_are_refused(served: Served, photo: Path) -> None:
    for index in (-1, 99_999, "x", None, 1.5):
        assert served.join(index, [None] * 3, "none").status_code in (400, 422), index  # type: ignore[arg-type]
    for path in ("/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset", "/gradio_api/upload"):
        for body in (b"", b"[]", b"null", b"1", b'{"fn_index": {}}'):
            answer = served.client.post(path, content=body)
            assert answer.status_code in (400, 422) and answer.json(), (path, body)
    field = {"files": (None, b"no file")}
    for query in ({}, {"upload_id": "mine"}):
        assert "no request of the page" in served.client.post("/gradio_api/upload", files=field, params=query).text
    for path in (
        "/gradio_api/queue/data",
        "/gradio_api/upload_progress",
        "/gradio_api/queue/data?session_hash=nobody",
        "/gradio_api/upload_progress?upload_id=nobody",
        "/assets/../../routes.py",
        "/static/%2e%2e/routes.py",
        "/svelte/..%2f..%2froutes.py",
        "/?deep_link=../x",
        "/config?deep_link=../x&page=x",
    ):
        assert "import" not in served.client.get(path).text[:2000], path
    assert served.translate(photo).status_code == 200
    assert served.client.head("/").status_code == 200
    for path in ("/", "/config", "/gradio_api/info"):
        told = served.client.get(path).text
        assert str(served.scratch) not in told and str(Path.cwd()) not in told
    assert "Traceback" not in served.end()

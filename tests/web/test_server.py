"""The command itself, in a process of its own: `i2i serve` until a signal ends it."""

import inspect
import signal
import socket
from pathlib import Path

import httpx
import pytest

from i2i_cli.errors import ConfigError
from i2i_cli.web.server import address_of, bound, without_stubs
from tests.cli.conftest import i2i
from tests.web.conftest import serving


def test_the_address_is_told_once_it_answers_and_a_signal_ends_it_cleanly(
    run: Path, photo: Path, tmp_path: Path
) -> None:
    with (
        serving(tmp_path, "-w", str(run)) as (process, address, scratch),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        page = client.get("/")
        assert page.status_code == 200 and "gradio_config" in page.text
        assert client.get("/gradio_api/info").status_code == 200
        with photo.open("rb") as file:
            made = client.post("/api/translate", files={"image": file}, data={"to": "disc"})
        assert made.headers["content-type"] == "image/png", made.text
        assert client.get("/", headers={"host": "example.org"}).status_code == 403
        assert client.post("/gradio_api/queue/join", json={"data": [{"path": "/etc/passwd"}]}).status_code == 400
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=20)
        assert process.returncode == 128 + signal.SIGTERM
        assert not list(scratch.glob("i2i-serve-*")) and "Traceback" not in told
        assert not (tmp_path / ".gradio").exists()


def test_a_port_that_is_taken_is_told() -> None:
    with bound("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen at 127.0.0.1:{port}"):
            bound("127.0.0.1", port)
        assert address_of(taken) == f"http://127.0.0.1:{port}"


def test_gradio_is_imported_without_writing_beside_its_modules() -> None:
    with without_stubs():
        with pytest.raises(OSError, match="Blocks is in no file"):
            inspect.getfile(type("Blocks", (), {"__module__": "gradio.blocks"}))
        assert inspect.getfile(Path).endswith("pathlib.py")


def test_an_answer_is_sent_at_once() -> None:
    with bound("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_for_all_is_told_as_one_to_open() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listening:
        assert address_of(listening).startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["-w", "nothing"], 2, "no weights are called 'nothing'"),
        (["--gallery", "nowhere"], 1, "there is no gallery nowhere"),
        (["--host", "no.such.host.invalid"], 2, "cannot listen at"),
        (["--port", "99999"], 2, "99999"),
        (["--runtime", "magic"], 2, "there is no --runtime 'magic'"),
        (["--device", "magic"], 2, "magic"),
    ],
)
def test_what_cannot_be_served_is_told(here: Path, words: list[str], code: int, told: str) -> None:
    assert told in i2i("serve", *words, code=code).stderr


def test_the_extra_is_named_where_it_is_missing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i_cli.cli.serve.find_spec", lambda name: None)
    assert "pip install 'i2i-cli[serve]'" in i2i("serve", code=2).stderr

"""Clients that break the rules of HTTP, or their word, at a server that listens; none of them may harm the next one."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import uvicorn

from i2i_cli.web.desk import Desk
from i2i_cli.web.endpoint import endpoint_app
from i2i_cli.web.guard import Guard
from i2i_cli.web.server import address_of, bound
from i2i_cli.web.service import Service


class Live(NamedTuple):
    """A server of one job at work and one that waits."""

    service: Service
    address: str
    place: tuple[str, int]

    def connect(self) -> socket.socket:
        return socket.create_connection(self.place, timeout=20)

    def translate(self, image: Path, timeout: float = 30) -> httpx.Response:
        files = {"image": ("a.png", image.read_bytes())}
        return httpx.post(f"{self.address}/api/translate", files=files, data={"to": "disc"}, timeout=timeout)


@pytest.fixture
def live(service: Service, caplog: pytest.LogCaptureFixture) -> Iterator[Live]:
    """At its end nothing may lie in the workspace, and no traceback may have been told."""
    narrow = Service(**{**vars(service), "desk": Desk(1)})
    app = endpoint_app(narrow)
    app.add_middleware(Guard, workspace=service.workspace)
    with bound("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield Live(narrow, address_of(listening), listening.getsockname())
        wait_for(lambda: not list(service.workspace.root.iterdir()))
        server.should_exit = True
        thread.join()
    told = [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
    assert not [record for record in told if "graceful shutdown" not in record.getMessage()]


def wait_for(holds: object, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def request(image: Path, *more: str, length: int | None = None) -> bytes:
    """A translation as it goes over the wire, with a `length` that may be wrong."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="to"\r\n\r\ndisc\r\n--b\r\nContent-Disposition: form-data; '
        b'name="image"; filename="a.png"\r\n\r\n' + image.read_bytes() + b"\r\n--b--\r\n"
    )
    head = ["POST /api/translate HTTP/1.1", "Host: 127.0.0.1", "Content-Type: multipart/form-data; boundary=b", *more]
    head += [f"Content-Length: {len(body) if length is None else length}"] if length != -1 else []
    return "\r\n".join([*head, "", ""]).encode() + body


def answer(connection: socket.socket) -> bytes:
    """All that comes back until the server hangs up, or has nothing more to say for a while."""
    connection.settimeout(2)
    got = b""
    with contextlib.suppress(OSError):
        while part := connection.recv(65536):
            got += part
    return got


def test_a_length_that_lies_harms_nobody(live: Live, photo: Path) -> None:
    for length in (10, 10**6):
        with live.connect() as connection:
            connection.sendall(request(photo, length=length))
            if length == 10:
                assert answer(connection).startswith(b"HTTP/1.1 4")
    assert live.translate(photo).status_code == 200


def test_pieces_and_two_lengths_are_refused(live: Live, photo: Path) -> None:
    for more, status in (("Transfer-Encoding: chunked", b"411"), ("Content-Length: 5", b"400"),
                         ("Transfer-Encoding: gzip, chunked", b"501")):  # fmt: skip
        with live.connect() as connection:
            connection.sendall(request(photo, more))
            assert answer(connection).split(b" ")[1] in (status, b"400")
    assert live.translate(photo).status_code == 200


@pytest.mark.parametrize(
    "words",
    [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
     b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\r\n" * 1000,
     b"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n", b"POST /api/classify HTTP/1.1\r\nHost: localhost"
     b"\r\nContent-Length: -1\r\n\r\n", b"GET /api/models HTTP/1.1\r\nHost: localhost\r\nHost: example.org\r\n\r\n",
     b"GET /api/%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n"],
)  # fmt: skip
def test_what_is_not_http_is_refused(live: Live, words: bytes) -> None:
    with live.connect() as connection:
        with contextlib.suppress(OSError):  # it may hang up before it has heard all
            connection.sendall(words)
            connection.shutdown(socket.SHUT_WR)
        assert answer(connection)[:10] in (b"", b"HTTP/1.1 4")
    assert httpx.get(f"{live.address}/api/models").status_code == 200


def test_the_slow_and_the_silent_stop_nobody(live: Live, photo: Path) -> None:
    whole = request(photo)
    with contextlib.ExitStack() as open_ones:
        silent = [open_ones.enter_context(live.connect()) for _ in range(20)]
        for place, connection in enumerate(silent):
            connection.sendall(whole[: 20 * place])  # within the head, or within the form
        done = threading.Event()

        def drip() -> None:
            for place in range(len(whole)):
                if done.wait(0.02):
                    return
                silent[0].sendall(whole[place : place + 1])

        slow = threading.Thread(target=drip)
        slow.start()
        try:
            for _ in range(3):
                assert live.translate(photo, timeout=10).status_code == 200
        finally:
            done.set()
            slow.join()


def test_who_hangs_up_gives_the_place_back(live: Live, photo: Path) -> None:
    whole = request(photo)
    for sent in (100, len(whole) // 2, len(whole) - 5, len(whole), len(whole)):
        for _ in range(3):
            with live.connect() as connection:
                connection.sendall(whole[:sent])
    wait_for(lambda: live.translate(photo).status_code == 200)
    with live.service.desk.place(), live.connect() as connection:
        connection.sendall(whole)
        wait_for(lambda: live.translate(photo).status_code == 503)  # it has the place of the one that waits
    wait_for(lambda: live.translate(photo).status_code == 200)


def test_of_a_flood_some_are_served_and_the_rest_is_told(live: Live, photo: Path) -> None:
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(live.translate(photo))) for _ in range(12)]
    with live.service.desk.place():
        for thread in threads:
            thread.start()
        wait_for(lambda: len(answers) == 11)
    for thread in threads:
        thread.join()
    refused = [one for one in answers if one.status_code == 503]
    assert len(refused) == 11 and all("one job is waiting" in one.json()["error"] for one in refused)
    assert [one.status_code for one in answers if one not in refused] == [200]
    assert live.translate(photo).status_code == 200

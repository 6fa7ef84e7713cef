"""What stands in front of the page and the endpoint: whom the server answers, and how much it takes in."""

import json
from collections.abc import Collection, Iterator
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from i2i_cli.notes import Note, silent
from i2i_cli.web.endpoint import PREFIX, problem
from i2i_cli.web.workspace import Workspace

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names under which a server that binds one of them is asked for; another name is a page elsewhere that points here."""

MAX_UPLOAD = 64 * 2**20
"""Bytes of a request that holds images."""

MAX_WORDS = 2**20
"""Bytes of any other."""

MAX_DIGITS = 18
"""Of the length that a request names."""

PAGE = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt")
PAGE_BELOW = ("/assets/", "/static/", "/svelte/", "/runs/", "/pwa_icon", f"{PREFIX}/")
_GRADIO = "/gradio_api/"
UPLOAD = f"{_GRADIO}upload"
PAGE_CALLS = ("queue/", "upload", "upload_progress", "file=", "heartbeat/", "info", "startup-events", "cancel", "reset",
              "theme.css")  # fmt: skip
"""What the page asks of Gradio. The rest of its routes, such as those that fetch addresses, are not served."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
        "connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""The browser itself refuses whatever would be fetched from elsewhere."""


Refusal = tuple[int, str, str]
"""A status, what is wrong, and what to do instead."""


class Guard:
    """ASGI middleware that refuses, as JSON: other hosts and origins, large bodies, routes and paths that nobody needs.

    Args:
        hosts: names under which the server may be asked for; empty for any.
        note: is told what Gradio cannot answer.
    """

    def __init__(
        self, app: ASGIApp, workspace: Workspace, hosts: Collection[str] = LOOPBACK, note: Note = silent
    ) -> None:
        self.app, self.workspace, self.hosts, self._note = app, workspace, hosts, note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets here
        headers = Headers(scope=scope)
        refused = self._refused(scope, headers)
        if refused is None and scope["method"] == "POST":
            receive, refused = await self._taken_in(scope["path"], headers, receive)
        if refused is not None:
            await problem(*refused)(scope, receive, _with_headers(send))
            return
        answer = self._by_gradio if scope["path"].startswith(_GRADIO) else self.app
        await answer(scope, receive, _with_headers(send))

    async def _by_gradio(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As Gradio answers; what it trips over is a request that its page never makes, and is told as one."""
        held, has_begun = list[Message](), False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            if held or message.get("status") == 500:  # without a word why: it raises next
                held.append(message)
            else:
                has_begun = True
                await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            self._note(f"{scope['method']} {scope['path']}: {type(error).__name__}: {error}")
            if has_begun:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await problem(400, "this is no request of the page", "load the page again")(scope, receive, send)
            return
        for message in held:
            await send(message)

    def _refused(self, scope: Scope, headers: Headers) -> Refusal | None:
        host = headers.get("host", "")
        if self.hosts and _name(host) not in self.hosts:
            return 403, f"this server is not called {host!r}", "ask for it by the address that it printed"
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return 403, f"the page {origin} may not use this server", "open the server's own page"
        is_visit = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not is_visit:
            return 403, "another page may not use this server", "open the server's own page"
        path = scope["path"]
        if path not in PAGE and not path.startswith(PAGE_BELOW) and not self._is_page_call(path):
            return 404, f"there is nothing at {path}", f"see / and {PREFIX}/openapi.json"
        return None

    def _is_page_call(self, path: str) -> bool:
        if not path.startswith(_GRADIO) or not path.removeprefix(_GRADIO).startswith(PAGE_CALLS):
            return False
        file = path.partition("file=")[2]
        return not file or self.workspace.holds(file)

    async def _taken_in(self, path: str, headers: Headers, receive: Receive) -> tuple[Receive, Refusal | None]:
        """Hold a request to what it may have; what the page sends in words is read, and given on by a `receive`."""
        holds_images = path.startswith((UPLOAD, f"{PREFIX}/"))
        most = MAX_UPLOAD if holds_images else MAX_WORDS
        length = headers.get("content-length", "")
        if "transfer-encoding" in headers or not length.isdecimal():  # in pieces, it may be longer than it says
            return receive, (411, "the request does not say how long it is", "send Content-Length")
        if len(length) > MAX_DIGITS or int(length) > most:
            return receive, (413, f"a request may have {most // 2**20} MiB", "send a smaller image")
        if holds_images:
            return receive, None
        body = await _read(receive)
        if not self._names_uploads_only(body):
            return receive, (400, "this server reads uploads only", "send the image itself, not its path or address")
        return _given_back(body, receive), None

    def _names_uploads_only(self, body: bytes) -> bool:
        try:
            told = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            return False
        return all(self.workspace.holds(path) for path in _paths_in(told))


def _paths_in(told: Any) -> Iterator[str]:
    """Whatever Gradio would take for the place of a file."""
    waiting = [told]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.get("path") is not None:
                yield str(value["path"])
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    host = host.lower()
    return host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]


async def _read(receive: Receive) -> bytes:
    """The whole body of a request, or what came before it was cut off."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _given_back(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending

"""One server for the page and the endpoint."""

import asyncio
import inspect
import logging
import os
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.routing import Mount

from i2i_cli.errors import ConfigError
from i2i_cli.notes import Note, silent
from i2i_cli.web.endpoint import endpoint_app
from i2i_cli.web.guard import LOOPBACK, MAX_UPLOAD, Guard
from i2i_cli.web.reports import reports_router
from i2i_cli.web.service import Service

SECONDS_TO_END = 3
"""That open pages have to hang up when the server ends."""

MAX_SESSIONS = 256
"""Open pages whose settings are remembered, the latest: Gradio holds a sixth of a MiB for each, and for good."""


def web_app(service: Service, address: str, hosts: Collection[str] = LOOPBACK, note: Note = silent) -> FastAPI:
    """The page at `/`, the endpoint below `/api`, reports of runs below `/runs`, and the guard before them all.

    Args:
        address: as scripts have to name it.
        hosts: see `Guard`.
        note: is told of faults of ours, with their traceback.
    """
    keep_to_itself(service)
    with without_stubs():
        # Late: Gradio reads where it may write, and that it is to send nothing home, when it is imported.
        import gradio

    from i2i_cli.web.page import page

    app = endpoint_app(service)
    app.include_router(reports_router())
    blocks, look = page(service, address, note)
    blocks.state_session_capacity = MAX_SESSIONS
    app = gradio.mount_gradio_app(
        app, blocks, path="/", footer_links=[], run_history=False, max_file_size=MAX_UPLOAD, ssr_mode=False, pwa=False,
        enable_monitoring=False, mcp_server=False, show_error=False, **look,
    )  # fmt: skip
    app.add_middleware(Guard, workspace=service.workspace, hosts=hosts, note=note)
    apps = (route.app for route in app.routes if isinstance(route, Mount))
    mounted = next(one for one in apps if isinstance(one, gradio.routes.App))

    def end() -> None:  # what open pages listen to would go on for as long as they are open
        service.desk.close()
        blocks.close(verbose=False)
        mounted.stop_event.set()

    app.state.end = end
    return app


def keep_to_itself(service: Service) -> None:
    """Gradio and what it brings along write into the workspace alone, and ask nobody anything."""
    os.environ.update(
        GRADIO_TEMP_DIR=str(service.workspace.root),
        GRADIO_ANALYTICS_ENABLED="False",
        HF_HUB_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
    )


@contextmanager
def without_stubs() -> Iterator[None]:
    """While it is imported, Gradio writes type stubs beside its modules: half of the time that it takes.

    It writes none for a class that is in no file, so none of its classes is.
    """

    def source_file(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError(f"{thing.__name__} is in no file")
        return found(thing)

    found, inspect.getfile = inspect.getfile, source_file  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = found


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens at `host` and `port`; 0 takes any free port.

    Raises:
        ConfigError: the port is taken, or there is no such host.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ConfigError(f"cannot listen at {host}:{port}: {error}", "give another --port, or --port 0") from error
    # An answer goes out as its head and its body. Without this the body waits until the head was acknowledged: 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # its connections inherit it
    return listening


def address_of(listening: socket.socket) -> str:
    """The address to open in a browser."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"


def serve(app: FastAPI, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Answer until a signal comes; `ready` is called when the first request can be.

    Args:
        app: of `web_app`.
    """
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=SECONDS_TO_END, server_header=False,
    )  # fmt: skip
    server = _Server(config)
    server.ready, server.end = ready, app.state.end
    logging.getLogger("uvicorn.error").addFilter(_is_no_cut)
    server.run(sockets=[listening])


def _is_no_cut(record: logging.LogRecord) -> bool:
    """Whether a record is of more than a request that was cut off when the server ended: that is no fault."""
    is_cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not is_cancelled and "timeout graceful shutdown exceeded" not in str(record.msg)


class _Server(uvicorn.Server):
    ready: Callable[[], None] = staticmethod(lambda: None)
    end: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; then tell that it is done."""
        await super().startup(sockets)
        if self.started:
            self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Have what goes on end; then as uvicorn does."""
        self.end()
        await super().shutdown(sockets)

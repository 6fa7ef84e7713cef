"""`i2i serve`"""

import os
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import MODEL, OUTPUT
from i2i_cli.cli.options import DeviceOpt, JsonOpt, RuntimeOpt, complete_weights
from i2i_cli.cli.report import print_result, say
from i2i_cli.errors import ConfigError

EXAMPLES = """Examples:

\b
  i2i serve                        your runs, and the shipped models
  i2i serve -w faces -w runs/mine  two models to choose from
  i2i serve --gallery photos/      and a folder to find neighbours in
  curl -F image=@a.png -F to=anime localhost:7860/api/translate -o b.png
"""

MOST_WORKERS = 4
"""Jobs at work at once, where there are as many cores: one job keeps little more than one busy."""

NETWORK = "Network"
"""The group of the options that say who is answered."""


@app.command(epilog=EXAMPLES)
def serve(
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "-w", "--weights", "-m", "--model", metavar="NAME|PATH", help="A model to serve; may be repeated.",
            autocompletion=complete_weights, show_default="all runs in ./runs and the shipped models",
            rich_help_panel=MODEL,
        ),
    ] = None,
    gallery: Annotated[
        list[Path] | None,
        typer.Option(
            "--gallery", metavar="FOLDER|FILE", help="Images to find neighbours in, or an index; may be repeated.",
            show_default="a run's training images", rich_help_panel=MODEL,
        ),
    ] = None,
    device: DeviceOpt = "auto",
    runtime: RuntimeOpt = "auto",
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="Answer at this address.", rich_help_panel=NETWORK),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="N", min=0, max=65535, help="Answer at this port; 0 takes a free one.",
            rich_help_panel=NETWORK,
        ),
    ] = 7860,
    waiting: Annotated[
        int,
        typer.Option(
            "--waiting", metavar="N", min=0, max=32, help="Refuse a job when N others wait.", rich_help_panel=NETWORK
        ),
    ] = 16,
    show: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.", rich_help_panel=OUTPUT)
    ] = False,
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Serve a page to play with, and an endpoint for scripts.

    Prints the page's address once it can be opened. Both work on this machine alone, unless
    --host says otherwise, and fetch nothing from elsewhere. Ctrl-C ends them.
    """
    if missing := [name for name in ("gradio", "fastapi", "uvicorn") if find_spec(name) is None]:
        raise ConfigError(f"i2i serve needs {missing[0]}", "pip install 'i2i-cli[serve]'")
    # Late: onnxruntime and numpy; and above all Gradio, within `web_app`.
    from i2i_cli.web.desk import Desk
    from i2i_cli.web.galleries import Galleries
    from i2i_cli.web.guard import LOOPBACK
    from i2i_cli.web.models import Models
    from i2i_cli.web.server import address_of, bound, web_app
    from i2i_cli.web.server import serve as answer
    from i2i_cli.web.service import Service
    from i2i_cli.web.workspace import Workspace

    models, galleries = Models(weights or (), device, runtime, say), Galleries(gallery or (), say)
    models.open()  # what is wrong with it, the device or the runtime is told now, not to the first visitor
    is_private = host in LOOPBACK or host.startswith("127.")
    with bound(host, port) as listening, Workspace() as workspace:
        desk = Desk(waiting, min(MOST_WORKERS, os.cpu_count() or 1))
        service = Service(models=models, galleries=galleries, desk=desk, workspace=workspace)
        address = address_of(listening)
        say(f"models: {', '.join(models.served())}")
        if not is_private:
            say(f"warning: whoever reaches this machine at port {address.rpartition(':')[2]} can use it")

        def ready() -> None:
            print_result({"address": address}, address, as_json)
            if show:
                webbrowser.open(address)

        hosts = {*LOOPBACK, host} if is_private else frozenset()
        answer(web_app(service, address, hosts, say), listening, ready)

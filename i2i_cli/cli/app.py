"""The Typer app, and the one place where errors become text and exit codes."""

import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import i2i_cli
from i2i_cli.bundled import OFFLINE
from i2i_cli.cli.help import App
from i2i_cli.cli.report import print_error, say
from i2i_cli.errors import I2IError, is_out_of_memory

EXAMPLES = """Examples:

\b
  i2i demo                            train on built-in images and translate
  i2i train DATA                      train on DATA/anime, DATA/human, ...
  i2i translate img.png --to anime    write img-anime.png
  i2i translate - --to anime < a > b  read stdin, write stdout
  i2i neighbours img.png              find similar images of other domains
  i2i classify img.png                name the domain of an image
"""


class _Group(TyperGroup):
    """Words our errors once, for every command."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a failure that a person can mend is told in two lines, with its exit code."""
        try:
            return super().invoke(ctx)
        except I2IError as error:
            _end_if_signalled()
            if ctx.params.get("debug"):
                traceback.print_exc()
            print_error(error)
            raise typer.Exit(error.exit_code) from error
        except BrokenPipeError:
            raise typer.Exit(1) from None  # whoever read our stdout is gone: end quietly
        except (typer.Exit, typer.Abort, KeyboardInterrupt):
            raise
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            hint = "train with --batch-size auto or a smaller --image-size, or use --device cpu"
            memory = I2IError("there is not enough memory, on the device or in the machine", hint)
            print_error(memory)
            raise typer.Exit(memory.exit_code) from error


app = App(
    name="i2i",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXAMPLES,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"i2i {i2i_cli.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("-V", "--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an error too.")] = False,
    offline: Annotated[bool, typer.Option("--offline", envvar=OFFLINE, help="Never download anything.")] = False,
) -> None:
    """Translate images between domains, with a model trained on one folder per domain.

    `i2i COMMAND --help` explains a command and shows examples.
    """
    if offline:
        os.environ[OFFLINE] = "1"


def main() -> None:
    """Entry point of the `i2i` command."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:
        _end_if_signalled()
        traceback.print_exc()
        say("this is a bug in i2i: please report it in the project's issues, with the lines above")
        sys.exit(1)
    finally:
        _close_streams()


_signals: list[int] = []
"""Those that came while nobody else had asked for them."""


def _on_signal(number: int, frame: FrameType | None) -> None:
    """End by way of every `finally`, so that no half-written file stays behind."""
    _signals.append(number)
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def _end_if_signalled() -> None:
    """A library that was interrupted may have made an error of its own of it."""
    if _signals:
        raise SystemExit(128 + _signals[-1])


def _close_streams() -> None:
    """What could not be written was told already: no flush at exit complains of it again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

"""Pipes and terminals as shells make them: full, closed, narrow, dumb, or not there."""

import io
import os
import pty
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from tests.attacks.processes import Ended, i2i
from tests.attacks.report import Findings
from tests.conftest import draw_domains

Before = Callable[[], None]


@dataclass(frozen=True)
class Scene:
    """A command in odd surroundings: what they are, and what it should say and leave."""

    name: str
    words: list[str]
    code: int = 0
    says: str = ""
    before: Before = lambda: None
    stdin: str | None = None
    makes: list[str] = field(default_factory=list)


def attack(count: int, seed: int, run: Path, folder: Path) -> Findings:
    """Every scene once; `count` and `seed` change nothing, since nothing is drawn."""
    findings = Findings("pipes and shells")
    data = draw_domains(folder / "shapes")
    for number, scene in enumerate(_scenes(data)):
        place = folder / f"scene-{number}"
        place.mkdir()
        shutil.copy(run / "model.safetensors", place / "w.safetensors")
        shutil.copy(data / "disc" / "00.png", place / "a.png")
        names = [b"a.png", b"sp ace.png", b"new\nline.png", b"\xff.png"]
        for name in names[1:]:
            shutil.copy(place / "a.png", place / os.fsdecode(name))
        (place / "list").write_bytes(b"".join(name + b"\0" for name in names))
        ended = i2i(*scene.words, cwd=place, before=scene.before, stdin=place / scene.stdin if scene.stdin else None)
        _check(findings, scene, ended, place)
    return findings


def _check(findings: Findings, scene: Scene, ended: Ended, place: Path) -> None:
    findings.watch(ended, scene.name)
    said = ended.err + "".join(path.read_text(errors="replace") for path in place.glob("terminal*"))
    findings.check(ended.code == scene.code, f"{scene.name}: code {ended.code}, not {scene.code}\n{said[-600:]}")
    findings.check(scene.says in said, f"{scene.name}: does not say {scene.says!r}\n{said[-600:]}")
    findings.check("Exception ignored" not in said, f"{scene.name}:\n{said[-600:]}")
    for name in scene.makes:
        path = place / name
        findings.check(path.is_file(), f"{scene.name} made no {name}")
    for path in place.rglob("*.png"):
        with Image.open(path) as image:
            image.load()
    findings.outcomes["as promised"] += 1


def _scenes(data: Path) -> list[Scene]:
    own = ["-w", "w.safetensors", "--device", "cpu"]
    stream = ["translate", "-", "--to", "disc", *own]
    one = ["translate", "a.png", "--to", "disc", *own]
    classify, everything = ["classify", str(data), "-r", *own], ["translate", "--from-file", "-", "-0", "--to", "disc"]
    many = [str(path) for path in sorted(data.rglob("*.png"))] * 160
    names = ["a-disc.png"]
    missing = [f"missing-{number}.png" for number in range(4_999)]
    return [
        Scene("an image through a pipe", stream, stdin="a.png"),
        Scene("no image in the pipe", stream, 1, "not an image"),
        Scene("stdin is closed", stream, 2, "stdin is closed", _without("stdin")),
        Scene("stdin is a terminal", stream, 2, "stdin is the terminal", _terminal(0)),
        Scene("stdout is a terminal", stream, 2, "stdout is the terminal", _terminal(1), stdin="a.png"),
        Scene("stdout is full", stream, 1, "No space left", _to("/dev/full"), stdin="a.png"),
        Scene("stdout is full, for text", classify, 1, "No space left", _to("/dev/full")),
        Scene("stdout is closed", stream, 2, "stdout is closed", _without("stdout"), stdin="a.png"),
        Scene("the reader is gone", stream, 1, "", _gone, stdin="a.png"),
        Scene("the reader of text is gone", classify, 1, "", _gone),
        Scene("stderr is full", one, before=_full_stderr, makes=names),
        Scene("stderr is closed", one, before=_without("stderr"), makes=names),
        Scene("ASCII alone", ["translate", "a.png", "müll.png", "--to", "disc", *own], 1, "m\\xfcll.png", _ascii),
        Scene("find -print0", [*everything, "-o", "made", *own], stdin="list",
              makes=["made/a-disc.png", "made/new\nline-disc.png"]),
        Scene("5,120 images to classify", ["classify", *many, *own]),
        Scene("5,000 arguments, one of them there", ["translate", "a.png", *missing, "--to", "disc", *own], 1,
              "4999 of 5000 images failed", makes=names),
        Scene("a dumb terminal of 40 columns", _training(data), 0, "", _terminal(2, TERM="dumb", COLUMNS="40")),
        Scene("no colours", _training(data), 0, "", _terminal(2, TERM="xterm-256color", NO_COLOR="1")),
        Scene("help in 40 columns", ["translate", "--help"], before=_environment(COLUMNS="40", TERMINAL_WIDTH="40")),
    ]  # fmt: skip


def _training(data: Path) -> list[str]:
    from tests.attacks.on_death import TRAINING

    return ["train", str(data), "--name", "made", *TRAINING]


def _environment(**names: str) -> Before:
    return lambda: os.environ.update(names)


def _without(stream: str) -> Before:
    """`<&-`, `>&-` or `2>&-`, which Python shows as None."""
    number = ("stdin", "stdout", "stderr").index(stream)

    def close() -> None:
        os.close(number)
        setattr(sys, stream, None)

    return close


def _to(device: str) -> Before:
    return lambda: (os.dup2(os.open(device, os.O_WRONLY), 1), None)[1]


def _full_stderr() -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 2)


def _gone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, 1)


def _terminal(number: int, **names: str) -> Before:
    """A pseudo-terminal in the place of a stream; what is written to it goes nowhere."""

    def open_one() -> None:
        os.environ.update(names)
        leader, follower = pty.openpty()
        os.set_blocking(leader, False)
        os.dup2(follower, number)
        if os.fork() == 0:  # somebody has to read, or the writer waits for ever
            os.close(follower)
            os.close(number)  # or the terminal would never be closed
            os.set_blocking(leader, True)
            try:
                while os.read(leader, 65536):
                    pass
            finally:
                os._exit(0)
        os.close(leader)

    return open_one


def _ascii() -> None:
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(n, "wb", closefd=False), encoding="ascii", line_buffering=True) for n in (1, 2)
    )

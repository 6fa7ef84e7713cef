"""Disks that are full, read-only or gone: a small tmpfs under the run, the cache and the outputs."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from i2i_cli.checkpoints.tensors import load_tensors
from i2i_cli.errors import I2IError
from tests.attacks.on_death import TRAINING
from tests.attacks.processes import Ended, i2i
from tests.attacks.report import Findings
from tests.conftest import draw_domains

ENOUGH = 64 * 2**10
"""KiB that everything fits into."""


def attack(count: int, seed: int, run: Path, folder: Path) -> Findings:
    """`count` disks of random sizes, in turn under each kind of output."""
    findings, rng = Findings("full and failing disks"), random.Random(seed)
    data = draw_domains(folder / "shapes")
    own = ["-w", str(run), "--device", "cpu"]
    kinds = {
        "train": (["train", str(data), "--name", "made", *TRAINING], 6000),
        "train, cache": (["train", str(data), "--name", "made", *TRAINING], 150),
        "index": (["index", str(data), "-o", "made.safetensors", *own], 30),
        "translate": (["translate", str(data), "-r", "--to", "disc", "-o", "made", *own], 40),
        "classify": (["fit-classifier", str(data), "--labels", "shape", "-o", "made.safetensors", *own], 400),
    }
    for number in range(count):
        name = list(kinds)[number % len(kinds)]
        words, typical = kinds[name]
        size = rng.randint(4, typical)
        with disk(folder / f"disk-{number}", size) as place:
            if place is None:
                findings.outcomes["disks that could not be mounted"] += 1
                continue
            _fill_up(findings, name, words, place, size, folder / f"elsewhere-{number}")
    _read_only(findings, folder, data)
    return findings


@contextmanager
def disk(path: Path, size: int) -> Iterator[Path | None]:
    """A tmpfs of `size` KiB at `path`; None where this user may not mount one."""
    path.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", path], capture_output=True)
    try:
        yield path if mounted.returncode == 0 else None
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", path], check=True)
        shutil.rmtree(path, ignore_errors=True)


def _fill_up(findings: Findings, name: str, words: list[str], place: Path, size: int, elsewhere: Path) -> None:
    """The command on a disk that may be too small; then again on the same disk, made larger."""
    cwd = place
    if name.endswith("cache"):
        cwd, cache = elsewhere, str(place)
    else:
        cache = str(elsewhere)
    elsewhere.mkdir()
    streams = elsewhere / "streams"
    streams.mkdir()
    what = f"{name} on {size} KiB"

    def use_cache() -> None:
        os.environ["I2I_CACHE"] = cache

    ended = i2i(*words, cwd=cwd, streams=streams, before=use_cache)
    findings.watch(ended, what)
    _check_told(findings, ended, what)
    try:
        for path in cwd.rglob("*.safetensors"):
            if not path.name.startswith("."):
                load_tensors(path)
    except I2IError as error:
        findings.check(False, f"{what}: half a file stands: {error}")
    findings.outcomes[f"{name}: {'fitted, or spared' if ended.code == 0 else 'told and kept'}"] += 1
    subprocess.run(["mount", "-o", f"remount,size={ENOUGH}k", place], check=True)
    if ended.code:
        again = words
        if (cwd / "runs/made/state.safetensors").exists():
            again = ["train", "--resume", "runs/made"]
        elif name == "translate":
            again = [*words, "--skip-existing"]
        ended = i2i(*again, cwd=cwd, streams=streams, before=use_cache)
        findings.check(ended.code == 0, f"{what}, with room again: code {ended.code}\n{ended.err[-600:]}")
    left = [path.name for path in cwd.rglob("*.part")]
    findings.check(not left, f"{what}: {left} stayed behind")
    shutil.rmtree(elsewhere)


def _check_told(findings: Findings, ended: Ended, what: str) -> None:
    """A failure says that there is no space; so does a training that goes on, once for each thing it spares."""
    if ended.code:
        findings.check("No space left" in ended.err, f"{what}: not told\n{ended.err[-600:]}")
    spared = [line for line in ended.err.splitlines() if "continues without" in line]
    findings.check(len(spared) == len({line.partition(":")[0] + line.split("without")[1][:12] for line in spared}),
                   f"{what}: told more than once\n{ended.err[-900:]}")  # fmt: skip


def _read_only(findings: Findings, folder: Path, data: Path) -> None:
    """A run folder that may only be read, a cache that vanishes, and no home."""
    with disk(folder / "read-only", ENOUGH) as place:
        if place is None:
            return
        streams = folder / "streams"
        streams.mkdir(exist_ok=True)
        i2i("train", data, "--name", "made", *TRAINING, cwd=place, streams=streams)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        for words in (
            ["train", data, "--name", "another", *TRAINING],
            ["train", "--resume", "runs/made", "--steps", "60"],
            ["fit-classifier", data, "-w", "runs/made", "--labels", "shape"],
            ["index", data, "-o", "made.safetensors", "-w", "runs/made"],
            ["translate", data / "disc/00.png", "--to", "disc", "-o", "made.png", "-w", "runs/made"],
        ):
            ended = i2i(*words, cwd=place, streams=streams)
            findings.watch(ended, f"read-only: {words[0]}")
            findings.check(ended.code == 1 and "cannot write" in ended.err, f"read-only: {words}: {ended.err[-600:]}")
            findings.outcomes["read-only: told"] += 1
        ended = i2i("classify", data / "disc/00.png", "-w", "runs/made", cwd=place, streams=streams)
        findings.check(ended.code == 0, f"read-only: classify: {ended.err[-600:]}")

    def nowhere() -> None:
        for name in ("I2I_CACHE", "HOME", "XDG_CACHE_HOME"):
            os.environ.pop(name, None)
        os.environ["HOME"] = "/nonexistent/home"

    place = folder / "homeless"
    place.mkdir()
    ended = i2i("train", data, "--name", "made", *TRAINING, cwd=place, before=nowhere)
    findings.watch(ended, "no home")
    findings.check(ended.code == 0, f"no home: {ended.err[-600:]}")
    findings.outcomes["no home: went on without a cache"] += 1

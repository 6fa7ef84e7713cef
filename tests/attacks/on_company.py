"""Two processes at one run folder, one gallery, one cache, one weights file, at the same time."""

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from i2i_cli.checkpoints.header import read_header
from i2i_cli.checkpoints.tensors import load_tensors
from i2i_cli.jobs.retrieval.gallery import open_gallery
from tests.attacks.on_death import TRAINING
from tests.attacks.processes import Ended, Started
from tests.attacks.report import Findings
from tests.conftest import draw_domains

Scene = Callable[[Findings, Path, float], str]


def attack(count: int, seed: int, run: Path, folder: Path) -> Findings:
    """`count` pairs of commands, the second begun up to a second after the first."""
    findings, rng = Findings("two at once"), random.Random(seed)
    data = draw_domains(folder / "shapes")
    scenes = _scenes(data, run)
    for number in range(count):
        name = list(scenes)[number % len(scenes)]
        place = folder / f"pair-{number}"
        place.mkdir()
        findings.outcomes[f"{name}: {scenes[name](findings, place, rng.random())}"] += 1
        shutil.rmtree(place)
    return findings


def _pair(findings: Findings, words: tuple[list[str], list[str]], place: Path, delay: float) -> tuple[Ended, Ended]:
    """Both commands to their ends, with a fresh cache that they share."""

    def use_cache() -> None:
        os.environ["I2I_CACHE"] = str(place / "cache")

    first = Started(words[0], place, before=use_cache)
    time.sleep(delay)
    second = Started(words[1], place, before=use_cache)
    ended = first.wait(), second.wait()
    for found in ended:
        findings.watch(found, words[0][0])
    return ended


def _told(findings: Findings, ended: tuple[Ended, Ended], what: str) -> str:
    """One at least is done; one that is not was told why."""
    codes = sorted(found.code for found in ended)
    findings.check(codes[0] == 0, f"{what}: neither was done: {ended[0].err}\n{ended[1].err}")
    for found in ended:
        why = ("in use by process", "exists already", "is finished at step")
        findings.check(found.code == 0 or any(text in found.err for text in why), f"{what}: {found.err[-600:]}")
    return "both done" if codes[1] == 0 else "the second was told"


def _scenes(data: Path, run: Path) -> dict[str, Scene]:
    own = ["-w", str(run), "--device", "cpu"]
    new = ["train", str(data), "--name", "made", *TRAINING]

    def one_run(findings: Findings, place: Path, delay: float) -> str:
        found = _told(findings, _pair(findings, (new, new), place, delay), "two trainings of one name")
        load_tensors(place / "runs/made/model.safetensors")
        return found

    def one_resume(findings: Findings, place: Path, delay: float) -> str:
        Started(new, place).wait()
        again = ["train", "--resume", "runs/made", "--steps", "60"]
        return _told(findings, _pair(findings, (again, again), place, delay), "two resumes")

    def one_cache(findings: Findings, place: Path, delay: float) -> str:
        other = ["train", str(data), "--name", "other", *TRAINING]
        ended = _pair(findings, (new, other), place, delay / 5)
        states = [load_tensors(place / "runs" / name / "state.safetensors") for name in ("made", "other")]
        alike = all(states[0][name].equal(states[1][name]) for name in states[0])
        findings.check(alike, "two trainings of one cache came to different weights")
        return _told(findings, ended, "one cache")

    def one_gallery(findings: Findings, place: Path, delay: float) -> str:
        index = ["index", str(data), "-o", "made.safetensors", *own]
        ended = _pair(findings, (index, index), place, delay / 5)
        findings.check(len(open_gallery(place / "made.safetensors")) == 32, "a gallery lacks rows")
        return _told(findings, ended, "one gallery")

    def one_file(findings: Findings, place: Path, delay: float) -> str:
        shutil.copy(run / "model.safetensors", place / "made.safetensors")
        fits = [["fit-classifier", str(data), "--labels", name, "-w", "made.safetensors"] for name in ("one", "two")]
        ended = _pair(findings, (fits[0], fits[1]), place, delay / 5)
        held = read_header(place / "made.safetensors").classifiers
        for name, found in zip(("one", "two"), ended, strict=True):
            findings.check(
                (found.code == 0) == (name in held), f"classifier {name}: code {found.code}, held {list(held)}"
            )
        return _told(findings, ended, "one weights file")

    return {"run": one_run, "resume": one_resume, "cache": one_cache, "gallery": one_gallery, "classifiers": one_file}

"""Damaged images through translate, index, classify and train."""

import json
import random
import re
import shutil
from pathlib import Path

from tests.attacks.corpus import damaged, images
from tests.attacks.processes import Ended, i2i
from tests.attacks.report import Findings

BATCH = 500
GOOD = 20
"""Sound files among those of a batch, which must all be done."""

TRAINING = ["--steps", "1", "--image-size", "32", "--set", "networks.width=16", "--set", "networks.min_width=8",
            "--batch-size", "4", "--perceptual", "none", "--device", "cpu"]  # fmt: skip


def attack(count: int, seed: int, run: Path, folder: Path) -> Findings:
    """`count` damaged images, `BATCH` at a time."""
    findings = Findings("damaged images")
    for start in range(0, count, BATCH):
        place = folder / f"batch-{start}"
        files = _draw(place / "in", min(BATCH, count - start), seed + start)
        _run_all(findings, place, files, run)
        if not findings.faults:
            shutil.rmtree(place)
    return findings


def _draw(folder: Path, count: int, seed: int) -> dict[str, bool]:
    """Files of two domains: name -> whether it is as it was drawn."""
    rng, corpus, files = random.Random(seed), list(images()), {}
    for number in range(count + GOOD):
        (suffix, data), (_, other) = rng.sample(corpus, 2)
        is_good = number >= count
        name = f"{'ab'[number % 2]}/{'good' if is_good else 'bad'}{number:05d}{suffix}"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if is_good else damaged(data, other, rng))
        files[name] = is_good
    return files


def _run_all(findings: Findings, place: Path, files: dict[str, bool], run: Path) -> None:
    model = ["-w", str(run), "--device", "cpu"]
    done: dict[str, set[str]] = {}

    ended = i2i("translate", "in", "-r", "--to", "disc", "-o", "out", *model, cwd=place)
    outputs = {path.relative_to(place / "out").as_posix() for path in (place / "out").rglob("*") if path.is_file()}
    done["translate"] = {name for name in files if f"{name.rpartition('.')[0]}-disc.png" in outputs}
    findings.check(len(outputs) == len(done["translate"]), f"translate left something else in {place}/out")
    _check(findings, "translate", ended, files, done["translate"])

    ended = i2i("classify", "in", "-r", "--json", *model, cwd=place)
    lines = [json.loads(line) for line in ended.out.splitlines()]
    done["classify"] = {Path(line["input"]).relative_to("in").as_posix() for line in lines}
    _check(findings, "classify", ended, files, done["classify"])

    ended = i2i("index", "in", "-o", "gallery.csv", *model, cwd=place)
    rows = (place / "gallery.csv").read_text().splitlines()[1:] if (place / "gallery.csv").exists() else []
    done["index"] = {row.partition(",")[0] for row in rows}
    _check(findings, "index", ended, files, done["index"])

    ended = i2i("train", "in", "--name", "trained", *TRAINING, cwd=place)
    left_out = _named(ended.err, files)
    done["train"] = files.keys() - left_out.keys()
    _check(findings, "train", ended, files, done["train"], expected=(0,))
    findings.check((place / "runs/trained/model.safetensors").is_file(), f"train wrote no model in {place}")

    for command, read in done.items():
        findings.check(read == done["train"], f"{command} and train disagree on {sorted(read ^ done['train'])[:5]}")
    bad = len(files) - GOOD
    findings.outcomes["read all the same"] += sum(not files[name] for name in done["train"])
    findings.outcomes["refused in a sentence"] += bad - sum(not files[name] for name in done["train"])


def _named(err: str, files: dict[str, bool]) -> dict[str, int]:
    """How often each file is named in an error or as left out."""
    counts: dict[str, int] = {}
    for name in re.findall(r"^(?:error: |left out: ).*?\b([ab]/(?:good|bad)\d{5}\.\w+)", err, re.MULTILINE):
        counts[name] = counts.get(name, 0) + 1
    return counts


def _check(
    findings: Findings, command: str, ended: Ended, files: dict[str, bool], done: set[str], expected: tuple = (0, 1)
) -> None:
    findings.watch(ended, command)
    named = _named(ended.err, files)
    findings.check(ended.code in expected, f"{command} ended with {ended.code}")
    findings.check(all(done >= {name} for name, good in files.items() if good), f"{command} left good files out")
    for name in files:
        told = named.get(name, 0)
        findings.check(told == (0 if name in done else 1), f"{command} named {name} {told} times")

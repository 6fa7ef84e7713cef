"""Trainings in two real processes, as `--devices 2` starts them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

SETTINGS = [
    "--image-size=32", "--batch-size=8", "--device=cpu", "--perceptual=none", "--set=networks.width=16",
    "--set=networks.min_width=8", "--set=objective.critic_width=8",
]  # fmt: skip


def i2i(*arguments: str, folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "i2i_cli", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)  # two processes on a busy core take their time
    return process.returncode, out, err


def lines(run: Path, kind: str) -> list[dict]:
    found = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


def test_two_processes_keep_one_run_that_one_goes_on_with(domains: Path, tmp_path: Path) -> None:
    code, out, err = done(
        i2i("train", str(domains), "--name=two", "--steps=4", "--devices=2", *SETTINGS, folder=tmp_path)
    )
    run = tmp_path / "runs" / "two"
    assert (code, out) == (0, "runs/two\n") and err.count("finished at step 4") == 1, err
    assert [line["step"] for line in lines(run, "training")] == [4]
    code, out, err = done(i2i("train", "--resume", str(run), "--steps=6", folder=tmp_path))
    assert code == 0 and len(lines(run, "sitting")) == 2, err
    assert load_file(run / "model.safetensors").keys() == load_file(run / "best.safetensors").keys()
    code, _, err = done(i2i("train", "--resume", str(run), "--steps=8", "--devices=3", folder=tmp_path))
    assert code == 2 and "a batch of 8 is not shared evenly by 3 processes and 2 domains" in err
    assert "--batch-size 12" in err
    short = ("--devices=2", "--set=training.fit_memory=true")
    code, _, err = done(i2i("train", "--resume", str(run), "--steps=8", *short, folder=tmp_path))
    assert code == 2 and "training.fit_memory=false" in err


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the processes in /proc")
def test_a_killed_process_ends_the_run_which_can_be_resumed(domains: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "long"
    often = "--set=training.checkpoint_minutes=0.01"
    started = i2i(
        "train", str(domains), "--name=long", "--steps=9000", "--devices=2", often, *SETTINGS, folder=tmp_path
    )
    deadline = time.monotonic() + 60
    while not (run / "model.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(_second_child(started.pid), signal.SIGKILL)
    code, out, err = done(started)
    assert (code, out) == (1, "") and "process 1 of 2 ended with signal 9" in err and "--resume" in err
    step = lines(run, "training")[-1]["step"]
    assert done(i2i("train", "--resume", str(run), f"--steps={step + 2}", folder=tmp_path))[0] == 0


def _second_child(parent: int) -> int:
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            children.append(int(stat.parent.name))
    (second,) = [child for child in children if b"RANK=1" in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")]
    return second

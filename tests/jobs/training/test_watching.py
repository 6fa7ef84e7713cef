"""What a run folder tells of its training, to whoever looks from outside."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from i2i_cli.checkpoints.header import read_header
from i2i_cli.engine.journal import Journal
from i2i_cli.files import is_held
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.start import resume, train
from i2i_cli.jobs.training.watching import FRESH_SECONDS, RunStatus, list_runs, run_status
from tests.conftest import TINY
from tests.jobs.training.test_training import stopping_after

TRAIN = """
import sys
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.start import train
train(run_config(eval(sys.argv[1])), sys.argv[2])
"""


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A finished run, to be changed."""
    return Path(shutil.copytree(run, tmp_path / "runs" / "copy"))


def set_length(folder: Path, **changes: float) -> None:
    """Give the run in `folder` another length."""
    text = (folder / "config.toml").read_text()
    for name, value in changes.items():
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name} = "))
        text = text.replace(line, f"{name} = {value}")
    (folder / "config.toml").write_text(text)


def hold(folder: Path, name: str | None = None) -> None:
    """Make it look as if somebody trained in `folder` since before its journal was last written."""
    lock = folder / ".lock"
    lock.write_text(f"process {os.getpid()} on {platform.node()}" if name is None else name)
    times = (folder / "journal.jsonl").stat()
    os.utime(lock, (times.st_atime, times.st_mtime - 1))


def awaited(folder: Path, is_there: Callable[[RunStatus], bool]) -> RunStatus:
    """The first status of the run for which `is_there`."""
    until = time.monotonic() + 60
    while not is_there(status := run_status(folder)):
        assert time.monotonic() < until, status
        time.sleep(0.05)
    return status


def test_a_finished_run_tells_how_it_ended(run: Path) -> None:
    status = run_status(run)
    assert (status.name, status.folder, status.state, status.step, status.share) == ("shapes", run, "finished", 6, 1.0)
    assert status.seconds_left is None and status.problem == "" and (status.images_per_second or 0) > 0
    assert status.terms.keys() == {"rebuild error"} and 0 < status.terms["rebuild error"] < 2
    figures = read_header(run / "model.safetensors").figures
    assert status.figures.keys() == figures.keys()
    assert status.figures["shortfall"] == pytest.approx(figures["shortfall"], rel=1e-4)
    assert status.history == ({"step": 6, **status.figures},)
    assert status.sheet == run / "samples" / "latest.png" and status.sheets == (run / "samples" / "step-0000006.png",)
    assert status.updated is not None and abs(status.updated - (run / "model.safetensors").stat().st_mtime) < 60


def test_no_torch_is_needed(run: Path) -> None:
    code = (
        "import pathlib, sys; from i2i_cli.jobs.training.watching import list_runs\n"
        f"print([run.name for run in list_runs(pathlib.Path({str(run.parent)!r}))], "
        "[name for name in ('torch', 'numpy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "['shapes'] []\n"


def test_a_training_in_another_process_is_followed_until_it_is_killed(domains: Path, tmp_path: Path) -> None:
    folder, settings = tmp_path / "runs" / "far", {**TINY, "data": {"root": str(domains), "image_size": 32}}
    settings["training"] = {**TINY["training"], "steps": 100_000, "minutes": 30.0, "score_on_the_way": False}
    assert run_status(folder).problem == f"{folder} holds no run"
    with subprocess.Popen([sys.executable, "-c", TRAIN, repr(settings), folder]) as process:
        try:
            status = awaited(folder, lambda status: status.state == "training" and status.step >= 40)
            assert status.problem == "" and status.images_per_second is not None and status.share is not None
            assert status.seconds_left is not None and status.terms["rebuild error"] > 0
            # 30 minutes end it, or 100,000 steps if they come first; both count from now.
            pace = (100_000 - status.step) * 6 / status.images_per_second
            assert min(pace, 30 * 60) - 60 < status.seconds_left <= min(pace, 30 * 60)
            assert list_runs(tmp_path / "runs")[0].state == "training"
            later = awaited(folder, lambda later: later.step > status.step)
            assert later.share is not None and later.share > status.share
        finally:
            process.send_signal(signal.SIGKILL)
    status = run_status(folder)
    assert (status.state, status.step, status.seconds_left, status.problem) == ("stopped", 0, None, ""), (
        "as it was saved"
    )
    assert (folder / ".lock").read_text().startswith("process "), "which proves nothing"


def test_a_run_that_was_asked_to_stop_is_not_taken_for_one_that_goes_on(tiny: dict, tmp_path: Path) -> None:
    folder, seen = tmp_path / "run", list[RunStatus]()
    train(run_config(tiny), folder, should_stop=stopping_after(3))
    status = run_status(folder)  # by the very process that trained
    assert (status.state, status.step, status.share, status.problem) == ("stopped", 3, 0.5, "")

    def look() -> bool:
        seen.append(run_status(folder))
        return False

    resume(folder, should_stop=look)
    assert [(status.state, status.share) for status in seen[:3]] == [("training", 0.5)] * 3
    assert run_status(folder).state == "finished"
    # Longer than it was trained: there is more to do, and its weights are those of an earlier end.
    set_length(folder, steps=12)
    assert (run_status(folder).state, run_status(folder).share) == ("stopped", 0.5)


def test_what_comes_before_the_first_step_and_after_the_last_one(copy: Path) -> None:
    hold(copy)
    assert (run_status(copy).state, run_status(copy).seconds_left) == ("finishing", None)
    set_length(copy, steps=12)
    assert (run_status(copy).state, run_status(copy).share) == ("training", 0.5)
    os.utime(copy / ".lock", (time.time() + 1, time.time() + 1))
    assert run_status(copy).state == "starting", "the journal is that of an earlier sitting"
    for name in ("journal.jsonl", "model.safetensors"):
        (copy / name).unlink()
    assert (run_status(copy).state, run_status(copy).problem) == ("starting", "")
    (copy / ".lock").write_text("")
    assert run_status(copy).problem.endswith("journal.jsonl: No such file or directory")


def test_what_is_left_is_told_by_steps_and_by_minutes(copy: Path) -> None:
    hold(copy)
    journal, at = Journal(copy / "journal.jsonl"), time.time() - 10
    for speed in (100.0, 50.0):
        journal.write("sitting", 6)
        for step in (8, 10):
            journal.write("training", step, images_per_second=speed)
    set_length(copy, steps=1010)
    for name in ("state.safetensors", "config.toml", "journal.jsonl"):
        os.utime(copy / name, (at, at))
    os.utime(copy / ".lock", (at - 1, at - 1))
    status = run_status(copy)
    assert (status.images_per_second, status.step) == (50.0, 10), "what a sitting tells is its own"
    assert status.share == 10 / 1010
    # Steps in batches of 6. The last line came 10 seconds ago: more than two steps take, so there is other work.
    assert status.seconds_left == pytest.approx((1000 - 2) * 6 / 50, abs=0.01)
    set_length(copy, steps=0, minutes=1.0)
    os.utime(copy / "config.toml", (at + 0.1, at + 0.1))
    trained = json.loads(json.loads(_state_header(copy))["__metadata__"]["i2i-state"])["seconds"]
    status = run_status(copy)
    assert status.seconds_left == pytest.approx(60 - 10 - trained, abs=1)
    assert status.share == pytest.approx((10 + trained) / 60, abs=0.02)


def _state_header(folder: Path) -> bytes:
    data = (folder / "state.safetensors").read_bytes()
    return data[8 : 8 + int.from_bytes(data[:8], "little")]


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("config.toml", b"training = [", "is not valid TOML"),
        ("config.toml", b"\xff\xfe\x00", "cannot read the config"),
        ("config.toml", b"training = 3", "does not say how long"),
        ("config.toml", b"[training]\nsteps = 'x'\nminutes = 0\nbatch_size = 2", "does not say how long"),
        ("config.toml", b"[training]\nsteps = 0\nminutes = 0\nbatch_size = 2", "does not say how long"),
        ("config.toml", b"a = " + 9999 * b"[", "config.toml"),
        ("config.toml", None, "config.toml"),
        ("state.safetensors", b"junk", "not a saved state"),
        (
            "state.safetensors",
            b'\x2e\0\0\0\0\0\0\0{"__metadata__": {"i2i-state": "{\\"step\\": []}"}}',
            "not a saved state",
        ),
        ("model.safetensors", b"PK", "not a weights file"),
        ("journal.jsonl", None, "journal.jsonl: No such file"),
        ("journal.jsonl", b"", ""),
        ("journal.jsonl", b'\xff{"kind": 3\n[]\n{"kind": [], "step": 4}\n{"kind": "training", "step": 1e9}\n{"ki', ""),
        ("journal.jsonl", b'{"kind": "training", "step": 4, "pixel": "x", "images_per_second": -1}\n', ""),
        ("journal.jsonl", b'{"kind": "training", "step": 1' + b"0" * 999 + b', "pixel": NaN}\n', ""),
        ("journal.jsonl", b'{"kind": "training", "step": -1' + b"0" * 999 + b"}\n", ""),
        (".lock", b"\xff\xff", ""),
        (".lock", b"process 999999999 on nowhere", ""),
        ("samples", b"", ""),
    ],
)
def test_what_is_damaged_is_told_and_all_else_stays(copy: Path, name: str, damage: bytes | None, said: str) -> None:
    path = copy / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    for held in ("", f"process {os.getpid()} on {platform.node()}"):
        if held and name != ".lock":
            (copy / ".lock").write_text(held)
            os.utime(copy / ".lock", (time.time() - 20, time.time() - 20))
        status = run_status(copy)
        wanted = "" if held and (name, damage) == ("journal.jsonl", None) else said  # it may be about to be written
        assert wanted in status.problem and bool(status.problem) == bool(wanted)
        assert status.name == "copy" and status.updated is not None
        json.dumps(status.history), str(status.step)
    assert [run.name for run in list_runs(copy.parent)] == ["copy"]
    assert (status.figures != {}) == (name != "journal.jsonl")


def test_a_folder_that_is_no_run_or_is_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs" / "notes").mkdir(parents=True)
    (tmp_path / "runs" / "file").write_text("")
    assert list_runs(tmp_path / "runs") == [] and list_runs(tmp_path / "none") == []
    for name in ("runs/notes", "runs/file", "runs/gone", "runs/\0"):
        status = run_status(tmp_path / name)
        assert status.problem == f"{tmp_path / name} holds no run" and status.updated is None


def test_a_folder_that_vanishes_while_it_is_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(folder: Path, *_: object) -> bool:
        shutil.rmtree(folder)
        return False

    hold(copy)
    monkeypatch.setattr("i2i_cli.jobs.training.watching._has_begun", vanish)
    status = run_status(copy)
    assert "No such file" in status.problem and status.sheet is None and status.sheets == ()


def test_the_newest_run_comes_first(copy: Path) -> None:
    older = Path(shutil.copytree(copy, copy.parent / "older"))
    for name in ("config.toml", "state.safetensors", "journal.jsonl", "model.safetensors"):
        os.utime(older / name, (9, 9))
    found = list_runs(copy.parent)
    assert [run.name for run in found] == ["copy", "older"] and found[1].updated == 9


@pytest.mark.parametrize("age", [0, FRESH_SECONDS + 60])
def test_the_lock_of_another_machine_counts_while_its_journal_is_fresh(copy: Path, age: float) -> None:
    set_length(copy, steps=12)
    for name in ("config.toml", "state.safetensors", "journal.jsonl", "model.safetensors"):
        os.utime(copy / name, (time.time() - age,) * 2)
    hold(copy, "process 7 on another-machine")
    assert is_held(copy / ".lock") is None
    assert run_status(copy).state == ("stopped" if age else "training")


def test_a_journal_is_read_once(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(copy / "journal.jsonl")
    with journal.path.open("a") as file:
        for step in range(7, 20_007):
            file.write(json.dumps({"kind": "training", "step": step, "images_per_second": 10, "pixel": 0.5}) + "\n")
    hold(copy)
    assert run_status(copy).step == 20_006
    parsed, loads = list[str](), json.loads
    monkeypatch.setattr("i2i_cli.engine.journal.json.loads", lambda text: parsed.append(text) or loads(text))
    assert run_status(copy).step == 20_006 and parsed == []
    with journal.path.open("a") as file:
        file.write('{"kind": "training", "step": 20007, ')
    assert run_status(copy).step == 20_006 and parsed == []
    with journal.path.open("a") as file:
        file.write('"pixel": 0.25}\n')
    status = run_status(copy)
    assert (status.step, status.terms, len(parsed)) == (20_007, {"rebuild error": 0.25}, 1)
    journal.rewind(6)  # what a resumed run does
    assert (run_status(copy).step, len(run_status(copy).history)) == (6, 1)

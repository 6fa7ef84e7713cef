"""What a training does where it cannot write."""

from pathlib import Path

import pytest

from i2i_cli.errors import DataError
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.folder import RunFolder, StateFacts
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.start import resume, train


class Notes(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def _full(*_: object, **__: object) -> None:
    raise DataError("cannot write it: No space left on device")


def test_samples_and_checkpoints_are_spared_and_told_once(tiny: dict, tmp_path: Path, monkeypatch) -> None:
    often = {**tiny, "training": {**tiny["training"], "steps": 120, "checkpoint_minutes": 1e-6}}
    notes, saves = Notes(), []
    save_state = RunFolder.save_state

    def full_on_the_way(self: RunFolder, tensors: dict, facts: StateFacts) -> None:
        saves.append(facts.step)
        if 0 < facts.step < 120:
            _full()
        save_state(self, tensors, facts)

    monkeypatch.setattr(RunFolder, "save_state", full_on_the_way)
    monkeypatch.setattr(RunFolder, "save_sample", _full)
    monkeypatch.setattr("i2i_cli.engine.journal.Journal.write", _full)
    result = train(run_config(often), tmp_path / "run", observer=notes)
    assert result.finished and len(saves) > 3
    told = [text.partition(":")[2] for text in notes.texts if "continues without" in text]
    assert sorted(told) == [
        f" training continues without {what}: cannot write it: No space left on device"
        for what in ("a checkpoint", "a sample sheet", "the journal")
    ]


def test_an_end_that_cannot_be_written_says_from_where_to_go_on(tiny: dict, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        save_state = RunFolder.save_state

        def full_at_the_end(self: RunFolder, tensors: dict, facts: StateFacts) -> None:
            save_state(self, tensors, facts) if not facts.step else _full()

        patch.setattr(RunFolder, "save_state", full_at_the_end)
        with pytest.raises(DataError, match="No space left") as caught:
            train(run_config(tiny), folder)
    assert caught.value.hint == f"free some disk space, then resume from step 0: i2i train --resume {folder}"
    assert RunFolder(folder).model.is_file(), "the weights found room"
    assert resume(folder).finished


def test_one_process_at_a_time(tiny: dict, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    train(run_config(tiny), folder.path)
    with folder.lock(), pytest.raises(DataError, match="in use by process"):
        resume(folder.path, {"training": {"steps": 9}})


def test_what_a_killed_process_was_writing_is_swept(tiny: dict, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    train(run_config(tiny), folder.path)
    half = [folder.path / ".state.safetensors-1234.part", folder.path / "samples" / ".latest.png-5678.part"]
    for path in half:
        path.write_bytes(b"half")
    resume(folder.path, {"training": {"steps": 9}})
    assert not any(path.exists() for path in half)


def test_a_folder_of_a_run_that_never_began_is_free(tiny: dict, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (".lock", "config.toml", ".state.safetensors-12.part"):
        (folder / name).write_text("")
    assert train(run_config(tiny), folder).finished

import importlib.util
import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from i2i_cli.errors import ConfigError
from i2i_cli.jobs.training import run as sitting
from i2i_cli.jobs.training import tensorboard_log
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.figures import HeldOutFigures
from i2i_cli.jobs.training.observer import Observers
from i2i_cli.jobs.training.start import resume, train
from i2i_cli.jobs.training.tensorboard_log import TensorBoardLog, keeps_log, refuse_unknown_logs

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="the extra tensorboard is not installed"
)


def read_back(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    return events


def logged(train_it: Any) -> None:
    """What `train_it(observer)` does, logged."""
    log = TensorBoardLog(tell=pytest.fail)
    train_it(Observers([log]))
    log.close()


def stopping_after(steps: int):
    asked = iter(range(steps + 1))
    return lambda: next(asked) == steps


@needs_tensorboard
def test_what_is_written_can_be_read_back(tiny: dict, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    logged(lambda observer: train(run_config(tiny), folder, observer=observer))
    events = read_back(folder)
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    training, held_out = (next(line for line in lines if line["kind"] == kind) for kind in ("training", "held-out"))
    for tag, wanted in {
        "training/rebuild_error": training["pixel"],
        "training/images_a_second": training["images_per_second"],
        "losses/domain_critic": training["domain_critic"],
        "held_out/rebuild_error": held_out["reconstruction_l1"],
        "held_out/domain_leakage": held_out["leak_means"],
        "held_out/classified_as_the_target": held_out["mean_judged"],
        "Frechet/disc_to_square": held_out["frechet"]["disc->square"],
    }.items():
        (event,) = events.Scalars(tag)
        assert (event.step, event.value) == (6, pytest.approx(wanted, rel=1e-4)), tag
    (image,) = events.Images("samples")
    with Image.open(folder / "samples" / "latest.png") as sheet:
        assert (image.step, image.width, image.height) == (6, sheet.width, sheet.height)


@needs_tensorboard
def test_a_resumed_run_goes_on_in_the_same_log_and_what_is_done_again_counts_once(
    tiny: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitting, "LOG_EVERY", 2)
    folder = tmp_path / "run"
    train(run_config(tiny), folder, should_stop=stopping_after(2))
    state = (folder / "state.safetensors").read_bytes()
    assert not keeps_log(folder)
    logged(lambda observer: resume(folder, observer=observer, should_stop=stopping_after(2)))
    (folder / "state.safetensors").write_bytes(state)  # as if it was killed after step 4, without a checkpoint
    assert keeps_log(folder)
    logged(lambda observer: resume(folder, observer=observer))
    steps = [event.step for event in read_back(folder).Scalars("training/rebuild_error")]
    assert steps == [4, 6]


class Writer:
    def __init__(self) -> None:
        self.written: dict[str, list[tuple[int, float]]] = defaultdict(list)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.written[tag].append((step, value))


def figures(**changes: Any) -> HeldOutFigures:
    values: dict[str, Any] = {
        "held_out": True, "reconstruction_l1": 0.1, "leak_means": None, "leak_noisy": None,
        "judged": {"a b->c": 0.5, "c->a b": 1.0}, "judge_accuracy": 0.9, "frechet": {"a b->c": 2.0, "c->a b": 4.0},
        "frechet_reconstruction": None, "pair_l1": {},
    }  # fmt: skip
    return HeldOutFigures(**(values | changes))


def test_names_are_plain_and_grouped_and_what_was_not_measured_is_left_out() -> None:
    log, writer = TensorBoardLog(tell=pytest.fail), Writer()
    log._writer = writer
    log.training(20, 0.1, 50.0, {"pixel": 0.5, "content_ridge": 0.2, "critic/a b": 1.5})
    log.scored(20, figures())
    assert writer.written["training/rebuild_error"] == [(20, 0.5)]
    assert writer.written["losses/content_ridge"] == [(20, 0.2)]
    assert writer.written["losses/critic_a_b"] == [(20, 1.5)]
    assert writer.written["held_out/classified_as_the_target"] == [(20, 0.75)]
    assert writer.written["held_out/worst_pair_classified_as_the_target"] == [(20, 0.5)]
    assert writer.written["Frechet/a_b_to_c"] == [(20, 2.0)]
    assert "losses/pixel" not in writer.written
    kept = {"found": {"c->a b": 0.7}, "apart": {"c->a b": 0.8}, "content_kept": {"c->a b": 0.9}}
    log.scored(40, figures(**kept, sharpness={"c->a b": 1.1}))
    groups = ("own_input_found_again", "nearest_other_output", "content_kept", "sharpness")
    assert [writer.written[f"{group}/c_to_a_b"][-1][1] for group in groups] == [0.7, 0.8, 0.9, 1.1]
    assert not [tag for tag in writer.written if "leakage" in tag or "counterpart" in tag]


def test_a_full_disk_ends_the_log_and_not_the_training() -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    told: list[str] = []
    log = TensorBoardLog(told.append)
    log._writer = SimpleNamespace(add_scalar=full, add_image=full, close=full)
    log.training(20, 0.1, 50.0, {"pixel": 0.5})
    log.training(40, 0.2, 50.0, {"pixel": 0.5})
    log.sampled(40, Image.new("RGB", (4, 4)))
    log.scored(40, figures())
    log.close()
    assert told == ["warning: training continues without the log for TensorBoard: No space left on device"]


def test_another_log_and_one_without_its_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_unknown_logs([])
    with pytest.raises(ConfigError, match="no log is called 'tensorbord'") as caught:
        refuse_unknown_logs(["tensorbord"])
    assert caught.value.hint == "did you mean 'tensorboard'?"
    monkeypatch.setattr(tensorboard_log, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the package tensorboard"):
        refuse_unknown_logs(["tensorboard"])
    monkeypatch.setattr(tensorboard_log, "find_spec", lambda name: object())
    refuse_unknown_logs(["tensorboard"])

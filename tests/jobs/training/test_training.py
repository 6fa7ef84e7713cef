import itertools
import json
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from i2i_cli.checkpoints.header import read_header
from i2i_cli.checkpoints.tensors import load_tensors, networks_among, save_tensors
from i2i_cli.config import merged
from i2i_cli.data.cache import cache_folder
from i2i_cli.engine.loop import Loop
from i2i_cli.errors import ConfigError, DataError, I2IError, WeightsError
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.training import run as sitting
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.folder import RunFolder
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.run import LOG_EVERY, Sitting, _is_due, _journal_gap
from i2i_cli.jobs.training.start import resume, train
from i2i_cli.models.peers import Peers
from tests.conftest import TINY, TINY_DUAL


class Notes(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def stopping_after(steps: int):
    """A `should_stop` that lets `steps` steps be taken."""
    asked = iter(range(steps + 1))
    return lambda: next(asked) == steps


def journal(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_a_run_folder_explains_itself(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == {
        ".lock", "README.md", "best.safetensors", "config.toml", "gallery.safetensors", "journal.jsonl",
        "model.safetensors", "samples", "state.safetensors",
    }  # fmt: skip
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["networks"]["width"] == 16 and config["family"] == "srae"
    card = (run / "README.md").read_text()
    assert "| disc |" in card and "i2i translate" in card and "classified as the target" in card
    with Image.open(run / "samples" / "latest.png") as sheet:
        assert sheet.width > 4 * 64 and sheet.height > 100
    lines = journal(run)
    assert [line["kind"] for line in lines] == ["sitting", "training", "held-out", "scoring"]
    assert {"pixel", "domain_critic", "images_per_second"} <= lines[1].keys()


def test_the_header_needs_no_flag_beside_it(run: Path) -> None:
    header = read_header(run / "model.safetensors")
    assert header.domains == ("disc", "square") and header.step == 6 and header.finished
    sample = header.trained_on.pop("sample")
    assert len(sample) == len(set(sample)) == 30, "a hash of every training image: there are few"
    assert header.trained_on == {"data": "shapes", "images": {"disc": 15, "square": 15}}
    assert set(header.figures) >= {"reconstruction_l1", "leak_means", "leak_noisy", "judged", "mean_frechet", "pair_l1"}
    assert header.perceptual == "none"


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_stopping_and_resuming_gives_the_same_bytes(
    tiny: dict, tmp_path: Path, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny |= {"recipe": recipe, "data": {**tiny["data"], "flip": True, "shift": 0.1}}
    swaps = {"pixel": 1.0, "adversarial": 0.1, "content_consistency": 1.0}
    tiny["objective"] = {"critic_width": 8, "perceptual": "none", "weights": swaps}
    train(run_config(tiny), tmp_path / "whole")
    # The halved run also samples and scores on the way, which must not disturb it.
    monkeypatch.setattr(sitting, "_is_due", lambda step, first, widest: step % 2 == 0)
    stopped = train(run_config(tiny), tmp_path / "halved", should_stop=stopping_after(3))
    assert (stopped.step, stopped.finished) == (3, False)
    assert not read_header(tmp_path / "halved" / "model.safetensors").finished
    resumed = resume(tmp_path / "halved")
    assert (resumed.step, resumed.finished) == (6, True)
    for name in ("state.safetensors", "model.safetensors"):
        whole, halved = (load_file(tmp_path / run / name) for run in ("whole", "halved"))
        assert whole.keys() == halved.keys()
        assert all(whole[key].equal(halved[key]) for key in whole), name


def test_a_run_killed_before_its_first_checkpoint_can_be_resumed(tiny: dict, tmp_path: Path, monkeypatch) -> None:
    def die(self: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sitting.Sitting, "_advance", die)
        train(run_config(tiny), tmp_path / "run")
    assert resume(tmp_path / "run").finished


def test_a_last_save_cut_in_two_is_mended_by_resuming(tiny: dict, tmp_path: Path) -> None:
    train(run_config(tiny), tmp_path / "run")
    wanted = load_file(tmp_path / "run" / "model.safetensors")
    (tmp_path / "run" / "model.safetensors").unlink()
    assert resume(tmp_path / "run").finished
    found = load_file(tmp_path / "run" / "model.safetensors")
    assert all(wanted[key].equal(found[key]) for key in wanted)
    assert read_header(tmp_path / "run" / "model.safetensors").figures


def test_a_finished_run_can_be_trained_longer(tiny: dict, tmp_path: Path) -> None:
    train(run_config(tiny), tmp_path / "run")
    with pytest.raises(ConfigError, match="finished at step 6") as caught:
        resume(tmp_path / "run")
    assert "--steps 12" in caught.value.hint
    assert resume(tmp_path / "run", {"training": {"steps": 8}}).step == 8
    assert [line["step"] for line in journal(tmp_path / "run") if line["kind"] == "sitting"] == [0, 6]


def test_nothing_is_trained_over_and_nothing_resumed_that_is_not_there(tiny: dict, tmp_path: Path, run: Path) -> None:
    with pytest.raises(ConfigError, match="exists already") as caught:
        train(run_config(tiny), run)
    assert "--resume" in caught.value.hint
    with pytest.raises(ConfigError, match="no run to resume"):
        resume(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_run_is_resumed_from_any_folder_and_its_weights_name_none(tiny: dict, tmp_path: Path, monkeypatch) -> None:
    root = Path(tiny["data"]["root"])
    monkeypatch.chdir(root.parent)
    relative = {**tiny, "data": {**tiny["data"], "root": root.name}}
    train(run_config(relative), tmp_path / "run", should_stop=stopping_after(1))
    monkeypatch.chdir("/")
    assert resume(tmp_path / "run").finished
    assert str(root) not in json.dumps(read_header(tmp_path / "run" / "model.safetensors").config)


def test_figures_survive_a_stop_and_a_resume(tiny: dict, tmp_path: Path) -> None:
    train(run_config(tiny), tmp_path / "run")
    before = read_header(tmp_path / "run" / "model.safetensors").figures
    resume(tmp_path / "run", {"training": {"steps": 9}}, should_stop=stopping_after(1))
    assert read_header(tmp_path / "run" / "model.safetensors").figures.keys() == before.keys() != set()


def test_other_domains_cannot_be_resumed_on_and_other_images_are_warned_of(
    tiny: dict, tmp_path: Path, domains: Path
) -> None:
    train(run_config(tiny), tmp_path / "run", should_stop=stopping_after(2))
    for i in range(4):
        Image.new("RGB", (40, 40)).save(domains / "disc" / f"new{i}.png")
    observer = Notes()
    resume(tmp_path / "run", observer=observer, should_stop=stopping_after(1))
    assert any("not an exact continuation" in text for text in observer.notes)
    (domains / "disc").rename(domains / "zebra")
    with pytest.raises(WeightsError, match="was trained on the domains disc, square, not square, zebra"):
        resume(tmp_path / "run")


def test_images_that_were_replaced_under_their_names_are_noticed(tiny: dict, tmp_path: Path, domains: Path) -> None:
    train(run_config(tiny), tmp_path / "run", should_stop=stopping_after(2))
    observer = Notes()
    resume(tmp_path / "run", observer=observer, should_stop=stopping_after(1))
    assert not any("changed since" in text for text in observer.notes)
    for path in (domains / "disc").iterdir():
        Image.new("RGB", (40, 36), "lime").save(path)
    resume(tmp_path / "run", observer=observer, should_stop=stopping_after(1))
    assert any("not an exact continuation" in text for text in observer.notes)


def test_images_that_have_moved_are_gone_on_with_elsewhere(tiny: dict, tmp_path: Path, domains: Path) -> None:
    train(run_config(tiny), tmp_path / "run", should_stop=stopping_after(2))
    domains.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="no such folder") as caught:
        resume(tmp_path / "run")
    assert caught.value.hint.endswith(f"i2i train --resume {tmp_path / 'run'} --set data.root=NEW")
    observer = Notes()
    assert resume(tmp_path / "run", {"data": {"root": str(tmp_path / "moved")}}, observer=observer).finished
    assert not any("changed since" in text for text in observer.notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"image_size": 64}}, "is trained with data.image_size = 32, not 64"),
        ({"networks": {"width": 24}}, "is trained with networks.width = 16, not 24"),
        ({"networks": {"modulate": False}}, "is trained with networks.modulate = True, not False"),
    ],
)
def test_a_run_keeps_its_networks(tiny: dict, tmp_path: Path, changes: dict, said: str) -> None:
    train(run_config(tiny), tmp_path / "run", should_stop=stopping_after(1))
    before = (tmp_path / "run" / "config.toml").read_text()
    with pytest.raises(ConfigError, match=said):
        resume(tmp_path / "run", changes)
    assert (tmp_path / "run" / "config.toml").read_text() == before


def test_other_critics_than_the_saved_ones_are_refused_in_our_words(tiny: dict, tmp_path: Path) -> None:
    train(run_config(tiny), tmp_path / "run", should_stop=stopping_after(1))
    for changes in ({"critic_width": 16}, {"weights": {"adversarial": 0.1}}, {"domain_critic": False}):
        with pytest.raises(WeightsError, match="does not fit this run's config: other settings") as caught:
            resume(tmp_path / "run", {"objective": changes})
        assert "state_dict" not in caught.value.message and "Size" not in caught.value.message


def test_what_comes_after_the_minutes_is_announced(tiny: dict, tmp_path: Path) -> None:
    observer = Notes()
    timed = {**tiny, "training": {**tiny["training"], "steps": 0, "minutes": 0.001}}
    train(run_config(timed), tmp_path / "run", observer=observer)
    assert any(text.startswith("minutes count training alone") for text in observer.notes)
    assert any("now writing the codes of its 30 images: under a minute" in text for text in observer.notes)
    observer = Notes()
    train(run_config(tiny), tmp_path / "other", observer=observer)
    assert not any(text.startswith("minutes") for text in observer.notes)


def test_a_training_by_minutes_cools_down_too(tiny: dict, tmp_path: Path, monkeypatch) -> None:
    rates, set_rate = [], Loop._set_learning_rate
    monkeypatch.setattr(Loop, "_set_learning_rate", lambda loop, rate: (rates.append(rate), set_rate(loop, rate)))
    readings = itertools.count(0.0)  # a second goes by from one to the next
    clock = SimpleNamespace(monotonic=lambda: next(readings), perf_counter=time.perf_counter)
    monkeypatch.setattr(sitting, "time", clock)
    timed = {"steps": 0, "minutes": 2, "cooldown": 0.5, "warmup": 1, "score_on_the_way": False}
    train(run_config({**tiny, "training": {**tiny["training"], **timed}}), tmp_path / "run")
    assert rates[0] == max(rates) and rates[-1] < 0.2 * rates[0] and rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("size", [2, 3])
def test_a_batch_too_small_for_the_domains_of_a_dual_model_is_refused(size: int, factors: Path, tmp_path: Path) -> None:
    settings = merged(TINY_DUAL, {"data": {"root": str(factors)}, "training": {"batch_size": size}})
    with pytest.raises(ConfigError, match=f"a batch of {size} has no image of some of the 4 domains") as caught:
        train(run_config(settings), tmp_path / "run")
    assert caught.value.hint == "use --batch-size 4 or more" and not (tmp_path / "run").exists()
    if size == 3:
        settings["training"] |= {"batch_size": 5, "steps": 3}
        assert train(run_config(settings), tmp_path / "run").finished
    srae = {
        **TINY,
        "data": {"root": str(factors), "image_size": 32},
        "training": {**TINY["training"], "batch_size": size},
    }
    assert train(run_config(srae), tmp_path / "srae").finished, "SRAE takes domains in turn"


def test_init_takes_the_networks_of_another_run(tiny: dict, tmp_path: Path, run: Path) -> None:
    still = {**tiny, "training": {**tiny["training"], "steps": 1, "learning_rate": 1e-9}}
    train(run_config(still), tmp_path / "new", init=run / "model.safetensors")
    before, after = (networks_among(load_file(folder / "model.safetensors")) for folder in (run, tmp_path / "new"))
    assert all(before[key].allclose(after[key], atol=1e-5) for key in before if "kept_codes" not in key)
    for changed in ({"networks": {**tiny["networks"], "width": 24}}, {"data": {**tiny["data"], "image_size": 64}}):
        with pytest.raises(WeightsError, match="other networks or another image size"):
            train(run_config({**tiny, **changed}), tmp_path / "other", init=run / "model.safetensors")
    assert not (tmp_path / "other").exists()


def test_a_best_model_that_was_chosen_by_fewer_figures_gives_way(run: Path, tmp_path: Path) -> None:
    """An earlier version did not ask whether translations are of their input."""
    folder = RunFolder(Path(shutil.copytree(run, tmp_path / "run")))
    header = read_header(folder.best)
    assert folder.least_shortfall() == header.figures["shortfall"]
    earlier = {name: value for name, value in header.figures.items() if name != "sharpness"}
    save_tensors(folder.best, load_tensors(folder.best), replace(header, figures=earlier).to_metadata())
    assert folder.least_shortfall() == float("inf")


def test_init_grows_a_model_into_images_of_twice_the_side(tiny: dict, tmp_path: Path, run: Path) -> None:
    large = {
        **tiny, "networks": {**tiny["networks"], "patch": 2}, "data": {**tiny["data"], "image_size": 64},
        "training": {**tiny["training"], "steps": 1, "learning_rate": 1e-9},
    }  # fmt: skip
    train(run_config(large), tmp_path / "large", init=run / "model.safetensors")
    small, grown = (load(folder).model for folder in (run, tmp_path / "large"))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    codes = small.encode(images)
    twice = torch.nn.functional.interpolate(small.decode(*codes), scale_factor=2)
    assert torch.allclose(grown.decode(*codes), twice, atol=1e-3)
    with pytest.raises(WeightsError, match="other networks or another image size"):
        train(run_config(large | {"networks": tiny["networks"]}), tmp_path / "other", init=run / "model.safetensors")


@pytest.mark.parametrize(
    "changed",
    [
        {"data": {"image_size": 48}},
        {"training": {"device": "cuda:77"}},
        {"training": {"precision": "fp8"}},
        {"training": {"device": "cpu", "recorded": True}},
    ],
)
def test_what_cannot_work_is_found_before_images_are_decoded(tiny: dict, tmp_path: Path, changed: dict) -> None:
    with pytest.raises(I2IError):
        train(run_config(merged(tiny, changed)), tmp_path / "run")
    assert not (tmp_path / "run").exists() and not cache_folder().exists()


def test_too_few_test_images_are_owned_up_to(tiny: dict, tmp_path: Path) -> None:
    observer = Notes()
    result = train(run_config(tiny), tmp_path / "run", observer=observer)
    assert any("too few held-out images" in text for text in observer.notes)
    assert result.figures is not None and not result.figures.held_out


def test_bad_images_are_named_and_left_out(tiny: dict, tmp_path: Path, domains: Path) -> None:
    (domains / "disc" / "99.png").write_bytes(b"junk")
    observer = Notes()
    train(run_config(tiny), tmp_path / "run", observer=observer, should_stop=stopping_after(1))
    assert [text for text in observer.notes if "99.png" in text and text.startswith("left out")]


@pytest.mark.parametrize(
    ("recipe", "settled", "said"), [("default", "none", "L1 alone"), ("paper", "random", "fixed random weights")]
)
def test_auto_perceptual_settles_and_says_so(
    tiny: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, settled: str, said: str
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    tiny |= {"recipe": recipe, "objective": {"critic_width": 8, "perceptual": "auto"}}
    observer = Notes()
    train(run_config(tiny), tmp_path / "run", observer=observer, should_stop=stopping_after(1))
    assert any(said in text for text in observer.notes)
    assert tomllib.loads((tmp_path / "run" / "config.toml").read_text())["objective"]["perceptual"] == settled
    assert read_header(tmp_path / "run" / "model.safetensors").perceptual == settled


def test_divergence_ends_the_run_and_keeps_the_last_checkpoint(tiny: dict, tmp_path: Path, monkeypatch) -> None:
    train(run_config(tiny), tmp_path / "run", should_stop=stopping_after(2))
    before = (tmp_path / "run" / "state.safetensors").read_bytes()
    with pytest.raises(I2IError, match="diverged"):
        resume(tmp_path / "run", {"objective": {"weights": {"pixel": 1e39}}})
    assert (tmp_path / "run" / "state.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("leads", "on_the_way", "expected"),
    [(True, True, [500, 1000, 1199]), (False, True, [1199]), (True, False, [1199])],
    ids=["the first", "another", "at the end alone"],
)
def test_when_a_process_asks_for_scores(tiny: dict, leads: bool, on_the_way: bool, expected: list[int]) -> None:
    """What any of them asks for, all do: one that never scores itself must not ask for it again and again."""
    training = Sitting.__new__(Sitting)
    settings = {"steps": 1199, "score_on_the_way": on_the_way}
    training.config, training.seconds, training._leads = run_config(tiny | {"training": settings}), 0.0, leads
    training.loop = SimpleNamespace(step=0, peers=Peers())  # type: ignore[assignment]
    training._last = training._saved = training._logged = time.monotonic()
    training._score_waits, training._scoring, training._last_scoring = False, 0.0, 0.0
    scored = []
    for step in range(1, 1200):
        training.loop.step = step
        if training._due(lambda: False).score:
            scored.append(step)
            training._score_waits = training._score_waits and not leads  # as `_score` does, on the first alone
    assert scored == expected


def test_a_score_waits_until_scores_are_a_small_share_of_the_time() -> None:
    training = Sitting.__new__(Sitting)
    training._scoring, training._last_scoring, training.seconds = 0.0, 0.0, 1.0
    assert training._has_time_to_score(), "the first never waits"
    training._scoring = training._last_scoring = 3.0
    assert not training._has_time_to_score()
    training.seconds = 121.0
    assert training._has_time_to_score()


def test_intervals_grow() -> None:
    due = [step for step in range(1, 9001) if _is_due(step, first=50, widest=2000)]
    assert due == [50, 100, 200, 400, 800, 1600, 2000, 4000, 6000, 8000]


def test_a_journal_stays_short() -> None:
    lines = last = 0
    for step in range(0, 5_000_000, LOG_EVERY):
        if step - last >= _journal_gap(step):
            lines, last = lines + 1, step
    assert 500 < lines < 7000


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"family": "dula"}, "family"),
        ({"recipe": "papr"}, "recipe"),
        ({"training": {"stesp": 3}}, "'training.stesp'"),
        ({"recipe": "sharp", "objective": {"weights": {"structure": 1.0, "adversarial": 0.0}}}, "structure needs"),
        ({"data": {"image_size": "large"}}, "data.image_size"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run_config(flags)


def test_the_later_layer_wins(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('recipe = "paper"\n[objective.weights]\nkl = 0.5\n[training]\nbatch_size = 4\n')
    config = run_config({"training": {"batch_size": 8}}, tmp_path / "c.toml", ["objective.weights.kl=0.25"])
    assert config.recipe == "paper" and config.training.ema == 0
    assert config.training.batch_size == 8 and config.objective.weights.kl == 0.25


def test_no_domains_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        train(run_config({"data": {"root": str(tmp_path)}}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_says_how_to_go_on_and_exits(domains: Path, tmp_path: Path, number: int, code: int) -> None:
    settings = ["networks.width=16", "networks.min_width=8", "objective.perceptual=none"]
    command = [
        sys.executable,
        "-m",
        "i2i_cli",
        "train",
        str(domains),
        "--name",
        "x",
        "--image-size",
        "32",
        "--batch-size",
        "4",
    ]
    command += [word for text in settings for word in ("--set", text)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    sample = tmp_path / "runs" / "x" / "samples" / "latest.png"
    deadline = time.monotonic() + 120
    while not sample.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "i2i train --resume runs/x" in said
    assert (tmp_path / "runs" / "x" / "state.safetensors").is_file()

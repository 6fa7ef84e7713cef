"""Weights and runs of earlier formats: what they lack means what it meant then, not today's default.

`tests/fixtures/format-1` holds what three runs of that time wrote, as text; weights are drawn here.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from i2i_cli.checkpoints.header import FORMAT, KEY, read_header, upgraded
from i2i_cli.config import read_toml, updated
from i2i_cli.engine.loop import Loop
from i2i_cli.errors import ConfigError
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.training.config import from_tables, run_config, whole_config
from i2i_cli.jobs.training.folder import RunFolder
from i2i_cli.jobs.training.record import plain
from i2i_cli.jobs.training.start import resume
from i2i_cli.models import FAMILIES, family
from i2i_cli.models.family import Batch
from i2i_cli.models.srae.networks import Modulated
from tests.conftest import draw_domains, draw_factor_domains
from tests.jobs.training.test_training import Notes

FIXTURES = Path(__file__).parents[1] / "fixtures"
OLD = FIXTURES / "format-1"
DEFAULTS = FIXTURES / "defaults.json"


def renamed_as_then(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """SRAE's decoder was one list of layers in the first files of format 1."""
    last = 1 + max(
        (int(found[1]) for name in tensors if (found := re.search(r"decoder\.blocks\.(\d+)\.", name))), default=0
    )
    then = {re.sub(r"decoder\.blocks\.", "decoder.layers.", name): tensor for name, tensor in tensors.items()}
    return {re.sub(r"decoder\.image\.", f"decoder.layers.{last}.", name): tensor for name, tensor in then.items()}


def drawn_weights(name: str, path: Path) -> dict[str, Any]:
    """A weights file with the header of a run of then. Returns the header."""
    header = json.loads((OLD / name / "model.json").read_text())
    kind = family(header["family"])
    networks = updated(kind.networks, upgraded(header["config"], 1)["networks"])
    model = kind.build_model(networks, header["image_size"], header["domains"])
    for label in range(len(header["domains"])):
        model.keep_codes(label, torch.randn(3, *model.kept_codes.shape[2:]))
    classes = header["classifiers"]["domains"]["classes"]
    fitted = {
        "classifier.domains.weight": torch.randn(len(classes), model.kept_codes[0, 0].numel()),
        "classifier.domains.bias": torch.zeros(len(classes)),
    }
    tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(renamed_as_then(tensors) | fitted, path, {KEY: json.dumps(header)})
    return header


@pytest.mark.parametrize("name", ["srae", "srae-neighbours", "dual"])
def test_weights_of_then_translate(name: str, tmp_path: Path) -> None:
    header = drawn_weights(name, tmp_path / "w.safetensors")
    model = load(tmp_path / "w.safetensors", "cpu")
    assert read_header(tmp_path / "w.safetensors").domains == tuple(header["domains"])
    draw_domains(tmp_path / "shapes")
    source = {"dual": "grey_disc"}.get(name)
    to = model.targets_of(source)[0] if source else "disc"
    assert model.translate(tmp_path / "shapes" / "square" / "03.png", to=to, source=source).size == (40, 36)
    assert not any(isinstance(module, Modulated) for module in model.model.modules())


def drawn_run(name: str, data: Path, folder: Path) -> RunFolder:
    """A run folder of then, after one step."""
    folder.mkdir()
    text = (OLD / name / "config.toml").read_text().replace('"DATA"', json.dumps(str(data)))
    (folder / "config.toml").write_text(text)
    config = from_tables(whole_config(read_toml(folder / "config.toml"), folder))
    facts = json.loads((OLD / name / "state.json").read_text())
    kind, domains = family(config.family), facts["data"]["domains"]
    objective = kind.build_objective(kind.build_model(config.networks, 32, domains), config.objective)
    loop = Loop(objective, config.training, torch.device("cpu"), "fp32", 0)
    images = torch.rand(4 * len(domains), 3, 32, 32) * 2 - 1
    loop.advance(Batch(images, torch.arange(len(images)) % len(domains)))
    state = {key: value.contiguous() for key, value in loop.state().items()}
    save_file(renamed_as_then(state), folder / "state.safetensors", {"i2i-state": json.dumps(facts)})
    return RunFolder(folder)


@pytest.mark.parametrize("name", ["srae", "srae-neighbours", "dual"])
def test_runs_of_then_go_on_as_they_were_begun(name: str, tmp_path: Path) -> None:
    data = (draw_factor_domains if name == "dual" else draw_domains)(tmp_path / "data")
    run, notes = drawn_run(name, data, tmp_path / "run"), Notes()
    assert resume(run.path, {"training": {"steps": 4}}, observer=notes).finished
    assert not any("changed since" in text for text in notes.notes), "what was not kept then is not compared"
    assert any("trained on crops" in text for text in notes.notes)
    config, then = run.read_config(), read_toml(OLD / name / "config.toml")
    assert read_toml(run.path / "config.toml")["format"] == FORMAT
    if name == "dual":
        assert config.objective.weights.r1 == pytest.approx(1 / 16), "R1 was not multiplied by its interval"
        return
    assert config.objective.weights.content_ridge == 0 and config.objective.weights.content_entropy == 0.3
    assert config.objective.swap_share == 1.0 and not config.networks.modulate
    assert config.objective.feature_crop == then["objective"]["perceptual_crop"]
    terms = next(line for line in run.journal.lines() if line["kind"] == "training")
    assert "content_entropy" in terms and "content_ridge" not in terms


def test_what_a_person_writes_takes_today_s_defaults(tmp_path: Path) -> None:
    (tmp_path / "few.toml").write_text("[training]\nsteps = 3\n")
    assert run_config({}, tmp_path / "few.toml").objective.weights.content_ridge == 1.0
    whole = tmp_path / "whole.toml"
    whole.write_text(f"format = 1\n{(OLD / 'srae' / 'config.toml').read_text()}")
    assert run_config({}, whole).objective.weights.content_ridge == 0.0, "a run's own file says what it lacks"
    assert run_config({}, OLD / "srae" / "config.toml").objective.weights.content_ridge == 0.0
    assert run_config({}, OLD / "dual" / "config.toml").objective.weights.r1 == pytest.approx(1 / 16)
    for wrong in (FORMAT + 1, 0, '"new"'):
        whole.write_text(f"format = {wrong}\n")
        with pytest.raises(ConfigError, match="has format"):
            run_config({}, whole)


def test_a_config_that_is_written_comes_back(tmp_path: Path) -> None:
    for name in FAMILIES:
        config = run_config({"family": name})
        folder = RunFolder(tmp_path / name)
        folder.write_config(config)
        (tmp_path / name / "state.safetensors").touch()
        assert folder.read_config() == config == run_config({}, tmp_path / name / "config.toml")


def test_a_changed_default_comes_with_another_format() -> None:
    """Else files of before would silently mean something else: raise FORMAT, say in `_MEANT_BEFORE` what a setting
    meant that they may lack, and write this record anew (`python -m tests.jobs.test_old_files`)."""
    recorded = json.loads(DEFAULTS.read_text())
    assert recorded["format"] == FORMAT
    assert recorded["families"] == todays_defaults()


def todays_defaults() -> dict[str, Any]:
    return {name: plain(from_tables({"family": name})) for name in FAMILIES}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_setting_that_format_1_lacked_has_a_meaning(name: str) -> None:
    """An empty file of then has, for each setting of today, what it meant then."""
    then, now = (plain(from_tables(upgraded({"family": name}, written_as))) for written_as in (1, FORMAT))
    assert now == todays_defaults()[name]
    changed = {key for key in flat(now) if flat(now)[key] != flat(then)[key]}
    wanted = {"srae": {"networks.modulate", "objective.swap_share", "objective.weights.content_ridge"}, "dual": set()}
    assert changed == wanted[name]


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


if __name__ == "__main__":
    DEFAULTS.write_text(json.dumps({"format": FORMAT, "families": todays_defaults()}, indent=1, sort_keys=True) + "\n")

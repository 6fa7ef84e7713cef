from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import i2i_cli as i2i
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.jobs.translation import Translator


@pytest.fixture(scope="module")
def model(run: Path) -> Translator:
    return i2i.load(run, device="cpu")


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


def test_the_python_api_keeps_size_aspect_and_alpha(model: Translator, photo: Path) -> None:
    assert model.domains == ("disc", "square") and model.image_size == 32
    assert model.translate(photo, to="disc").size == (200, 120)
    assert model.translate(photo, to="disc", at_model_size=True).size == (32, 19)
    image = Image.open(photo).convert("RGBA")
    image.putalpha(90)
    result = model.translate(image, to="disc")
    assert result.mode == "RGBA" and result.getchannel("A").getextrema() == (90, 90)


def test_targets_differ_and_strength_goes_between(model: Translator, photo: Path) -> None:
    disc, square = model.translate(photo, to="disc"), model.translate(photo, to="square")
    assert difference(disc, square) > 0
    assert difference(model.translate(photo, to="disc", strength=0.0), model.reconstruct(photo)) == 0
    own = model.reconstruct(photo)
    half = model.translate(photo, to="disc", strength=0.5)
    assert difference(half, own) > 0 and difference(half, disc) > 0


def test_like_takes_the_code_of_an_image(model: Translator, photo: Path, domains: Path) -> None:
    reference = domains / "disc" / "03.png"
    assert difference(model.translate(photo, like=photo), model.reconstruct(photo)) == 0
    assert difference(model.translate(photo, like=reference), model.reconstruct(photo)) > 0


def test_swapping_uses_each_other_s_code(model: Translator, domains: Path) -> None:
    a, b = domains / "disc" / "01.png", domains / "square" / "02.png"
    a_as_b, b_as_a = model.swap_domain(a, b)
    assert difference(a_as_b, model.translate(a, like=b)) < 1
    assert difference(b_as_a, model.translate(b, like=a)) < 1


def test_samples_are_drawn_without_replacement_and_by_seed(model: Translator) -> None:
    drawn = model.samples("disc", 15, seed=4)
    assert [target.label for target in drawn[:2]] == ["disc-1", "disc-2"]
    assert len({tuple(target.code.flatten().tolist()) for target in drawn}) == 15
    again, other = model.samples("disc", 15, seed=4), model.samples("disc", 15, seed=5)
    assert all(a.code.equal(b.code) for a, b in zip(drawn, again, strict=True))
    assert not all(a.code.equal(b.code) for a, b in zip(drawn, other, strict=True))
    with pytest.raises(ConfigError) as caught:
        model.samples("disc", 16)
    assert "15 codes" in caught.value.hint


def test_what_cannot_be_meant_is_said(model: Translator, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        model.translate(photo, to="sqare")
    assert "'square'" in caught.value.hint and caught.value.exit_code == 2
    with pytest.raises(ConfigError, match="nothing to translate to"):
        model.translate(photo)
    with pytest.raises(WeightsError):
        i2i.load(tmp_path)


def test_weights_with_a_strange_config_are_a_weights_error(run: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from i2i_cli.engine.checkpoint import load_tensors, save_tensors
    from i2i_cli.engine.header import read_header

    header = read_header(run / "model.safetensors")
    tensors = load_tensors(run / "model.safetensors")
    for changed in (
        replace(header, config={**header.config, "networks": {"width": "wide"}}),
        replace(header, config={**header.config, "networks": {**header.config["networks"], "width": 32}}),
        replace(header, family="nothing"),
        replace(header, image_size=33),
        replace(header, domains=("a", "b", "c")),
    ):
        save_tensors(tmp_path / "w.safetensors", tensors, changed.to_metadata())
        with pytest.raises(WeightsError, match=r"w\.safetensors"):
            i2i.load(tmp_path / "w.safetensors")

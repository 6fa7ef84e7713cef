import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import i2i_cli as i2i
from i2i_cli.data.geometry import fit
from i2i_cli.data.images import read_image
from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.inference.inputs import Source
from i2i_cli.inference.loaded import TorchTranslator
from i2i_cli.jobs.translation.files import FileTranslation
from i2i_cli.jobs.translation.planning import plan_outputs


@pytest.fixture(scope="module")
def dual(dual_run: Path) -> TorchTranslator:
    return i2i.load(dual_run, device="cpu")


@pytest.fixture(scope="module")
def model(run: Path) -> TorchTranslator:
    return i2i.load(run, device="cpu")


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


def test_the_python_api_keeps_size_aspect_and_alpha(model: TorchTranslator, photo: Path) -> None:
    assert model.domains == ("disc", "square") and model.image_size == 32
    assert model.translate(photo, to="disc").size == (200, 120)
    assert model.translate(photo, to="disc", size="model").size == (32, 19)
    image = Image.open(photo).convert("RGBA")
    image.putalpha(90)
    result = model.translate(image, to="disc")
    assert result.mode == "RGBA" and result.getchannel("A").getextrema() == (90, 90)


def test_targets_differ_and_strength_goes_between(model: TorchTranslator, photo: Path) -> None:
    disc, square = model.translate(photo, to="disc"), model.translate(photo, to="square")
    assert difference(disc, square) > 0
    assert difference(model.translate(photo, to="disc", strength=0.0), model.reconstruct(photo)) == 0
    own = model.reconstruct(photo)
    half = model.translate(photo, to="disc", strength=0.5)
    assert difference(half, own) > 0 and difference(half, disc) > 0


def test_like_takes_the_code_of_an_image(model: TorchTranslator, photo: Path, domains: Path) -> None:
    reference = domains / "disc" / "03.png"
    assert difference(model.translate(photo, like=photo), model.reconstruct(photo)) == 0
    assert difference(model.translate(photo, like=reference), model.reconstruct(photo)) > 0


def test_swapping_uses_each_other_s_code(model: TorchTranslator, domains: Path) -> None:
    a, b = domains / "disc" / "01.png", domains / "square" / "02.png"
    a_as_b, b_as_a = model.swap_domain(a, b)
    assert difference(a_as_b, model.translate(a, like=b)) < 1
    assert difference(b_as_a, model.translate(b, like=a)) < 1


def test_samples_are_drawn_without_replacement_and_by_seed(model: TorchTranslator) -> None:
    drawn = model.samples("disc", 15, seed=4)
    assert [target.label for target in drawn[:2]] == ["disc-1", "disc-2"]
    assert len({tuple(target.code.flatten().tolist()) for target in drawn}) == 15
    again, other = model.samples("disc", 15, seed=4), model.samples("disc", 15, seed=5)
    assert all(a.code.equal(b.code) for a, b in zip(drawn, again, strict=True))
    assert not all(a.code.equal(b.code) for a, b in zip(drawn, other, strict=True))
    with pytest.raises(ConfigError) as caught:
        model.samples("disc", 16)
    assert "15 codes" in caught.value.hint


def test_a_kept_code_is_taken_by_its_number(model: TorchTranslator, photo: Path) -> None:
    kept = model.kept_codes("disc")
    assert [model.target("disc", code=number).code.equal(kept[number - 1 : number]) for number in (1, 7, 15)] == [
        True
    ] * 3
    assert (model.target("disc").label, model.target("disc").kept) == ("disc", 1)
    assert (model.target("disc", code=1).label, model.target("disc", code=1).kept) == ("disc-code1", 1)
    for target in model.samples("disc", 5, seed=3):
        assert target.code.equal(model.target("disc", code=target.kept).code)
    assert difference(model.translate(photo, to="disc", code=1), model.translate(photo, to="disc")) == 0
    assert difference(model.translate(photo, to="disc", code=9), model.translate(photo, to="disc")) > 0
    for number in (0, -1, 16):
        with pytest.raises(ConfigError, match=f"no code {number} of 'disc': the weights keep 15") as caught:
            model.translate(photo, to="disc", code=number)
        assert caught.value.hint == "use 1 to 15"
    with pytest.raises(ConfigError, match="like takes no code"):
        model.translate(photo, like=photo, code=2)


def test_anything_that_holds_an_image_is_taken(model: TorchTranslator, photo: Path) -> None:
    png = io.BytesIO()
    Image.open(photo).save(png, "PNG")
    pixels = np.asarray(Image.open(photo))
    wanted = model.translate(photo, to="disc")
    with photo.open("rb") as file:
        taken = [
            str(photo),
            photo.read_bytes(),
            bytearray(photo.read_bytes()),
            file,
            png.getvalue(),
            io.BytesIO(png.getvalue()),
            pixels,
        ]
        for image in taken:
            assert difference(model.translate(image, to="disc"), wanted) < 1, type(image)
    assert model.translate(pixels[..., 0], to="disc").size == wanted.size, "grey levels"
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], 90, np.uint8)])
    assert model.translate(rgba, to="disc").getchannel("A").getextrema() == (90, 90)
    assert difference(model.translate(pixels[::-1, ::-1], to="disc"), wanted) > 0, "a view with strides of its own"
    assert model.classify(pixels) == pytest.approx(model.classify(photo), abs=1e-3)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (3, "of type int"),
        (None, "of type NoneType"),
        (io.StringIO("text"), "of type StringIO"),
        (np.zeros((4, 4)), "an array of float64 with the shape (4, 4)"),
        (np.zeros((4, 4, 2), np.uint8), "an array of uint8 with the shape (4, 4, 2)"),
        (np.zeros((0, 4, 3), np.uint8), "an array of uint8 with the shape (0, 4, 3)"),
    ],
)
def test_what_holds_no_image_is_refused_in_a_sentence(model: TorchTranslator, image: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        model.translate(image, to="disc")
    assert said in caught.value.message and caught.value.hint.startswith("give ")


def test_images_that_cannot_be_read_are_errors_of_ours(model: TorchTranslator, photo: Path) -> None:
    with Image.open(photo) as closed:
        pass
    shut = photo.open("rb")
    shut.close()
    for image in (closed, b"junk", io.BytesIO(b""), shut):
        with pytest.raises(DataError):
            model.translate(image, to="disc")
    with photo.open(encoding="utf-8") as text, pytest.raises(ConfigError, match="of type TextIO"):
        model.translate(text, to="disc")


@pytest.mark.parametrize("strength", [2, -1, float("nan"), float("inf")])
def test_strengths_are_checked_as_on_the_command_line(model: TorchTranslator, photo: Path, strength: float) -> None:
    with pytest.raises(ConfigError, match="a strength of"):
        model.translate(photo, to="disc", strength=strength)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_pool_translates(run: Path, photo: Path) -> None:
    code = (
        "import multiprocessing, sys, warnings; import torch; import i2i_cli as i2i\n"
        "torch.set_num_threads(4); torch.randn(400, 400) @ torch.randn(400, 400)\n"
        f"model = i2i.load({str(run)!r}, 'cpu'); model.translate({str(photo)!r}, to='disc')\n"
        f"def work(path): return model.translate(path, to='disc').size\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        f"    print(pool.map_async(work, [{str(photo)!r}] * 3).get(60))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "4"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout == "[(200, 120), (200, 120), (200, 120)]\n", done.stderr[-900:]


def test_what_cannot_be_meant_is_said(model: TorchTranslator, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        model.translate(photo, to="sqare")
    assert "'square'" in caught.value.hint and caught.value.exit_code == 2
    with pytest.raises(ConfigError, match="nothing to translate to"):
        model.translate(photo)
    with pytest.raises(WeightsError):
        i2i.load(tmp_path)


def test_weights_with_a_strange_config_are_a_weights_error(run: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from i2i_cli.checkpoints.header import read_header
    from i2i_cli.checkpoints.tensors import load_tensors, save_tensors

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


def test_a_dual_model_keeps_the_category_and_says_so(dual: TorchTranslator, factors: Path) -> None:
    disc = factors / "grey_disc" / "03.png"
    assert dual.translate(disc, to="red_disc").size == (40, 36)
    with pytest.raises(
        DataError, match="the image is of grey_disc, which translates to red_disc, not red_square"
    ) as caught:
        dual.translate(disc, to="red_square")
    assert "--to red_disc" in caught.value.hint
    with pytest.raises(ConfigError, match="no domain 'gray_disc'") as wrong:
        dual.translate(disc, to="red_disc", source="gray_disc")
    assert "grey_disc" in wrong.value.hint


def test_a_source_is_told_taken_from_the_folder_or_predicted(
    dual: TorchTranslator, factors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disc = factors / "grey_disc" / "03.png"
    copy = tmp_path / "somewhere.png"
    copy.write_bytes(disc.read_bytes())
    by_folder = dual.translate(disc, to="red_disc")
    assert difference(dual.translate(copy, to="red_disc", source="grey_disc"), by_folder) == 0
    assert difference(dual.translate(Image.open(disc), to="red_disc", source="grey_disc"), by_folder) == 0
    asked: list[int] = []
    monkeypatch.setattr(
        TorchTranslator, "probabilities", lambda self, squares, *_: asked.append(len(squares)) or torch.eye(4)[:1]
    )  # the first domain is grey_disc
    assert difference(dual.translate(copy, to="red_disc"), by_folder) == 0 and asked == [1]
    dual.translate(disc, to="red_disc")
    assert asked == [1], "a folder's name needs no prediction"


def test_a_dual_target_is_made_by_its_partner_s_codes(dual: TorchTranslator, factors: Path) -> None:
    disc, square = factors / "grey_disc" / "03.png", factors / "red_square" / "05.png"
    like = dual.like(square)
    assert (like.label, like.domain) == ("05", "red_disc")
    assert dual.like(square, "red_disc").label == "red_disc"
    first, second = dual.swap_domain(disc, square)
    assert difference(first, dual.translate(disc, like=square)) < 1
    assert difference(second, dual.translate(square, like=disc)) < 1
    kept = dual.model.kept_codes[dual.label_of("red_square")]
    assert torch.equal(dual.target("red_disc").code, kept[:1])
    assert {tuple(target.code[0].tolist()) for target in dual.samples("red_disc", 5)} <= set(map(tuple, kept.tolist()))
    with pytest.raises(DataError, match="whose codes translate to grey_square, not to red_disc"):
        dual.like(disc, "red_disc")
    with pytest.raises(DataError, match="the codes of grey_disc and red_disc cannot be exchanged") as caught:
        dual.swap_domain(disc, factors / "red_disc" / "03.png")
    assert "grey_disc with red_square" in caught.value.hint


def test_rebuilding_takes_a_training_that_rebuilt(dual: TorchTranslator, dual_run: Path, factors: Path) -> None:
    disc = factors / "grey_disc" / "03.png"
    assert dual.reconstruct(disc).size == (40, 36)
    assert difference(dual.translate(disc, to="red_disc", strength=0.0), dual.reconstruct(disc)) == 0
    z = dual.encode([fit(read_image(disc), 32)[0]], ["grey_disc"])
    own = dual.model.kept_codes[dual.label_of("grey_square"), :1]  # of the same grey, another thing
    assert torch.equal(dual.rebuilding_codes(z, ["grey_disc"]), own), "the image's own code is never its expression"
    goal, half = dual.target("red_disc").code, dual.target("red_disc")
    (between,) = dual.decode(z, half, 0.5, ["grey_disc"])
    (wanted,) = dual.pixels(z._replace(domain=(own + goal) / 2))
    assert np.abs(between.astype(int) - wanted).max() <= 1
    plain = i2i.load(dual_run, device="cpu")
    config = {**plain.header.config["objective"], "pretraining_steps": 0}
    config["weights"] = {**config["weights"], "identity": 0.0}
    plain.header.config["objective"] = config
    with pytest.raises(ConfigError, match="never trained to rebuild an image") as caught:
        plain.reconstruct(disc)
    assert "objective.weights.identity" in caught.value.hint


def test_the_python_api_gives_what_the_command_writes(model: TorchTranslator, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    (task,) = plan_outputs([Source(path=photo)], ["disc"], out)
    (outcome,) = FileTranslation(translator=model, targets=[model.target("disc")]).run([task])
    assert outcome.error is None
    same = model.translate(photo, to="disc")
    assert np.array_equal(np.asarray(same), np.asarray(Image.open(out)))
    assert np.array_equal(np.asarray(same), np.asarray(model.translate(photo.read_bytes(), to="disc")))

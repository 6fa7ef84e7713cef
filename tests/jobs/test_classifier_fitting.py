from pathlib import Path

import numpy as np
import pytest
import torch

from i2i_cli.errors import ConfigError, DataError
from i2i_cli.jobs.classifier_fitting import add_classifier, check_target, fit_classifier, fit_on_gallery, score
from i2i_cli.jobs.gallery import Gallery, GalleryFacts
from i2i_cli.jobs.translation import load
from i2i_cli.models.latent_classifier import LatentClassifier


def drawn(counts: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n, 3): class i lies around 4 i in the first place; the third is huge and says nothing."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    codes = random.normal(size=(len(labels), 3)) * (1, 1, 1000)
    codes[:, 0] += 4 * labels
    return codes.astype(np.float32), labels


@pytest.mark.parametrize("counts", [(60, 60), (200, 20), (50, 50, 50)])
def test_a_classifier_reads_what_is_there_whatever_the_scales_and_the_balance(counts: tuple[int, ...]) -> None:
    codes, labels = drawn(counts)
    classes = tuple("abc"[: len(counts)])
    fitted = fit_classifier("x", codes, labels, classes, np.arange(len(labels)).astype(str))
    fresh = score(fitted.classifier, *drawn(counts, seed=1))
    assert fresh.balanced_accuracy > 0.93 and fresh.auc > 0.98
    assert len(fitted.folds) == 5 and sum(found.count for found in fitted.folds) == len(labels)
    shares = fitted.classifier(torch.from_numpy(codes))
    assert shares.shape == (len(labels), len(counts)) and torch.allclose(shares.sum(1), torch.ones(len(labels)))


def test_codes_that_say_nothing_are_told_by_the_folds() -> None:
    codes = np.random.default_rng(0).normal(size=(200, 30)).astype(np.float32)
    fitted = fit_classifier("x", codes, np.arange(200) % 2, ("a", "b"), np.arange(200).astype(str))
    assert np.mean([found.auc for found in fitted.folds]) < 0.62
    assert fitted.strength <= 0.01, "noise asks for the strongest regularisation"


def test_scores_are_those_worked_by_hand() -> None:
    classifier = LatentClassifier(("a", "b"), torch.tensor([[0.0], [1.0]]), torch.zeros(2))
    codes = np.array([[-2.0], [-1.0], [3.0], [2.0], [-0.5]], np.float32)
    found = score(classifier, codes, np.array([0, 0, 0, 1, 1]))
    assert found.count == 5 and found.accuracy == pytest.approx(3 / 5)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.auc == pytest.approx(4 / 6), "of the six pairs, four are in order"


def gallery(names: list[str]) -> Gallery:
    labels = tuple(sorted({name.split("/")[-2] for name in names}))
    facts = GalleryFacts(model="", root="/data", labels=labels, content_shape=(1, 1, 1))
    places = np.array([labels.index(name.split("/")[-2]) for name in names], np.int16)
    numbers = np.arange(len(names), dtype=np.int64)
    codes = (places[:, None] * 4 + np.random.default_rng(0).normal(size=(len(names), 2))).astype(np.float16)
    return Gallery(facts=facts, paths=names, labels=places, sizes=numbers, times=numbers, content=codes, domain=codes)


def test_groups_never_straddle_a_split() -> None:
    names = [f"{label}/person{who}_{shot}.png" for label in ("ill", "well") for who in range(60) for shot in range(3)]
    fitted = fit_on_gallery(gallery(names), "x", r"person\d+_")
    assert fitted.held_out is not None and fitted.held_out.count % 3 == 0
    assert fitted.train.count + fitted.held_out.count == len(names)
    assert all(found.count % 3 == 0 for found in fitted.folds)
    with pytest.raises(ConfigError, match="regular expression"):
        fit_on_gallery(gallery(names), "x", "(")


def test_split_folders_say_what_is_held_out() -> None:
    names = [f"{split}/{label}/{i}.png" for split, n in (("train", 30), ("val", 7)) for label in "ab" for i in range(n)]
    fitted = fit_on_gallery(gallery(names), "x")
    assert fitted.train.count == 60 and fitted.held_out is not None and fitted.held_out.count == 14
    with pytest.raises(DataError, match="two or more"):
        fit_on_gallery(gallery([name for name in names if "/a/" in name]), "x")


def test_a_classifier_goes_into_the_weights_and_nothing_else_changes(tmp_path: Path, run: Path) -> None:
    codes, labels = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32), np.arange(40) % 2
    fitted = fit_classifier("mine", codes, labels, ("no", "yes"), np.arange(40).astype(str))
    translator = load(run, device="cpu")
    out = check_target(translator, "mine", tmp_path / "w.safetensors", overwrite=False)
    add_classifier(run / "model.safetensors", fitted, out)
    found = load(out, device="cpu")
    assert found.fingerprint == translator.fingerprint
    assert set(found.classifiers) == {"domains", "mine"} and found.classifier("mine").classes == ("no", "yes")
    x = torch.randn(5, 4)
    assert torch.equal(found.classifier("mine")(x), fitted.classifier(x))
    assert found.header.classifiers["mine"]["train"]["count"] == 40


def test_a_name_or_a_file_that_is_taken_is_refused(tmp_path: Path, run: Path) -> None:
    translator = load(run, device="cpu")
    with pytest.raises(ConfigError, match="'domains' already"):
        check_target(translator, "domains", None, overwrite=False)
    (tmp_path / "there.safetensors").touch()
    with pytest.raises(DataError, match="exists already"):
        check_target(translator, "mine", tmp_path / "there.safetensors", overwrite=False)
    assert check_target(translator, "mine", None, overwrite=False) == translator.path

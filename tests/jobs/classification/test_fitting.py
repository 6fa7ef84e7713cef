import numpy as np
import pytest

from i2i_cli.errors import ConfigError, DataError
from i2i_cli.inference.latent_classifier import LatentClassifier
from i2i_cli.jobs.classification import fitting
from i2i_cli.jobs.classification.fitting import fit_classifier, fit_discriminant, fit_on_gallery, score, score_if_any
from i2i_cli.jobs.retrieval.gallery import Gallery, GalleryFacts


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
    shares = fitted.classifier(codes)
    assert shares.shape == (len(labels), len(counts)) and np.allclose(shares.sum(1), 1)


def test_codes_that_say_nothing_are_told_by_the_folds() -> None:
    codes = np.random.default_rng(0).normal(size=(200, 30)).astype(np.float32)
    fitted = fit_classifier("x", codes, np.arange(200) % 2, ("a", "b"), np.arange(200).astype(str))
    assert np.mean([found.auc for found in fitted.folds]) < 0.62
    assert fitted.strength <= 0.01, "noise asks for the strongest regularisation"


def test_scores_are_those_worked_by_hand() -> None:
    classifier = LatentClassifier(("a", "b"), np.array([[0.0], [1.0]], np.float32), np.zeros(2, np.float32))
    codes = np.array([[-2.0], [-1.0], [3.0], [2.0], [-0.5]], np.float32)
    found = score(classifier, codes, np.array([0, 0, 0, 1, 1]))
    assert found.count == 5 and found.accuracy == pytest.approx(3 / 5)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.auc == pytest.approx(4 / 6), "of the six pairs, four are in order"


def gallery(names: list[str]) -> Gallery:
    labels = tuple(sorted({name.split("/")[-2] for name in names}))
    splits = np.array([{"train": 1, "val": 2}.get(name.split("/")[0], 0) for name in names], np.int8)
    facts = GalleryFacts(model="", root="/data", labels=labels, content_shape=(1, 1, 1))
    places = np.array([labels.index(name.split("/")[-2]) for name in names], np.int32)
    numbers = np.arange(len(names), dtype=np.int64)
    codes = (places[:, None] * 4 + np.random.default_rng(0).normal(size=(len(names), 2))).astype(np.float16)
    return Gallery(
        facts=facts, paths=names, labels=places, splits=splits, sizes=numbers, times=numbers, content=codes,
        domain=codes, descriptor=codes[:, :0],
    )  # fmt: skip


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


def test_a_small_label_is_not_held_out_whole_and_folds_may_lack_it() -> None:
    names = [f"{label}/{who}.png" for label, count in (("many", 80), ("few", 2), ("one", 1)) for who in range(count)]
    fitted = fit_on_gallery(gallery(names), "x", "^(few|one)|[0-9]+")
    assert fitted.classifier.classes == ("few", "many", "one")


def test_without_a_test_folder_a_tenth_of_train_is_held_out() -> None:
    fitted = fit_on_gallery(gallery([f"train/{label}/{i}.png" for label in "ab" for i in range(60)]), "x")
    assert fitted.held_out is not None and 2 <= fitted.held_out.count <= 30


def test_a_label_may_be_called_like_a_split() -> None:
    names = [f"{label}/{i}.png" for label in ("valid", "invalid") for i in range(40)]
    assert fit_on_gallery(gallery(names), "x").classifier.classes == ("invalid", "valid")


def test_an_area_under_one_label_is_none_and_no_nan() -> None:
    classifier = LatentClassifier(("a", "b"), np.array([[0.0], [1.0]], np.float32), np.zeros(2, np.float32))
    assert score(classifier, np.ones((3, 1), np.float32), np.array([1, 1, 1])).auc is None


def test_long_codes_are_fitted_by_their_principal_components() -> None:
    """One direction of 1,500 tells the classes; the classifier still reads the codes as they are."""
    random, labels = np.random.default_rng(0), np.arange(300) % 2
    direction = random.normal(size=1500).astype(np.float32)
    codes = random.normal(size=(300, 1500)).astype(np.float32) + np.outer(2 * labels - 1, 0.3 * direction)
    fitted = fit_classifier("x", codes[:200], labels[:200], ("a", "b"), np.arange(200).astype(str))
    assert fitted.classifier.weight.shape == (2, 1500)
    assert score(fitted.classifier, codes[200:].astype(np.float32), labels[200:]).accuracy > 0.95


def doubts(codes: np.ndarray, labels: np.ndarray, held_out: int) -> list[str]:
    groups = np.arange(len(labels)).astype(str)
    fitted = fit_classifier("x", codes[held_out:], labels[held_out:], ("a", "b"), groups[held_out:])
    return score_if_any(fitted, codes[:held_out], labels[:held_out]).doubts()


def test_a_good_classifier_is_not_doubted() -> None:
    codes, labels = drawn((60, 60))
    order = np.random.default_rng(0).permutation(120)
    assert doubts(codes[order], labels[order], 40) == []


def test_what_says_little_is_told() -> None:
    codes, labels = drawn((60, 60))
    order = np.random.default_rng(0).permutation(120)
    codes, labels = codes[order], labels[order]
    assert doubts(codes, labels, 0) == ["no image was held out, so its accuracy on new images is unknown"]
    one = doubts(codes, labels, 1)
    assert one[0].startswith("1 image was held out") and one[1].startswith("all held-out images have one label")
    assert doubts(codes, labels, 8)[0].startswith("8 images were held out")
    noise = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32)
    (poor,) = doubts(noise, np.arange(200) % 2, 80)
    assert poor.startswith("on held-out images it is hardly better than chance: an AUC of 0.")


def test_a_fit_that_does_not_settle_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MAX_STEPS", 2)
    codes, labels = drawn((60, 60))
    fitted = fit_classifier("x", codes, labels, ("a", "b"), np.arange(120).astype(str))  # a warning would be an error
    assert not fitted.converged and fitted.doubts()[0] == "the fit stopped before it converged"


def test_a_discriminant_draws_its_boundary_half_way_however_much_a_class_is_spread() -> None:
    """Class a lies around 0 and hardly varies, class b around 10 and varies much."""
    random, labels = np.random.default_rng(0), np.repeat([0, 1], 500)
    codes = np.stack([10 * labels + random.normal(size=1000) * np.where(labels, 3, 0.1), random.normal(size=1000)], 1)
    codes, groups = codes.astype(np.float32), np.arange(1000).astype(str)
    places = np.stack([np.linspace(-2, 12, 1401), np.zeros(1401)], 1).astype(np.float32)

    def boundary(classifier: LatentClassifier) -> float:
        return float(places[classifier(places).argmax(1).argmax(), 0])

    assert boundary(fit_discriminant("x", codes, labels, ("a", "b")).classifier) == pytest.approx(5, abs=0.2)
    assert boundary(fit_classifier("x", codes, labels, ("a", "b"), groups).classifier) < 4


def test_a_discriminant_takes_no_class_for_likelier_since_it_is_larger() -> None:
    codes, labels = drawn((2000, 100))
    middle = np.array([[2, 0, 0]], np.float32)
    (shares,) = fit_discriminant("x", codes, labels, ("a", "b")).classifier(middle)
    assert shares == pytest.approx([0.5, 0.5], abs=0.2), "the odds of their counts would be 20 to 1"


@pytest.mark.parametrize("counts", [(200, 20), (50, 50, 50)])
def test_a_discriminant_reads_what_is_there_whatever_the_scales_and_the_balance(counts: tuple[int, ...]) -> None:
    codes, labels = drawn(counts)
    fitted = fit_discriminant("x", codes, labels, tuple("abc"[: len(counts)]))
    fresh = score(fitted.classifier, *drawn(counts, seed=1))
    assert fresh.balanced_accuracy > 0.93 and fresh.auc > 0.98

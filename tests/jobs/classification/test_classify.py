from pathlib import Path

import numpy as np
import pytest

from i2i_cli.errors import ConfigError
from i2i_cli.inference.inputs import Source
from i2i_cli.inference.latent_classifier import LatentClassifier
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.classification.classify import classify_files


def test_files_are_classified_in_order_and_bad_ones_named(run: Path, domains: Path, tmp_path: Path) -> None:
    translator = load(run, device="cpu")
    (tmp_path / "bad.png").write_text("no")
    paths = [domains / "disc" / "01.png", tmp_path / "bad.png", domains / "square" / "01.png"]
    found = list(classify_files(translator, [Source(path=path) for path in paths]))
    assert [item.source for item in found] == paths
    assert found[1].error is not None and not found[1].label
    for item in (found[0], found[2]):
        assert item.probabilities == pytest.approx(translator.classify(item.source), abs=1e-5)
        assert item.label == max(item.probabilities, key=lambda name: item.probabilities[name])
        assert sum(item.probabilities.values()) == pytest.approx(1)


def test_an_unknown_classifier_names_the_known(run: Path, photo: Path) -> None:
    with pytest.raises(ConfigError, match="no classifier called 'domain'") as caught:
        list(classify_files(load(run, device="cpu"), [Source(path=photo)], "domain"))
    assert "domains" in caught.value.hint


def test_the_domains_of_a_dual_model_are_told_without_a_source(dual_run: Path, factors: Path, tmp_path: Path) -> None:
    dual = load(dual_run, device="cpu")
    square = factors / "red_square" / "03.png"
    assert dual.classify(square) == dual.classify(square, source="grey_disc")
    (found,) = classify_files(dual, [Source(path=square)])
    assert found.probabilities == pytest.approx(dual.classify(square), abs=1e-5)
    # Other labels are read from the code of the image's own domain.
    dual.classifiers["size"] = LatentClassifier(
        ("a", "b"), np.random.default_rng(0).normal(size=(2, 256)).astype(np.float32), np.zeros(2, np.float32)
    )
    shares = [
        next(classify_files(dual, [Source(path=square)], "size", own)) for own in (None, "red_square", "red_disc")
    ]
    assert shares[0].probabilities == shares[1].probabilities != shares[2].probabilities
    with pytest.raises(ConfigError, match="no domain 'red_sqare'"):
        list(classify_files(dual, [Source(path=square)], own="red_sqare"))

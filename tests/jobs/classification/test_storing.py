from pathlib import Path

import numpy as np
import pytest

from i2i_cli.errors import ConfigError, DataError
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.classification.fitting import fit_classifier
from i2i_cli.jobs.classification.storing import add_classifier, check_target


def test_a_classifier_goes_into_the_weights_and_nothing_else_changes(tmp_path: Path, run: Path) -> None:
    codes, labels = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32), np.arange(40) % 2
    fitted = fit_classifier("mine", codes, labels, ("no", "yes"), np.arange(40).astype(str))
    translator = load(run, device="cpu")
    out = check_target(translator, "mine", tmp_path / "w.safetensors", overwrite=False)
    add_classifier(run / "model.safetensors", fitted, out)
    found = load(out, device="cpu")
    assert found.fingerprint == translator.fingerprint
    assert set(found.classifiers) == {"domains", "mine"} and found.classifier("mine").classes == ("no", "yes")
    x = np.random.default_rng(0).normal(size=(5, 4))
    assert np.array_equal(found.classifier("mine")(x), fitted.classifier(x))
    assert found.header.classifiers["mine"]["train"]["count"] == 40


def test_a_name_or_a_file_that_is_taken_is_refused(tmp_path: Path, run: Path) -> None:
    translator = load(run, device="cpu")
    with pytest.raises(ConfigError, match="'domains' is the name of the classifier"):
        check_target(translator, "domains", None, overwrite=True)
    translator.classifiers["glasses"] = translator.classifier()
    with pytest.raises(ConfigError, match="'glasses' already"):
        check_target(translator, "glasses", None, overwrite=False)
    (tmp_path / "there.safetensors").touch()
    with pytest.raises(DataError, match="exists already"):
        check_target(translator, "mine", tmp_path / "there.safetensors", overwrite=False)
    assert check_target(translator, "mine", None, overwrite=False) == translator.path

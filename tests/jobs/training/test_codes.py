from pathlib import Path
from typing import Any

import torch

from i2i_cli.config import merged
from i2i_cli.data.dataset import decoded
from i2i_cli.data.domains import scan
from i2i_cli.jobs.training.codes import NUM_VIEWS, RunCodes
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.start import _build_loop
from i2i_cli.models.peers import ALONE


def codes_of(domains: Path, tiny: dict[str, Any], **changes: float) -> RunCodes:
    """The codes of an untrained model, whose run changes its images by `changes`."""
    config, dataset = run_config(merged(tiny, {"data": changes})), decoded(scan(domains), 32)
    return RunCodes(dataset, _build_loop(config, dataset, ALONE, lambda text: None), config)


def test_a_run_for_other_devices_fits_its_classifier_on_changed_images(domains: Path, tiny: dict[str, Any]) -> None:
    for changes, num_views in (
        ({}, 1),
        ({"flip": True}, 1),
        ({"tone": 0.5}, NUM_VIEWS),
        ({"sharpness": 1.0}, NUM_VIEWS),
    ):
        codes = codes_of(domains, tiny, **changes)
        fitted = codes.classifier(thorough=True)
        assert fitted.train.count == num_views * len(codes.dataset.train)
        assert (fitted.strength is None) == (num_views > 1), "a discriminant has no strength to choose"
        assert fitted.held_out is not None and fitted.held_out.count == len(codes.dataset.test)


def test_views_of_an_image_differ_and_come_back(domains: Path, tiny: dict[str, Any]) -> None:
    codes = codes_of(domains, tiny, tone=0.5)
    rows = codes.dataset.train[:1].repeat(3)
    plain, changed = codes._domain_codes(rows), codes._domain_codes(rows, change=True)
    assert torch.allclose(plain, plain[:1], atol=1e-5)
    assert min((changed[0] - changed[1]).abs().max(), (changed[0] - plain[0]).abs().max()) > 1e-3
    assert torch.equal(changed, codes._domain_codes(rows, change=True))

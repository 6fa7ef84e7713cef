"""That the loop learns: seconds of real training, whose held-out figures an untrained model does not reach."""

import string
from contextlib import nullcontext
from pathlib import Path

import torch

from i2i_cli.data.dataset import decoded
from i2i_cli.data.domains import scan
from i2i_cli.data.glyphs import _FACTOR_FONTS, _glyph, _inked, _outline
from i2i_cli.jobs.training.codes import RunCodes
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.figures import HeldOutFigures
from i2i_cli.jobs.training.folder import RunFolder
from i2i_cli.jobs.training.held_out import HeldOutScorer
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.run import Sitting
from i2i_cli.jobs.training.start import _build_loop
from i2i_cli.models.peers import ALONE

SETTINGS = {
    "data": {"image_size": 32},
    "networks": {"width": 32, "min_width": 16, "num_blocks": 1},
    "objective": {"perceptual": "none", "hiding_ramp": 200, "weights": {"domain_stream": 0.3}},
    "training": {
        "steps": 120,
        "batch_size": 16,
        "device": "cpu",
        "precision": "fp32",
        "learning_rate": 2e-3,
        "warmup": 10,
        "ema": 0.95,
    },
}


def draw_characters(root: Path) -> None:
    """Letters and digits in six typefaces, filled and as outlines: the built-in sample set in small."""
    for domain in ("filled", "outline"):
        (root / domain).mkdir(parents=True)
    for font in _FACTOR_FONTS[:6]:
        for text in string.ascii_letters + string.digits:
            glyph = _glyph(text, font)
            assert glyph is not None
            for domain, ink in (("filled", glyph), ("outline", _outline(glyph))):
                _inked(ink, (0, 0, 0), (255, 255, 255)).save(root / domain / f"{ord(text):02x}-{font}.png")


def test_a_training_of_seconds_beats_an_untrained_model_on_held_out_characters(tmp_path: Path) -> None:
    draw_characters(tmp_path / "characters")
    config, dataset = run_config(SETTINGS), decoded(scan(tmp_path / "characters"), 32)
    loop = _build_loop(config, dataset, ALONE, lambda text: None)
    sitting = Sitting(RunFolder(tmp_path / "run"), config, dataset, loop, Observer())
    scorer = HeldOutScorer(dataset, torch.device("cpu"), seed=0, use_pairs=True)

    def figures() -> HeldOutFigures:
        RunCodes(dataset, loop, config).keep()
        return scorer.figures(loop.averaged, nullcontext())

    untrained = figures()
    for _ in range(config.training.steps):
        sitting._advance()
    learned = figures()
    assert learned.held_out and learned.judge_accuracy > 0.95
    assert learned.reconstruction_l1 is not None and untrained.reconstruction_l1 is not None
    assert learned.reconstruction_l1 < 0.3 * untrained.reconstruction_l1
    assert learned.mean_frechet < 0.2 * untrained.mean_frechet
    assert min(learned.judged.values()) > 0.8 > min(untrained.judged.values())
    assert learned.pair_l1["outline->filled"] < 0.4 * untrained.pair_l1["outline->filled"]

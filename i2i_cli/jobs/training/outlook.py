"""What the minutes of a training will buy, told once its speed is known."""

import math
from collections.abc import Mapping
from pathlib import Path

from i2i_cli.jobs.training.config import RunConfig

FAIR_SECONDS = 5.0
"""Of training before its speed counts: the first steps are slower than all others."""

FEWEST_STEPS = 500
"""Steps after which translations begin to be of use: on faces, 500 gave 89 and 94 % classified as the target."""


def steps_in_all(config: RunConfig, step: int, seconds: float, images_per_second: float) -> int:
    """The step at which the minutes of `config` end.

    Args:
        step, seconds: where the run stands, and how long it has trained.
    """
    left = max(0.0, 60 * config.training.minutes - seconds)
    return step + int(left * images_per_second / config.training.batch_size)


def steps_needed(config: RunConfig) -> int:
    """Fewest steps from which something can be expected: what a schedule adds late has to be learned too."""
    return FEWEST_STEPS + _late(config)


def _late(config: RunConfig) -> int:
    """The step at which the last terms begin."""
    return max(getattr(config.objective, name, 0) for name in ("swap_start", "pretraining_steps"))


def told(config: RunConfig, folder: Path, step: int, steps: int, counts: Mapping[str, int]) -> list[str]:
    """A sentence on what `steps` are, and another one on what to do if they are few.

    Nothing where the steps that were asked for come first: how long they take the bar tells.

    Args:
        folder: of the run.
        step: where it stands.
        counts: training images of each domain.
    """
    minutes, needed = config.training.minutes, steps_needed(config)
    if 0 < config.training.steps <= steps:
        return []
    slower = f" (steps are slower from {_late(config):,} on)" if step < _late(config) < steps else ""
    texts = [f"about {_rounded(steps):,} steps in {minutes:g} minutes{slower}: {_seen(config, steps, counts)}"]
    if steps < needed:
        enough = math.ceil(1.1 * minutes * needed / max(1, steps))
        texts.append(
            f"warning: {_rounded(steps):,} steps are few; expect little below {needed:,}: "
            f"train on afterwards (--resume {folder} --minutes {enough}){_faster(config)}"
        )
    return texts


def _seen(config: RunConfig, steps: int, counts: Mapping[str, int]) -> str:
    """How often an image is seen: every domain takes as many places of a batch."""
    drawn = steps * config.training.batch_size / len(counts)
    often = {domain: drawn / count for domain, count in counts.items()}
    rare, frequent = min(often, key=lambda name: often[name]), max(often, key=lambda name: often[name])
    if often[rare] < 1:
        return f"of the images of {rare!r}, {often[rare]:.0%} are seen"
    low, high = _rounded(often[rare]), _rounded(often[frequent])
    if low == high:
        return "each image is seen about once" if low == 1 else f"each image is seen some {low:,} times"
    return f"each image is seen some {low:,} ({rare}) to {high:,} ({frequent}) times"


def _faster(config: RunConfig) -> str:
    """Settings of a new run that takes less time a step, as the end of a sentence."""
    ways = [f"--image-size {config.data.image_size // 2}"] if config.data.image_size > 32 else []
    width = getattr(config.networks, "width", None)
    if width is not None and width == type(config.networks)().width:
        ways.append(f"--set networks.width={width / 2:g}")
    return f", or start again with {' or '.join(ways)}, which is faster" if ways else ""


def _rounded(number: float) -> int:
    """To two digits: the speed of a machine is no better known."""
    digits = max(0, int(math.log10(max(1.0, number))) - 1)
    return int(round(number, -digits))

"""What lies in a run folder, under which names. No torch."""

from pathlib import Path

from i2i_cli.engine.journal import Journal

CONFIG, STATE = "config.toml", "state.safetensors"
"""A run's settings, and all that an exact resume needs."""

STATE_KEY = "i2i-state"
"""In the metadata of `STATE`: where the run stood, as JSON; see `folder.StateFacts`."""

JOURNAL = "journal.jsonl"
"""Every loss and figure."""

BEST = "best.safetensors"
"""The best model by held-out figures; beside it, `MODEL` and `GALLERY` of `checkpoints.names`."""

SAMPLES, LATEST = "samples", "latest.png"
"""The folder of the sample sheets, and in it the latest one."""


def journal_of(run: Path) -> Journal:
    """The journal of the run in the folder `run`."""
    return Journal(run / JOURNAL)


def is_run(path: Path) -> bool:
    """Whether `path` is the folder of a run."""
    return (path / JOURNAL).is_file()


def sample_name(step: int) -> str:
    """What the sheet of `step` is called."""
    return f"step-{step:07d}.png"


def sample_sheets(run: Path) -> list[tuple[int, Path]]:
    """The sample sheets of a run with their steps, in order."""
    found = []
    for path in (run / SAMPLES).glob("step-*.png"):
        step = path.stem.removeprefix("step-")
        if step.isdecimal():
            found.append((int(step), path))
    return sorted(found)

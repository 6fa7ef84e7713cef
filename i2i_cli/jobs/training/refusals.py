"""What a training is refused for at once: found without torch, and before anything else is said."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from i2i_cli.checkpoints.names import LOCK, new_run
from i2i_cli.config import merged
from i2i_cli.errors import ConfigError
from i2i_cli.files import PART

CONFIG, STATE, JOURNAL = "config.toml", "state.safetensors", "journal.jsonl"
"""In a run folder: its settings, all that an exact resume needs, and every loss and figure."""

SAMPLES, LATEST = "samples", "latest.png"
"""In a run folder: the folder of sample sheets, and in there the latest one."""

STATE_KEY = "i2i-state"
"""In the metadata of `STATE`: where the run stood, as JSON; see `folder.StateFacts`."""


def refuse_early(layers: Iterable[Mapping[str, Any]], name: str | None) -> None:
    """Refuse a new run whose images or whose folder cannot be taken.

    Args:
        layers: nested tables of settings, the last one winning.
        name: of the run, or None for one after the images.

    Raises:
        ConfigError, DataError: no such folder, fewer than two domains, or a name that is taken.
    """
    given: dict[str, Any] = {}
    for layer in layers:
        given = merged(given, layer)
    data = given.get("data")
    root = data.get("root") if isinstance(data, Mapping) else None
    if root and isinstance(root, str):
        # Late: without images there are no folders to look into.
        from i2i_cli.data.domains import find_domains

        find_domains(Path(root).absolute())
    if name is not None:
        refuse_if_taken(new_run(name, ""))


def refuse_if_taken(folder: Path) -> None:
    """Nothing is trained over. A run that was killed before its first state was written is no loss.

    Raises:
        ConfigError: something stands in the folder already.
    """
    try:
        taken = [path.name for path in folder.iterdir()] if folder.exists() else []
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}", "choose another --name") from error
    if any(name not in (LOCK, CONFIG) and not name.endswith(PART) for name in taken):
        raise ConfigError(
            f"{folder} exists already", f"choose another --name, or resume it: i2i train --resume {folder}"
        )


def refuse_if_no_run(folder: Path) -> None:
    """Only what was trained can be resumed.

    Raises:
        ConfigError: there is no run in the folder, or none that can be resumed.
    """
    if not (folder / STATE).is_file():
        raise ConfigError(f"{folder} holds no run to resume", "give the folder of a run, such as runs/faces")

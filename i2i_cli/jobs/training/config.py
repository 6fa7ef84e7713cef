"""A run's whole config: what `config.toml` in a run folder holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from i2i_cli.checkpoints.header import FORMAT, upgraded
from i2i_cli.config import merged, nearest, parse_assignment, read_toml, updated
from i2i_cli.data.augment import DataConfig
from i2i_cli.engine.schedule import TrainingConfig
from i2i_cli.errors import ConfigError
from i2i_cli.models import family


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything a run is made of. `networks` and `objective` are the family's own settings."""

    networks: Any
    objective: Any
    family: str = "srae"
    recipe: str = "default"
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


def run_config(flags: dict[str, Any], config_file: Path | None = None, assignments: Sequence[str] = ()) -> RunConfig:
    """The resolved config: the family's defaults, then recipe, file, flags and `--set`, the last one winning.

    Where no folder of images is given, the family's settings for its sample set come after the recipe.

    Raises:
        ConfigError: an unknown family, recipe or key, or a value that makes no sense.
    """
    return from_tables(_tables(flags, config_file, assignments))


def leaves_size_open(flags: dict[str, Any], config_file: Path | None = None, assignments: Sequence[str] = ()) -> bool:
    """Whether nothing of what `run_config` is given says how large the model's square is: then its images may."""
    data = _tables(flags, config_file, assignments).get("data", {})
    return bool(data.get("root")) and "image_size" not in data


def _tables(flags: dict[str, Any], config_file: Path | None, assignments: Sequence[str]) -> dict[str, Any]:
    """All that is said of a run beyond its family's defaults, as nested tables."""
    layers: list[Mapping[str, Any]] = [_read(config_file)] if config_file else []
    layers += [flags, *(parse_assignment(text) for text in assignments)]
    chosen = {"family": "srae", "recipe": "default"}
    for layer in layers:
        chosen |= {key: layer[key] for key in chosen if key in layer}
    kind = family(chosen["family"])
    if chosen["recipe"] not in kind.recipes:
        raise ConfigError(f"{kind.name} has no recipe {chosen['recipe']!r}", nearest(chosen["recipe"], kind.recipes))
    given: dict[str, Any] = {}
    for layer in layers:
        given = merged(given, layer)
    data = given.get("data")
    has_images = isinstance(data, Mapping) and bool(data.get("root"))
    tables = merged(kind.recipes[chosen["recipe"]], {} if has_images else kind.sample_settings)
    return merged(tables, given)


FORMAT_KEY = "format"
"""In a `config.toml` that a run has written: the format in which all of its settings are there."""


WHOLE = "Every setting of this run. Train the same again: i2i train --config config.toml"
"""The comment above all settings of a run; of format 1 the only sign that they are all."""


def _read(path: Path) -> dict[str, Any]:
    """A file of settings: a person's few, or all that a run has written, as they are written today."""
    tables = read_toml(path)
    is_whole = FORMAT_KEY in tables or path.read_text(encoding="utf-8").startswith(f"# {WHOLE}")
    return whole_config(tables, path) if is_whole else tables


def whole_config(tables: dict[str, Any], path: Path) -> dict[str, Any]:
    """The tables of the whole config at `path` as they are written today. Those of format 1 name no format.

    Raises:
        ConfigError: it has the format of a later version, or one that there never was.
    """
    own = {key: value for key, value in tables.items() if key != FORMAT_KEY}
    written_as = tables.get(FORMAT_KEY, 1)
    if not isinstance(written_as, int) or not 1 <= written_as <= FORMAT:
        hint = "install a newer i2i-cli"
        raise ConfigError(f"{path} has format {written_as}; this i2i reads up to {FORMAT}", hint)
    return upgraded(own, written_as)


def from_tables(tables: dict[str, Any]) -> RunConfig:
    """The config that a run folder's `config.toml` or a weights header holds."""
    kind = family(str(tables.get("family", "srae")))
    return updated(RunConfig(networks=kind.networks, objective=kind.objective), tables)


def with_perceptual(config: RunConfig, choice: str) -> RunConfig:
    """`config` with the perceptual loss settled to what this machine has."""
    return replace(config, objective=replace(config.objective, perceptual=choice))

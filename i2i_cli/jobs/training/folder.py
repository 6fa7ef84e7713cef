"""A run folder: what lies in it, under which names, and how it is written."""

import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from i2i_cli.checkpoints.card import model_card
from i2i_cli.checkpoints.header import FORMAT, Header, read_header, read_metadata
from i2i_cli.checkpoints.names import GALLERY, LOCK, MODEL
from i2i_cli.checkpoints.tensors import load_tensors, save_tensors
from i2i_cli.config import read_toml, to_toml, updated
from i2i_cli.data.writing import write_image
from i2i_cli.engine.journal import Journal
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.files import locked, sweep, write_text
from i2i_cli.jobs.training.config import FORMAT_KEY, WHOLE, RunConfig, from_tables, whole_config
from i2i_cli.jobs.training.layout import BEST, CONFIG, LATEST, SAMPLES, STATE, STATE_KEY, journal_of, sample_name
from i2i_cli.jobs.training.refusals import refuse_if_no_run, refuse_if_taken


@dataclass(frozen=True, kw_only=True)
class StateFacts:
    """Where a run stood when its state was saved.

    Args:
        seconds: wall time trained so far, all sittings together.
        data: the fingerprint of the data set.
    """

    step: int
    seconds: float
    data: dict[str, Any]

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that the run is trained on."""
        return tuple(self.data["domains"])


_NO_FACTS = StateFacts(step=0, seconds=0.0, data={"domains": ()})


@dataclass(frozen=True)
class RunFolder:
    """`path` with `config.toml`, `journal.jsonl`, `samples/`, `README.md` (the model card) and weights."""

    path: Path

    @property
    def model(self) -> Path:
        """What every command loads."""
        return self.path / MODEL

    @property
    def best(self) -> Path:
        """The best model by held-out figures."""
        return self.path / BEST

    @property
    def gallery(self) -> Path:
        """The codes of the training images."""
        return self.path / GALLERY

    @property
    def state(self) -> Path:
        """All that an exact resume needs."""
        return self.path / STATE

    @property
    def journal(self) -> Journal:
        """Every loss and figure."""
        return journal_of(self.path)

    def lock(self) -> AbstractContextManager[None]:
        """Hold the folder: nobody else trains in it, or adds a classifier to its weights, meanwhile.

        Raises:
            DataError: somebody does.
        """
        return locked(self.path / LOCK, f"{self.path}")

    def sweep(self) -> None:
        """Remove what a killed process left half-written. Under the lock, nobody else is writing."""
        sweep(self.path)

    def refuse_if_taken(self) -> None:
        """Nothing is trained over.

        Raises:
            ConfigError: something stands in the folder already.
        """
        refuse_if_taken(self.path)

    def write_config(self, config: RunConfig) -> None:
        """Write every setting to `config.toml`."""
        write_text(self.path / CONFIG, to_toml(config, WHOLE, {FORMAT_KEY: FORMAT}))

    def read_config(self) -> RunConfig:
        """The run's config.

        Raises:
            ConfigError: there is no run here, or none that can be resumed.
        """
        refuse_if_no_run(self.path)
        return from_tables(whole_config(read_toml(self.path / CONFIG), self.path / CONFIG))

    def save_state(self, tensors: dict[str, Tensor], facts: StateFacts) -> None:
        """Write what `load_state` gives back."""
        save_tensors(self.state, tensors, {STATE_KEY: json.dumps(asdict(facts), sort_keys=True)})

    def load_state(self) -> tuple[dict[str, Tensor], StateFacts]:
        """The saved tensors, and where the run stood."""
        metadata = read_metadata(self.state)
        try:
            facts = updated(_NO_FACTS, json.loads(metadata[STATE_KEY]))
            if not all(isinstance(domain, str) for domain in facts.domains):
                raise ValueError("its domains are not names")
            if not facts.data.keys() <= {"domains", "sha256", "pixels"}:
                raise ValueError("its data")
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError, ConfigError) as error:
            raise WeightsError(f"{self.state} is not a saved state of a run ({error})") from error
        return load_tensors(self.state), facts

    def model_is_finished(self, step: int) -> bool:
        """Whether the model was derived from the state of the run's last step."""
        if not self.model.is_file():
            return False
        header = read_header(self.model)
        return header.finished and header.step == step

    def save_model(self, tensors: dict[str, Tensor], header: Header) -> None:
        """Write the weights that every command loads, and the card that describes them."""
        save_tensors(self.model, tensors, header.to_metadata())
        write_text(self.path / "README.md", model_card(self.model, header))

    def save_best(self, tensors: dict[str, Tensor], header: Header) -> None:
        """Keep these weights as the best so far."""
        save_tensors(self.best, tensors, header.to_metadata())

    def least_shortfall(self) -> float:
        """`HeldOutFigures.shortfall` of the best model so far; infinity where there is none.

        Infinity too where an earlier version kept it, which did not ask whether translations are of their input.
        """
        figures = read_header(self.best).figures if self.best.is_file() else {}
        return float(figures["shortfall"]) if "sharpness" in figures else float("inf")

    def latest_figures(self) -> dict[str, Any]:
        """The held-out figures that were journalled last; none for a new run."""
        scored = [line for line in self.journal.lines() if line["kind"] == "held-out"]
        return {key: value for key, value in scored[-1].items() if key not in ("kind", "step")} if scored else {}

    def save_sample(self, image: Any, step: int) -> None:
        """A sample sheet under its step and, the latest one, as `samples/latest.png`."""
        write_image(self.path / SAMPLES / sample_name(step), image)
        write_image(self.path / SAMPLES / LATEST, image)

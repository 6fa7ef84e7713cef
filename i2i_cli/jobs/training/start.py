"""Train a model of a folder of domains, or go on with an earlier run, exactly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor

from i2i_cli.checkpoints.tensors import load_into, load_tensors, networks_among
from i2i_cli.config import updated
from i2i_cli.data.augment import augmented, from_levels
from i2i_cli.data.dataset import Dataset
from i2i_cli.engine.device import pick_device, pick_precision
from i2i_cli.engine.loop import Loop
from i2i_cli.engine.processes import join, leave, local_device
from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.jobs.training.config import RunConfig
from i2i_cli.jobs.training.folder import RunFolder, StateFacts
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.opening import open_images
from i2i_cli.jobs.training.record import plain
from i2i_cli.jobs.training.run import Sitting, TrainingResult
from i2i_cli.models import family
from i2i_cli.models.peers import Draws, Peers
from i2i_cli.models.seeding import own_draws

__all__ = ["Observer", "TrainingResult", "resume", "train"]


def train(
    config: RunConfig,
    folder: str | Path,
    *,
    init: str | Path | None = None,
    choose_size: bool = False,
    observer: Observer | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Train a new run in `folder`.

    Args:
        init: weights file to start from instead of random weights.
        choose_size: take the image size that suits the images and the device; the config's then means nothing.
        observer: is told what happens.
        should_stop: asked after every step; True saves and ends the run, resumable.

    Raises:
        ConfigError, DataError, WeightsError, DeviceError: before anything is written, where possible.
    """
    observer = observer or Observer()
    run, init = RunFolder(Path(folder)), None if init is None else Path(init)
    with _joined(config) as peers:
        if peers.rank == 0:
            run.refuse_if_taken()
        config, dataset = open_images(
            config, observer, peers, run.path, init=init, choose_size=choose_size and init is None
        )
        loop = _build_loop(config, dataset, peers, observer.note)
        if init is not None:
            _start_from(init, loop)
        with _held(run, peers) as leads:
            if leads:
                run.refuse_if_taken()  # by who was faster
                run.sweep()
                run.write_config(config)
                run.save_state(loop.state(), StateFacts(step=0, seconds=0.0, data=dataset.fingerprint()))
            return Sitting(run, config, dataset, loop, observer).go(should_stop)


def resume(
    folder: str | Path,
    changes: dict[str, Any] | None = None,
    *,
    observer: Observer | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Go on with the run in `folder`, exactly as if it had never stopped.

    Args:
        changes: nested tables laid over the run's config, such as a later last step.

    Raises:
        ConfigError: there is no run to resume, or it is finished.
        WeightsError: its state does not fit its config or its data.
    """
    observer, run = observer or Observer(), RunFolder(Path(folder))
    config = _changed(run.read_config(), changes or {}, run.path)
    with _joined(config) as peers, _held(run, peers) as leads:
        if leads:
            run.sweep()
        return _resumed(run, config, observer, peers).go(should_stop)


def _changed(config: RunConfig, changes: dict[str, Any], folder: Path) -> RunConfig:
    """`config` with `changes` laid over it.

    Raises:
        ConfigError: they would make other networks of those that the run has trained so far.
        DataError: the images are no longer where they were.
    """
    changed = updated(config, changes)
    settled = {
        "family": (config.family, changed.family),
        "data.image_size": (config.data.image_size, changed.data.image_size),
    }
    mine, theirs = plain(config.networks), plain(changed.networks)
    settled |= {f"networks.{name}": (mine[name], theirs.get(name)) for name in mine}
    for name, (before, after) in settled.items():
        if before != after:
            raise ConfigError(
                f"{folder} is trained with {name} = {before}, not {after}: its networks are made for that",
                "leave it out, or train a new run with it",
            )
    root = Path(changed.data.root)
    if changed.data.root and not root.is_dir():
        raise DataError(
            f"{root}: no such folder",
            f"if the images have moved: i2i train --resume {folder} --set data.root=NEW",
        )
    return changed


@contextmanager
def _joined(config: RunConfig) -> Iterator[Peers]:
    """The processes that train together, while the block runs."""
    peers = join(pick_device(local_device(config.training.device)))
    try:
        yield peers
        peers.greatest([0])  # nobody leaves while another still writes
    finally:
        leave()


@contextmanager
def _held(run: RunFolder, peers: Peers) -> Iterator[bool]:
    """The run's folder, held by the first process, which alone writes in it; whether this is the one."""
    leads = peers.rank == 0
    with run.lock() if leads else nullcontext():
        yield leads


def _resumed(run: RunFolder, config: RunConfig, observer: Observer, peers: Peers) -> Sitting:
    """A sitting at the run's saved state."""
    config, dataset = open_images(config, observer, peers, run.path, is_new=False)
    loop = _build_loop(config, dataset, peers, observer.note)
    tensors, facts = run.load_state()
    if facts.domains != dataset.domains:
        raise WeightsError(
            f"{run.path} was trained on the domains {', '.join(facts.domains)}, not {', '.join(dataset.domains)}",
            "resume with the folders that the run was started with",
        )
    now = dataset.fingerprint()
    if any(now[name] != value for name, value in facts.data.items()):
        observer.note("warning: the training images have changed since, so this is not an exact continuation")
    if "pixels" not in facts.data:
        observer.note(
            "warning: an earlier i2i began this run, and trained on crops of images that are not square, "
            "so this is not an exact continuation"
        )
    try:
        loop.load_state(tensors, facts.step)
    except (RuntimeError, KeyError, ValueError, IndexError) as error:
        raise WeightsError(
            f"{run.state} does not fit this run's config: other settings make other networks or critics",
            "resume with the settings that the run was started with",
        ) from error
    if peers.rank == 0:
        run.journal.rewind(facts.step)
    sitting = Sitting(run, config, dataset, loop, observer, facts.seconds)
    if config.training.share_done(facts.step, facts.seconds) >= 1 and run.model_is_finished(facts.step):
        raise ConfigError(f"{run.path} is finished at step {facts.step}", f"train it longer: --steps {2 * facts.step}")
    if peers.rank == 0:
        run.write_config(config)
    return sitting


def _build_loop(config: RunConfig, dataset: Dataset, peers: Peers, note: Callable[[str], None]) -> Loop:
    device = pick_device(local_device(config.training.device))
    precision = pick_precision(config.training.precision, device)
    kind = family(config.family)
    with own_draws(config.seed):
        model = kind.build_model(config.networks, config.data.image_size, dataset.domains)
        objective = kind.build_objective(model, config.objective)

    def prepare(levels: Tensor, draws: Draws) -> Tensor:
        return augmented(from_levels(levels), config.data, draws)

    return Loop(objective, config.training, device, precision, config.seed, peers, prepare, note)


def _start_from(path: Path, loop: Loop) -> None:
    """Take the networks of the weights at `path`. Its kept codes belong to its own domains and stay behind."""
    tensors = networks_among(load_tensors(path))
    for model in (loop.objective.model, loop.averaged):
        own = {name: tensor for name, tensor in model.state_dict().items() if "kept_codes" in name}
        load_into(model, model.grown(tensors) | own, path)

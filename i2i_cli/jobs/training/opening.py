"""What a training begins with: its settings settled, its images found and decoded; or why it cannot begin."""

from dataclasses import replace
from pathlib import Path

import torch

from i2i_cli.checkpoints.header import Header, read_header
from i2i_cli.checkpoints.names import list_weights
from i2i_cli.config import updated
from i2i_cli.data.cache import cache_folder
from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import DomainFolder, scan
from i2i_cli.data.glyphs import SAMPLE_SETS, VERSION
from i2i_cli.engine.device import pick_device, pick_precision
from i2i_cli.engine.processes import local_device
from i2i_cli.engine.recorded import check_recording
from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.jobs.training.config import RunConfig, with_perceptual
from i2i_cli.jobs.training.image_size import propose_size
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.record import built_in, plain
from i2i_cli.models import family
from i2i_cli.models.peers import Peers
from i2i_cli.notes import Note

FEW = 200
"""Training images of a domain below which ways to make the most of them are named."""

_MANY_DOMAINS = 8
"""Above this many their images are counted together."""


def open_images(
    config: RunConfig,
    observer: Observer,
    peers: Peers,
    folder: Path,
    *,
    init: Path | None = None,
    choose_size: bool = False,
    is_new: bool = True,
) -> tuple[RunConfig, Dataset]:
    """The settled config and its images. The first process decodes them; the others find them in the cache.

    Nothing is noted before all is checked that can be checked without decoding.

    Args:
        folder: of the run.
        choose_size: take the image size that suits the images and the device in the place of the config's.
        is_new: whether what a run begins with can still be chosen.
    """
    if peers.rank > 0:
        peers.greatest([0])
    config, found, notes = _found(config, observer.note, choose_size)
    config = _settled(config, notes.append)
    _check(config, found.domains, peers, init)
    for text in (f"run: {folder}", *notes):
        observer.note(text)
    dataset = decoded(found, config.data.image_size, observer.decoding)
    _tell_of(dataset, found, observer.note)
    if is_new and (few := _few_images(dataset, config, init)) is not None:
        observer.note(f"warning: {few}")
    if peers.rank == 0:
        peers.greatest([0])
    seen = torch.tensor([int(dataset.fingerprint()["sha256"][:15], 16)])
    if bool((peers.gather(seen) != seen).any()):
        raise DataError("the processes of this training see different images", "give all machines the same folder")
    return config, dataset


def _found(config: RunConfig, note: Note, choose_size: bool) -> tuple[RunConfig, DomainFolder, list[str]]:
    """The config with its folder and its size, what is in that folder, and what is to be said of it."""
    kind, notes = family(config.family), list[str]()
    if config.data.root:
        root = Path(config.data.root).absolute()  # so that it can be resumed from any folder
        config = replace(config, data=replace(config.data, root=str(root)))
    else:
        root = cache_folder() / f"glyph-{kind.sample_set}-{VERSION}"
        note(f"no DATA given: training on the {built_in(kind)}, drawn into {root}")
        SAMPLE_SETS[kind.sample_set](root)
    found = scan(root, lambda domains: kind.choose_domains(config.networks, domains))
    if choose_size:
        device = pick_device(local_device(config.training.device)).type
        proposed = propose_size(found.train, device, above=getattr(config.networks, "content_size", 0))
        if proposed is not None:
            config = replace(config, data=replace(config.data, image_size=proposed[0]))
            notes.append(proposed[1])
    return config, found, notes


def _settled(config: RunConfig, note: Note) -> RunConfig:
    """The config with `perceptual` as this machine has it."""
    choice = getattr(config.objective, "perceptual", "none")
    if choice == "none":
        return config
    # Late: torchvision costs as much to import as torch itself.
    from i2i_cli.models.perceptual import DOWNLOAD, is_cached, resolve_choice

    found = resolve_choice(choice, has_pixel_loss=config.objective.weights.pixel > 0)
    if choice == "auto" and found != "imagenet":
        stand_in = "L1 alone" if found == "none" else "VGG-16 with fixed random weights"
        note(
            f"perceptual loss: {stand_in}; no ImageNet weights are cached (nothing to do; "
            f"--perceptual imagenet downloads {DOWNLOAD})"
        )
    if found == "imagenet" and not is_cached():
        note(f"perceptual loss: downloading VGG-16's ImageNet weights, {DOWNLOAD}")
    return with_perceptual(config, found)


def _check(config: RunConfig, domains: tuple[str, ...], peers: Peers, init: Path | None = None) -> None:
    """Find what cannot work before hours of images are decoded.

    Raises:
        ConfigError, DeviceError, WeightsError: a size, a device, a precision or weights that do not fit.
    """
    device = pick_device(config.training.device)
    pick_precision(config.training.precision, device)
    check_recording(config.training.recorded, device)
    if peers.count > 1 and config.training.fit_memory:
        # One that fell short alone would leave the others waiting for what it has not come to.
        raise ConfigError(
            "several processes do not fit steps into memory by themselves",
            "leave --batch-size auto out (--set training.fit_memory=false), or use more processes",
        )
    shares, batch = len(domains) * peers.count, config.training.batch_size
    if peers.count > 1 and batch % shares:
        raise ConfigError(
            f"a batch of {batch} is not shared evenly by {peers.count} processes and {len(domains)} domains",
            f"use --batch-size {-(-batch // shares) * shares}",
        )
    kind = family(config.family)
    if kind.needs_every_domain and batch < shares:
        raise ConfigError(
            f"a batch of {batch} has no image of some of the {len(domains)} domains, and {kind.name} takes one of each",
            f"use --batch-size {shares} or more",
        )
    with torch.device("meta"):
        kind.build_model(config.networks, config.data.image_size, domains)
    if init is not None and not _fits(read_header(init), config):
        raise WeightsError(
            f"--init {init} has other networks or another image size than this run",
            "take over its --image-size and [networks] settings, or leave --init out; an srae grows into twice the "
            "--image-size with twice its networks.patch",
        )


def _fits(header: Header, config: RunConfig) -> bool:
    """Whether a run can start from weights with this header: of the same networks, or with a patch to be grown."""
    if header.family != config.family:
        return False
    mine = plain(config.networks)
    theirs = plain(updated(family(config.family).networks, header.config.get("networks", {})))
    times, rest = divmod(config.data.image_size, header.image_size)
    if "patch" in theirs:
        theirs["patch"] *= times
    return not rest and theirs == mine and (times == 1 or "patch" in theirs)


def _tell_of(dataset: Dataset, found: DomainFolder, note: Note) -> None:
    """What is trained on, and what is odd about it."""
    note(_counted(dataset))
    if found.passed_over:
        note(found.passed_over)
    for text in found.warnings:
        note(f"warning: {text}")
    for text in dataset.images.bad:
        note(f"left out: {text}")


def _counted(dataset: Dataset) -> str:
    """How many images of which domains."""
    counts, held_out = dataset.counts(), f"{len(dataset.test):,} more held out to measure on"
    if len(counts) > _MANY_DOMAINS:
        return f"images: {sum(counts.values()):,} of {len(counts)} domains; {held_out}"
    return f"images: {', '.join(f'{domain} {count:,}' for domain, count in counts.items())}; {held_out}"


def _few_images(dataset: Dataset, config: RunConfig, init: Path | None) -> str | None:
    """How few the smallest domain has, and what helps; None where it has enough."""
    fewest = min(dataset.counts().values())
    if fewest >= FEW:
        return None
    told = f"the smallest domain has {fewest} image{'s' * (fewest > 1)}; 1,000 or more work well"
    if init is None and (start := _trained_alike(config)):
        told += f"; what helps is to start from a trained model (--init {start})"
    if not config.data.flip:
        told += "; --flip adds each image's mirror image (not for letters or x-rays)"
    return told


def _trained_alike(config: RunConfig) -> str:
    """The name of a shipped model that a run can start from, or ""."""
    entries = (entry for entry in list_weights() if entry.shipped and entry.header is not None)
    return next((entry.name for entry in entries if entry.header and _fits(entry.header, config)), "")

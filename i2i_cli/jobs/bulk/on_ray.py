"""Bulk work on Ray Data: actors that hold the model, on one machine or many (extra `ray`)."""

import json
import logging
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from i2i_cli.data.geometry import Crop
from i2i_cli.errors import ConfigError, DataError, I2IError
from i2i_cli.inference.codes import FlatCodes, encoded
from i2i_cli.inference.inputs import BATCH, STREAM, Failure, Source, url_of
from i2i_cli.inference.loaded import TorchTranslator, load
from i2i_cli.inference.translator import Target
from i2i_cli.jobs.bulk.remote import exists, fetch, local_place, put
from i2i_cli.jobs.translation.files import FileTranslation
from i2i_cli.jobs.translation.planning import Outcome, Task

Rows = dict[str, Any]
"""A batch as Ray Data has it: a column of values for each name."""


def translate_on_ray(job: FileTranslation, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
    """What `job.run(tasks)` gives, from actors that each hold the model; paths may be any that fsspec knows.

    Raises:
        ConfigError: the extra is not installed, or stdin or stdout is asked for.
    """
    if any(STREAM in (task.source.path, *task.outputs) for task in tasks):
        raise ConfigError("--engine ray reads and writes files only", "leave --engine out for stdin and stdout")
    targets = [(target.label, target.code.cpu().numpy(), target.sample, target.domain) for target in job.targets]
    names = ("own", "strength", "at_model_size", "overwrite", "skip_existing", "quality", "batch_size")
    settings = {name: getattr(job, name) for name in names}
    rows = [
        {
            "source": _absolute(task.source.path),
            "crop": json.dumps([task.source.crop, task.source.face]),
            "outputs": json.dumps([_absolute(path) for path in task.outputs]),
        }
        for task in tasks
        if task.error is None
    ]
    weights = str(job.translator.path.absolute())
    done = _mapped(rows, _Translating, {"weights": weights, "targets": targets, "settings": settings})
    for task in tasks:
        if task.error is not None:
            yield Outcome(source=task.source.path, error=task.error)
            continue
        told = json.loads(next(done)["outcome"])
        error, own = _error(told.pop("error")), {_absolute(path): path for path in (task.source.path, *task.outputs)}
        if error is not None:  # in the words of the command line, which may have been a relative path
            error.message = error.message.replace(_absolute(task.source.path), str(task.source.path))
        written = tuple((label, own[path]) for label, path in told.pop("written"))
        yield Outcome(source=task.source.path, written=written, error=error, **told)


def encode_on_ray(
    translator: TorchTranslator, sources: Sequence[Source], own: str | None = None
) -> Iterator[list[Failure | FlatCodes]]:
    """What `codes.encoded` gives, one at a time, from actors that each hold the model."""
    rows = [{"source": _absolute(source.path)} for source in sources]
    arguments = {"weights": str(translator.path.absolute()), "own": own}
    for source, row in zip(sources, _mapped(rows, _Encoding, arguments), strict=True):
        error = _error(json.loads(row["error"]))
        if error is not None:
            error.message = error.message.replace(_absolute(source.path), str(source.path))
            yield [Failure(source, error)]
        else:
            yield [FlatCodes(*(np.asarray(row[name], np.float16) for name in FlatCodes._fields))]


class _Translating:
    """An actor: the model, and a folder for what comes from elsewhere."""

    def __init__(self, weights: str, targets: list[tuple], settings: dict[str, Any]) -> None:
        translator = load(weights)
        found = [
            Target(label, torch.from_numpy(np.array(code)).to(translator.device), sample, domain)
            for label, code, sample, domain in targets
        ]
        self.job = FileTranslation(translator=translator, targets=found, **settings)

    def __call__(self, rows: Rows) -> Rows:
        tasks = [
            Task(Source(path=Path(source), **_part(crop)), [Path(path) for path in json.loads(outputs)])
            for source, crop, outputs in zip(rows["source"], rows["crop"], rows["outputs"], strict=True)
        ]
        with TemporaryDirectory() as folder:
            told = [json.dumps(_told(outcome)) for outcome in self._outcomes(tasks, Path(folder))]
        return {"source": rows["source"], "outcome": np.array(told, object)}

    def _outcomes(self, tasks: Sequence[Task], folder: Path) -> list[Outcome]:
        """An outcome a task: files of elsewhere are fetched first and put back after."""
        begun = [self._fetched(task, folder) for task in tasks]
        made = self.job.run([here for here in begun if isinstance(here, Task)])
        return [
            self._put_back(task, here, next(made)) if isinstance(here, Task) else here
            for task, here in zip(tasks, begun, strict=True)
        ]

    def _fetched(self, task: Task, folder: Path) -> Task | Outcome:
        """The task with its files on this machine, or what ended it."""
        try:
            far = [path for path in task.outputs if url_of(path) and exists(path)]
            if far and len(far) == len(task.outputs) and self.job.skip_existing:
                return Outcome(source=task.source.path, skipped=True)
            if far and not (self.job.overwrite or self.job.skip_existing):
                raise DataError(f"{url_of(far[0])} exists already", "add --force or --skip-existing")
            outputs = [local_place(path, folder) for path in task.outputs]
            return Task(replace(task.source, path=fetch(task.source.path, folder)), outputs)
        except I2IError as error:
            return Outcome(source=task.source.path, error=error)

    def _put_back(self, task: Task, here: Task, outcome: Outcome) -> Outcome:
        homes, written, error = dict(zip(here.outputs, task.outputs, strict=True)), [], outcome.error
        try:
            for label, place in outcome.written:
                if self.job.overwrite or not url_of(homes[place]) or not exists(homes[place]):
                    put(place, homes[place])
                    written.append((label, homes[place]))
        except I2IError as late:
            error = late
        if error is not None:
            # The name of a copy gives way to that of the file itself.
            message = error.message.replace(str(here.source.path), url_of(task.source.path) or str(task.source.path))
            error = I2IError(message, error.hint, error.exit_code)
        return replace(outcome, source=task.source.path, written=tuple(written), error=error)


class _Encoding:
    """An actor: the model, which gives codes."""

    def __init__(self, weights: str, own: str | None) -> None:
        self.translator, self.own = load(weights), own
        self.nothing = FlatCodes(*(np.zeros(size, np.float16) for size in self.translator.code_sizes))

    def __call__(self, rows: Rows) -> Rows:
        sources = [Source(path=Path(path)) for path in rows["source"]]
        found = [item for batch in encoded(self.translator, sources, self.own) for item in batch]
        errors = [json.dumps(_facts(item.error) if isinstance(item, Failure) else None) for item in found]
        codes = [self.nothing if isinstance(item, Failure) else item for item in found]
        columns = FlatCodes(*map(np.stack, zip(*codes, strict=True)))
        return {**columns._asdict(), "error": np.array(errors, object)}


def _mapped(rows: list[dict[str, str]], actor: type, arguments: dict[str, Any]) -> Iterator[Rows]:
    """Each row as an actor of the kind gives it back, in order."""
    if not rows:
        return
    try:
        import ray
        import ray.data
    except ImportError:
        raise ConfigError("--engine ray needs the extra ray", "pip install 'i2i-cli[ray]'") from None
    if not ray.is_initialized():
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its warnings are not for who translates images
        ray.init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars, context.execution_options.preserve_order = False, True
    resources = ray.cluster_resources()
    num_gpus, num_cpus = int(resources.get("GPU", 0)), max(1, int(resources.get("CPU", 1)))
    num_batches = -(-len(rows) // BATCH)
    most = max(1, min(num_gpus or num_cpus, num_batches))
    data = ray.data.from_items(rows, override_num_blocks=num_batches).map_batches(
        actor, batch_size=BATCH, fn_constructor_kwargs=arguments, num_cpus=1, num_gpus=1 if num_gpus else 0,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
    )  # fmt: skip
    yield from data.iter_rows()


def _absolute(path: Path) -> str:
    """A path that means the same in every process; an address as it is."""
    return str(path if url_of(path) else path.absolute())


def _told(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON has it."""
    written = [[label, str(path)] for label, path in outcome.written]
    return {"written": written, "skipped": outcome.skipped, "note": outcome.note, "error": _facts(outcome.error)}


def _facts(error: I2IError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}


def _error(facts: dict[str, Any] | None) -> I2IError | None:
    return None if facts is None else I2IError(**facts)


def _part(text: str) -> dict[str, Any]:
    """What a row says of the part that is meant."""
    crop, face = json.loads(text)
    return {"crop": None if crop is None else Crop(*crop), "face": face}

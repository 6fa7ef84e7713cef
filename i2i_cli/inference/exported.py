"""An exported model, run by onnxruntime. No torch."""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_cli.checkpoints.header import EMPTY
from i2i_cli.checkpoints.names import DECODER, DESCRIPTOR, ENCODER, export_folder, is_export
from i2i_cli.checkpoints.weights import Weights
from i2i_cli.config import updated
from i2i_cli.errors import ConfigError, DeviceError, I2IError, WeightsError
from i2i_cli.files import shown_path
from i2i_cli.inference.latent_classifier import linear
from i2i_cli.inference.translator import Target, Translator

KEY = "i2i"
FORMAT = 2

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_PROVIDERS = {"cpu": [_CPU], "cuda": [_CUDA], "auto": [_CPU]}

Numbers = NDArray[np.float32]


class Arrays(NamedTuple):
    """Codes, as arrays."""

    content: Numbers
    domain: Numbers


class ExportedTranslator(Translator):
    """The graphs that `i2i export` wrote, and all that their metadata tells. Each is read when it is first needed.

    Args:
        folder: where the graphs lie.
        path: the weights that they were made of; None where there is the folder alone.

    Raises:
        ConfigError: onnxruntime is not installed.
        WeightsError: a file cannot be read, is no export of this tool, or one of other weights.
    """

    def __init__(self, folder: Path, path: Path | None = None, device: str = "auto") -> None:
        self.folder, self.device = folder, device
        self._encoder = _session(folder / ENCODER, device)
        self._facts = _facts_of(self._encoder, folder / ENCODER)
        if path is not None and self._facts["weights"] != file_hash(path):
            raise WeightsError(f"{folder} was exported from other weights than {path}", _again(path))
        try:
            super().__init__(path or folder / ENCODER, updated(EMPTY, self._facts["header"]))
            shape = self._facts["code_shape"]
            self._codes = {name: _array(text).reshape(-1, *shape) for name, text in self._facts["codes"].items()}
            self.classifiers = {
                name: linear(tuple(facts["classes"]), _array(facts["weight"]).reshape(len(facts["classes"]), -1),
                             _array(facts["bias"]))
                for name, facts in self._facts["classifiers"].items()
            }  # fmt: skip
        except (KeyError, ValueError, TypeError, AttributeError, I2IError) as error:
            raise WeightsError(f"{folder / ENCODER} is not an export of i2i ({error})", _again(path)) from error

    @property
    def name(self) -> str:
        """What the weights are called; of a folder of exports alone, the folder."""
        return shown_path(self.folder) if self.path.parent == self.folder else super().name

    @cached_property
    def _decoder(self) -> Any:
        return _session(self.folder / DECODER, self.device)

    @cached_property
    def _descriptor(self) -> Any:
        return _session(self.folder / DESCRIPTOR, self.device)

    def encode(self, squares: Sequence[NDArray[np.uint8]], sources: Sequence[str] | None = None) -> Arrays:
        """See `Coder`."""
        return Arrays(*self._encoder.run(None, {"images": np.stack(squares)} | self._labels(sources, len(squares))))

    def described(self, squares: Sequence[NDArray[np.uint8]], codes: Arrays) -> Numbers:
        """See `Coder`."""
        if not self.code_sizes[2]:
            return np.zeros((len(squares), 0), np.float32)
        return self._descriptor.run(None, {"images": np.stack(squares), "content": codes.content})[0]

    def numbers(self, code: Numbers) -> Numbers:
        """See `Coder`."""
        return code.reshape(len(code), -1)

    def rebuilding_codes(self, codes: Arrays, sources: Sequence[str] | None) -> Numbers:
        """See `Coder`."""
        if not self.needs_source:
            return codes.domain
        return np.stack([self._codes[source][0] for source in sources or ()])

    def pixels(self, codes: Arrays) -> NDArray[np.uint8]:
        """See `Coder`."""
        domain = np.broadcast_to(codes.domain, (len(codes.content), *codes.domain.shape[1:]))
        return self._decoder.run(None, {"content": codes.content, "domain": np.ascontiguousarray(domain)})[0]

    def whole(
        self,
        path: Path,
        squares: Sequence[NDArray[np.uint8]],
        target: Target,
        strength: float,
        sources: Sequence[str] | None,
    ) -> NDArray[np.uint8]:
        """What `decode` gives, by the one graph in the file at `path`."""
        inputs = {"images": np.stack(squares), "code": target.code, "strength": np.array(strength, np.float32)}
        return _session(path).run(None, inputs | self._labels(sources, len(squares)))[0]

    @property
    def fingerprint(self) -> str:
        """See `Coder`."""
        return self._facts["fingerprint"]

    @property
    def content_code_shape(self) -> tuple[int, ...]:
        """See `Coder`."""
        return tuple(self._facts["content_shape"])

    @property
    def code_sizes(self) -> tuple[int, int, int]:
        """See `Coder`."""
        return prod(self.content_code_shape), prod(self._facts["code_shape"]), self._facts["descriptor"]

    @property
    def needs_source(self) -> bool:
        """See `Coder`."""
        return self._facts["needs_source"]

    @property
    def rebuilds(self) -> bool:
        """See `Coder`."""
        return self._facts["rebuilds"]

    def targets_of(self, source: str) -> list[str]:
        """See `Coder`."""
        return self._facts["routes"][self.domain(source)]

    def lender(self, domain: str) -> str:
        """See `Coder`."""
        return self._facts["lenders"][self.domain(domain)]

    def comparable_with(self, source: str) -> list[str]:
        """See `Coder`."""
        return self._facts["comparable"][self.domain(source)]

    def kept_codes(self, domain: str) -> Numbers:
        """See `Coder`."""
        return self._codes[self.domain(domain)]

    def _labels(self, sources: Sequence[str] | None, count: int) -> dict[str, NDArray[np.int64]]:
        if not self.needs_source:
            return {}
        # Without a source codes serve to tell the domain alone: the first encoder's.
        names = sources if sources is not None else [self.header.config["networks"]["inputs"][0]] * count
        return {"source": np.array([self.label_of(name) for name in names], np.int64)}


def open_export(weights: Weights, device: str = "auto") -> ExportedTranslator:
    """The export that lies beside `weights`.

    Args:
        device: auto (which is the CPU), cpu or cuda.

    Raises:
        ConfigError, WeightsError: there is none, or it cannot be used.
    """
    folder = export_folder(weights.path)
    if not is_export(folder):
        raise WeightsError(
            f"there is no export of {weights.name}", f"make it: i2i export -w {weights.name}", exit_code=2
        )
    return ExportedTranslator(folder, weights.path, device)


def file_hash(path: Path) -> str:
    """The SHA-256 of a file.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error


def _again(path: Path | None) -> str:
    return "make it again: i2i export" + (f" -w {path}" if path is not None else "")


def _facts_of(session: Any, path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
        if facts["format"] != FORMAT:
            raise ValueError(f"it has format {facts['format']}; this i2i reads {FORMAT}")
        return facts
    except (KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{path} is not an export of i2i ({error})", "make one: i2i export") from error


def _session(path: Path, device: str = "cpu") -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError("exports need onnxruntime", "pip install onnxruntime, or use --runtime torch") from None
    there = onnxruntime.get_available_providers()
    providers = [provider for provider in _PROVIDERS.get(device.partition(":")[0], []) if provider in there]
    if not providers:
        raise DeviceError(f"onnxruntime has no {device!r} here", "use --device cpu, or --runtime torch")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = _num_threads()
    # Threads that wait for work would keep the cores from whoever else decodes or encodes images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime's own exceptions share no base
        raise WeightsError(f"cannot read {path}: {str(error).splitlines()[0][:200]}") from error


def _num_threads() -> int:
    """As many as OMP_NUM_THREADS says, which torch obeys too; 0 is one for each core."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isascii() and told.isdigit() else 0


def _array(text: str) -> Numbers:
    return np.frombuffer(base64.b64decode(text), "<f4")


def text_of(numbers: NDArray[Any]) -> str:
    """Numbers as the metadata hold them: base64 of little-endian float32."""
    return base64.b64encode(numbers.astype("<f4").tobytes()).decode()

"""An exported model, run by onnxruntime: what `i2i translate --runtime onnx` uses. No torch."""

import base64
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_cli.checkpoints.header import EMPTY
from i2i_cli.checkpoints.names import ENVIRONMENT, EXPORTS, export_folder, find_weights
from i2i_cli.config import updated
from i2i_cli.errors import ConfigError, DeviceError, I2IError, WeightsError
from i2i_cli.inference.translator import BaseTranslator, Target

KEY = "i2i"
FORMAT = 1
ENCODER, DECODER, TRANSLATION = "encoder.onnx", "decoder.onnx", "translation.onnx"

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

Numbers = NDArray[np.float32]


class Arrays(NamedTuple):
    """Codes, as arrays."""

    content: Numbers
    domain: Numbers


class ExportedTranslator(BaseTranslator):
    """The encoder and the decoder that `i2i export` wrote, and all that their metadata tells."""

    def __init__(self, encoder: Any, decoder: Any, facts: dict[str, Any], path: Path) -> None:
        self._encoder, self._decoder, self._facts, self.path = encoder, decoder, facts, path
        if facts["format"] > FORMAT:
            raise ValueError(f"it has format {facts['format']}; this i2i reads up to {FORMAT}")
        self.header = updated(EMPTY, facts["header"])
        shape = facts["code_shape"]
        self._codes = {domain: _numbers(text).reshape(-1, *shape) for domain, text in facts["codes"].items()}

    @classmethod
    def of_files(cls, encoder: Path, decoder: Path, device: str = "cpu") -> "ExportedTranslator":
        """The model in two files.

        Raises:
            ConfigError: onnxruntime is not installed.
            WeightsError: a file cannot be read, or is no export of this tool.
        """
        first, second = _session(encoder, device), _session(decoder, device)
        try:
            return cls(first, second, json.loads(first.get_modelmeta().custom_metadata_map[KEY]), encoder.parent)
        except (KeyError, ValueError, TypeError, AttributeError, I2IError) as error:
            raise WeightsError(
                f"{encoder} is not an export of i2i ({error})", "make one: i2i export --to onnx"
            ) from error

    def encode(self, squares: Sequence[NDArray[np.uint8]], sources: Sequence[str] | None = None) -> Arrays:
        """See `BaseTranslator`."""
        return Arrays(*self._encoder.run(None, {"images": np.stack(squares)} | self._labels(sources, len(squares))))

    def rebuilding_codes(self, codes: Arrays, sources: Sequence[str] | None) -> Numbers:
        """See `BaseTranslator`."""
        if not self.needs_source:
            return codes.domain
        return np.stack([self._codes[source][0] for source in sources or ()])

    def pixels(self, codes: Arrays) -> NDArray[np.uint8]:
        """See `BaseTranslator`."""
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
    def needs_source(self) -> bool:
        """See `BaseTranslator`."""
        return self._facts["needs_source"]

    def predicted(self, squares: Sequence[NDArray[np.uint8]]) -> list[str]:
        """See `BaseTranslator`."""
        if not self._facts["classes"]:
            raise ConfigError(f"{self.path} cannot tell an image's domain", "give it with --from")
        weight, bias = (_numbers(text) for text in self._facts["classifier"])
        codes = self.encode(squares).domain.reshape(len(squares), -1)
        best = (codes @ weight.reshape(len(bias), -1).T + bias).argmax(1)
        return [self._facts["classes"][place] for place in best]

    def targets_of(self, source: str) -> list[str]:
        """See `BaseTranslator`."""
        self.label_of(source)
        return self._facts["routes"][source]

    def lender(self, domain: str) -> str:
        """See `BaseTranslator`."""
        return self._facts["lenders"][domain]

    def kept_codes(self, domain: str) -> Numbers:
        """See `BaseTranslator`."""
        return self._codes[domain]

    def _labels(self, sources: Sequence[str] | None, count: int) -> dict[str, NDArray[np.int64]]:
        if not self.needs_source:
            return {}
        # Without a source codes serve to tell the domain alone: the first encoder's.
        names = sources if sources is not None else [self._facts["header"]["config"]["networks"]["inputs"][0]] * count
        return {"source": np.array([self.label_of(name) for name in names], np.int64)}


def load_exported(name: str | None, device: str = "auto") -> ExportedTranslator:
    """The export meant by `name`: a folder with `encoder.onnx`, or that of the weights of this name below `./onnx`.

    Args:
        device: auto, cpu or cuda.

    Raises:
        ConfigError, WeightsError: there is none, or it cannot be used.
    """
    name = name or os.environ.get(ENVIRONMENT)
    folders = [Path(name), EXPORTS / name] if name else []
    with suppress(WeightsError):
        folders.append(export_folder(find_weights(name)))
    for folder in folders:
        if (folder / ENCODER).is_file():
            return ExportedTranslator.of_files(folder / ENCODER, folder / DECODER, device)
    wanted = f" -w {name}" if name else ""
    raise WeightsError(
        f"there is no export of {name or 'the default weights'}", f"make it: i2i export{wanted} --to onnx", exit_code=2
    )


def _session(path: Path, device: str = "cpu") -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError("--runtime onnx needs the extra onnx", "pip install 'i2i-cli[onnx]'") from None
    known, there = {"cpu": [_CPU], "cuda": [_CUDA], "auto": [_CUDA, _CPU]}, onnxruntime.get_available_providers()
    providers = [provider for provider in known.get(device, []) if provider in there]
    if not providers:
        raise DeviceError(f"onnxruntime has no {device!r} here", "use --device auto or cpu")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime's own exceptions share no base
        raise WeightsError(f"cannot read {path}: {str(error).splitlines()[0][:200]}") from error


def _numbers(text: str) -> Numbers:
    return np.frombuffer(base64.b64decode(text), "<f4")

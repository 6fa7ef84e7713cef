"""A model ready to work, by whichever runtime is quickest to start. No torch unless it is needed."""

from pathlib import Path

from i2i_cli.checkpoints.names import export_folder, is_export
from i2i_cli.checkpoints.weights import Weights, open_weights
from i2i_cli.errors import ConfigError, I2IError
from i2i_cli.inference.exported import ExportedTranslator, open_export
from i2i_cli.inference.translator import Translator
from i2i_cli.notes import Note, silent

RUNTIMES = ("auto", "torch", "onnx")


def load(
    weights: str | Path | None = None, device: str = "auto", runtime: str = "auto", note: Note = silent
) -> Translator:
    """A trained model, ready to translate.

    Args:
        weights: a run folder, a weights file, a folder of an export or a name; None: see `open_weights`.
        device: auto, cpu, cuda, cuda:1 or mps.
        runtime: "onnx" runs the export beside the weights, "torch" the weights; "auto" the export where there is one
            and no GPU is asked for.
        note: told what a person should know of the choice.

    Raises:
        ConfigError: an unknown runtime, or onnxruntime is not installed.
        WeightsError: no such weights, or a file that is damaged or of another kind.
    """
    if weights is not None and is_export(Path(weights)):
        return opened(ExportedTranslator(Path(weights)), device, runtime)
    return opened(open_weights(weights, note=note), device, runtime, note)


def opened(weights: Weights, device: str = "auto", runtime: str = "auto", note: Note = silent) -> Translator:
    """The model of `weights`; see `load`."""
    check_runtime(runtime)
    if isinstance(weights, ExportedTranslator):
        if runtime == "torch":
            raise ConfigError(f"{weights.folder} is an export, which torch does not run", "leave --runtime out")
        return weights if weights.device == device else ExportedTranslator(weights.folder, device=device)
    if runtime == "onnx":
        return open_export(weights, device)
    if runtime == "auto" and device in ("auto", "cpu") and is_export(export_folder(weights.path)):
        try:
            return open_export(weights, device)
        except I2IError as error:
            note(f"running torch: {error.message}")
    # Late: torch.
    from i2i_cli.inference.loaded import load as load_by_torch

    return load_by_torch(weights, device)


def check_runtime(runtime: str) -> None:
    """Check `--runtime`.

    Raises:
        ConfigError: it is not known.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(f"there is no --runtime {runtime!r}", f"use {', '.join(RUNTIMES)}")

"""A trained model as ONNX files that run without torch: pixels in, pixels out.

`translation.onnx` is all that another client needs. B images of the model's S x S pixels in one call:

| input | shape | type | |
|---|---|---|---|
| `images` | (B, S, S, 3) | uint8 | RGB levels, 0 to 255 |
| `code` | (1, ...) | float32 | the domain code to translate to |
| `strength` | () | float32 | 0 rebuilds the images, 1 takes `code`, between mixes |
| `source` | (B,) | int64 | the images' own domains; for the dual family alone |

Its output `translation` is (B, S, S, 3) uint8. What else a client has to know is JSON under the metadata key `i2i`:
`header.domains` are the names behind the numbers of `source`, and `codes` holds each domain's kept codes as base64 of
little-endian float32, one after another, each of shape `code_shape`; the first is the default. `routes` says which
domains an image of each can become, and `lenders` whose codes turn it into one of a domain.

`encoder.onnx`, `decoder.onnx` and, where the weights have descriptors, `descriptor.onnx` are its parts, which the
commands run: one image is encoded once, whatever the number of targets. Numbers that float16 holds exactly, as those
of shipped models, are stored in it and widened when a graph is read: half the size, and the same results.
"""

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2i_cli.checkpoints.names import DECODER, DESCRIPTOR, ENCODER, TRANSLATION
from i2i_cli.data.augment import from_levels, to_levels
from i2i_cli.data.cache import cache_folder
from i2i_cli.data.glyphs import SAMPLE_SETS, VERSION
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.files import check_new, written_whole
from i2i_cli.inference.exported import FORMAT, KEY, ExportedTranslator, file_hash, text_of
from i2i_cli.inference.inputs import Failure, Loaded, find_sources, load_batches
from i2i_cli.inference.loaded import TorchTranslator
from i2i_cli.models.descriptor import Descriptor
from i2i_cli.models.family import Codes, TranslationModel
from i2i_cli.notes import Note, silent

CHECKED = 16
"""Images that an export is compared with torch on."""

CHECKED_STRENGTHS = (1.0, 0.5)

TOLERANCE = 3
"""Levels of 255 that a pixel may differ by; rounding makes 1."""

CODE_TOLERANCE = 0.01
"""How far a number of a code may be off, over the codes' standard deviation."""

FEW = 256
"""Constants of fewer numbers than these are stored as they are."""


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """What was written, and how far it is from torch.

    Args:
        largest_code: largest difference of a number of a code, over the codes' standard deviation.
        largest_level: largest difference of a pixel of a translation, in levels of 255.
        differing: share of the pixels' numbers that differ at all.
    """

    files: tuple[Path, ...]
    num_images: int
    largest_code: float
    largest_level: int
    differing: float


class _Encoder(nn.Module):
    """Levels (B, S, S, 3) uint8, with labels (B,) where the codes need them, to content and domain codes."""

    def __init__(self, model: TranslationModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, source: Tensor | None = None) -> Codes:
        return self.model.encode(from_levels(images), source)


class _Decoder(nn.Module):
    """Content and domain codes to levels."""

    def __init__(self, model: TranslationModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, content: Tensor, domain: Tensor) -> Tensor:
        return to_levels(self.model.decode(content, domain))


class _Descriptor(nn.Module):
    """Levels and content codes to descriptors (B, numbers)."""

    def __init__(self, descriptor: Descriptor) -> None:
        super().__init__()
        self.descriptor = descriptor

    def forward(self, images: Tensor, content: Tensor) -> Tensor:
        return self.descriptor(from_levels(images), content)


class _Translation(nn.Module):
    """Levels, a target's domain code (1, ...) and a strength () to levels."""

    def __init__(self, model: TranslationModel) -> None:
        super().__init__()
        self.encoder, self.decoder = _Encoder(model), _Decoder(model)

    def forward(self, images: Tensor, code: Tensor, strength: Tensor, source: Tensor | None = None) -> Tensor:
        codes = self.encoder(images, source)
        own = self.encoder.model.rebuilding_codes(codes, source)
        return self.decoder(codes.content, own + strength * (code.expand_as(own) - own))


def export_onnx(
    translator: TorchTranslator,
    folder: Path,
    images: Path,
    overwrite: bool = False,
    note: Note = silent,
    whole: bool = True,
) -> ExportResult:
    """Write the graphs of a model, compare them with torch, then give them their names.

    Args:
        images: a folder whose first images the comparison is made on.
        note: told which files of it are passed over.
        whole: write `translation.onnx` too, which the commands do without.

    Raises:
        ConfigError: the extra is not installed.
        DataError: a file is there already, or cannot be written; no image can be read.
        WeightsError: what was exported does something else than the model.
    """
    names = [ENCODER, DECODER]
    names += [DESCRIPTOR] if translator.descriptor is not None else []
    names += [TRANSLATION] if whole else []
    for name in names:
        check_new(folder / name, overwrite)
    (batch,) = list(load_batches(find_sources([images], True, note=note)[:CHECKED], translator.image_size))
    failures = [item.error for item in batch if isinstance(item, Failure)]
    if len(failures) == len(batch):
        raise failures[0]
    squares = [item.square for item in batch if isinstance(item, Loaded)]
    programs = _programs(translator, squares)
    with TemporaryDirectory() as place:
        for name in names:
            programs[name](Path(place) / name)
        result = _compared(translator, ExportedTranslator(Path(place), translator.path), squares)
        if result["largest_level"] > TOLERANCE or result["largest_code"] > CODE_TOLERANCE:
            raise WeightsError(
                f"the export differs from torch by {result['largest_level']} of 255 levels, or codes by "
                f"{result['largest_code']:.1e}; nothing was written",
                "use the versions of torch and onnxruntime that the tests pass with: constraints.txt",
            )
        for name in names:
            with written_whole(folder / name) as temporary:
                shutil.copyfile(Path(place) / name, temporary)
    return ExportResult(files=tuple(folder / name for name in names), **result)


def sample_images() -> Path:
    """A folder of built-in images, drawn where it is not there yet."""
    root = cache_folder() / f"glyph-styles-{VERSION}"
    SAMPLE_SETS["styles"](root)
    return root / "test"


def _programs(translator: TorchTranslator, squares: list[NDArray[np.uint8]]) -> dict[str, Callable[[Path], None]]:
    """What writes each of the graphs."""
    model = translator.model.cpu().to(memory_format=torch.contiguous_format).eval()
    images, facts = torch.from_numpy(np.stack([squares[0], squares[-1]])), _facts(translator)
    # The kept codes can be most of a small model: they are told once to the commands, and once to other clients.
    brief = {name: facts[name] for name in ("format", "weights")}
    source = {"source": torch.zeros(2, dtype=torch.int64)} if model.needs_source else {}
    content, domain = model.encode(from_levels(images), *source.values())
    content, domain = content.clone(), domain.clone()  # one tensor, where a family has one code twice
    target = {"code": domain[:1].clone(), "strength": torch.ones(())}
    graphs: dict[str, tuple[nn.Module, dict[str, Tensor], list[str]]] = {
        ENCODER: (_Encoder(model), {"images": images} | source, ["content", "domain"]),
        DECODER: (_Decoder(model), {"content": content, "domain": domain}, ["images"]),
        TRANSLATION: (_Translation(model), {"images": images} | target | source, ["translation"]),
    }
    if translator.descriptor is not None:
        inputs = {"images": images, "content": content}
        graphs[DESCRIPTOR] = (_Descriptor(translator.descriptor.cpu()), inputs, ["descriptor"])
    metadata = {name: json.dumps(facts if name in (ENCODER, TRANSLATION) else brief, sort_keys=True) for name in graphs}
    return {name: partial(_write, *graph, metadata[name]) for name, graph in graphs.items()}


def _write(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], metadata: str, path: Path) -> None:
    if find_spec("onnxscript") is None:
        raise ConfigError("`i2i export` needs the extra onnx", "pip install 'i2i-cli[onnx]'")
    rows = torch.export.Dim("batch")
    shapes = {name: {0: rows} if tensor.dim() and len(tensor) == 2 else None for name, tensor in inputs.items()}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that inputs share an axis, as they are meant to
        program: Any = torch.onnx.export(
            module.eval(), (), kwargs=inputs, dynamo=True, dynamic_shapes=shapes, verbose=False,
            input_names=list(inputs), output_names=outputs,
        )  # fmt: skip
    _forget_where(program.model)
    program.model.metadata_props[KEY] = metadata
    _halve(program.model.graph)
    program.save(path)


def _forget_where(model: Any) -> None:
    """Leave out what the exporter notes beside each node: stack traces, with the paths of this machine."""
    for graph in (model.graph, *model.functions.values()):
        graph.metadata_props.clear()
        for node in graph.all_nodes():
            node.metadata_props.clear()
            for value in (*node.inputs, *node.outputs):
                if value is not None:
                    value.metadata_props.clear()


def _halve(graph: Any) -> None:
    """Store the large constants that float16 holds exactly in float16, each widened again by a node of its own."""
    import onnx_ir

    for name, value in list(graph.initializers.items()):
        numbers = value.const_value.numpy()
        with np.errstate(over="ignore"):
            halved = numbers.astype(np.float16)
        if numbers.dtype != np.float32 or numbers.size < FEW or not np.array_equal(halved.astype(np.float32), numbers):
            continue
        stored = onnx_ir.val(f"{name}.half", const_value=onnx_ir.tensor(halved, name=f"{name}.half"))
        widened = onnx_ir.node("Cast", [stored], attributes={"to": onnx_ir.DataType.FLOAT})
        value.replace_all_uses_with(widened.outputs[0])
        graph.initializers.pop(name)
        graph.initializers.add(stored)
        graph.insert_before(graph[0], widened)


def _facts(translator: TorchTranslator) -> dict[str, Any]:
    """What the exported model knows beside its networks."""
    domains = translator.domains
    return {
        "format": FORMAT,
        "header": asdict(translator.header),
        "weights": file_hash(translator.path),
        "fingerprint": translator.fingerprint,
        "needs_source": translator.needs_source,
        "rebuilds": translator.rebuilds,
        "routes": {domain: translator.targets_of(domain) for domain in domains},
        "lenders": {domain: translator.lender(domain) for domain in domains},
        "comparable": {domain: translator.comparable_with(domain) for domain in domains},
        "codes": {domain: text_of(translator.kept_codes(domain).float().cpu().numpy()) for domain in domains},
        "code_shape": list(translator.model.kept_codes.shape[2:]),
        "content_shape": list(translator.content_code_shape),
        "descriptor": translator.code_sizes[2],
        "classifiers": {
            name: {"classes": found.classes, "weight": text_of(found.weight), "bias": text_of(found.bias)}
            for name, found in translator.classifiers.items()
        },
    }


def _compared(
    translator: TorchTranslator, found: ExportedTranslator, squares: list[NDArray[np.uint8]]
) -> dict[str, Any]:
    """Differences of codes and pixels, over every domain that an image can become."""
    translator.model.to(translator.device).to(memory_format=torch.channels_last)
    if translator.descriptor is not None:
        translator.descriptor.to(translator.device)
    codes, pixels, translation = [0.0], [], found.folder / TRANSLATION
    for own, to in ((a, b) for a in translator.domains for b in translator.targets_of(a)):
        sources = [own] * len(squares) if translator.model.needs_source else None
        ours, theirs = translator.encode(squares, sources), found.encode(squares, sources)
        codes += [_apart(mine, other) for mine, other in zip(ours, theirs, strict=True)]
        if translator.descriptor is not None:
            codes.append(_apart(translator.described(squares, ours), found.described(squares, theirs)))
        for strength in CHECKED_STRENGTHS:
            wanted = translator.decode(ours, translator.target(to), strength, sources).astype(int)
            pixels.append(np.abs(wanted - found.decode(theirs, found.target(to), strength, sources)))
            if translation.is_file():
                whole = found.whole(translation, squares, found.target(to), strength, sources)
                pixels.append(np.abs(wanted - whole))
    return {
        "num_images": len(squares),
        "largest_code": max(codes),
        "largest_level": max(int(apart.max()) for apart in pixels),
        "differing": float(np.mean([(apart > 0).mean() for apart in pixels])),
    }


def _apart(code: Tensor, other: NDArray[np.float32]) -> float:
    numbers = code.float().cpu().numpy()
    return float(np.abs(numbers - other).max() / max(float(numbers.std()), 1e-6))

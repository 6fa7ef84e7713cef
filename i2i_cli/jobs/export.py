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

`encoder.onnx` and `decoder.onnx` are its two halves, which `i2i translate --runtime onnx` runs: one image is encoded
once, whatever the number of targets.
"""

import base64
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2i_cli.data.augment import from_levels, to_levels
from i2i_cli.data.cache import cache_folder
from i2i_cli.data.folders import Note, silent
from i2i_cli.data.glyphs import SAMPLE_SETS, VERSION
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.files import check_new, written_whole
from i2i_cli.inference.exported import DECODER, ENCODER, FORMAT, KEY, TRANSLATION, ExportedTranslator
from i2i_cli.inference.inputs import Failure, Loaded, find_sources, load_batches
from i2i_cli.inference.loaded import DOMAINS, Translator
from i2i_cli.models.family import Codes, TranslationModel

CHECKED = 16
"""Images that an export is compared with torch on."""

CHECKED_STRENGTHS = (1.0, 0.5)

TOLERANCE = 3
"""Levels of 255 that a pixel may differ by; rounding makes 1."""


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
    translator: Translator, folder: Path, images: Path, overwrite: bool = False, note: Note = silent
) -> ExportResult:
    """Write `encoder.onnx`, `decoder.onnx` and `translation.onnx`, compare them with torch, then give them their names.

    Args:
        images: a folder whose first images the comparison is made on.
        note: told which files of it are passed over.

    Raises:
        ConfigError: the extra is not installed.
        DataError: a file is there already, or cannot be written; no image can be read.
        WeightsError: what was exported does something else than the model.
    """
    for name in (ENCODER, DECODER, TRANSLATION):
        check_new(folder / name, overwrite)
    (batch,) = list(load_batches(find_sources([images], True, note=note)[:CHECKED], translator.image_size))
    failures = [item.error for item in batch if isinstance(item, Failure)]
    if len(failures) == len(batch):
        raise failures[0]
    squares = [item.square for item in batch if isinstance(item, Loaded)]
    programs = _programs(translator, squares)
    with (
        written_whole(folder / ENCODER) as encoder,
        written_whole(folder / DECODER) as decoder,
        written_whole(folder / TRANSLATION) as translation,
    ):
        for path, program in zip((encoder, decoder, translation), programs, strict=True):
            program(path)
        found = ExportedTranslator.of_files(encoder, decoder)
        result = _compared(translator, found, translation, squares)
        if result["largest_level"] > TOLERANCE:
            raise WeightsError(
                f"the export differs from torch by {result['largest_level']} of 255 levels; nothing was written",
                "use the versions of torch and onnxruntime that the tests pass with: constraints.txt",
            )
    return ExportResult(files=tuple(folder / name for name in (ENCODER, DECODER, TRANSLATION)), **result)


def sample_images() -> Path:
    """A folder of built-in images, drawn where it is not there yet."""
    root = cache_folder() / f"glyph-styles-{VERSION}"
    SAMPLE_SETS["styles"](root)
    return root / "test"


def _programs(translator: Translator, squares: list[NDArray[np.uint8]]) -> list[Callable[[Path], None]]:
    """What writes each of the three graphs."""
    model = translator.model.cpu().to(memory_format=torch.contiguous_format).eval()
    images, metadata = torch.from_numpy(np.stack([squares[0], squares[-1]])), _facts(translator)
    source = {"source": torch.zeros(2, dtype=torch.int64)} if model.needs_source else {}
    content, domain = model.encode(from_levels(images), *source.values())
    content, domain = content.clone(), domain.clone()  # one tensor, where a family has one code twice
    target = {"code": domain[:1].clone(), "strength": torch.ones(())}
    return [
        _program(_Encoder(model), {"images": images} | source, ["content", "domain"], metadata),
        _program(_Decoder(model), {"content": content, "domain": domain}, ["images"], metadata),
        _program(_Translation(model), {"images": images} | target | source, ["translation"], metadata),
    ]


def _program(
    module: nn.Module, inputs: dict[str, Tensor], outputs: Sequence[str], metadata: str
) -> Callable[[Path], None]:
    if find_spec("onnxscript") is None:
        raise ConfigError("`i2i export` needs the extra onnx", "pip install 'i2i-cli[onnx]'")
    rows = torch.export.Dim("batch")
    shapes = {name: {0: rows} if tensor.dim() and len(tensor) == 2 else None for name, tensor in inputs.items()}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that inputs share an axis, as they are meant to
        program: Any = torch.onnx.export(
            module.eval(), (), kwargs=inputs, dynamo=True, dynamic_shapes=shapes, verbose=False,
            input_names=list(inputs), output_names=list(outputs),
        )  # fmt: skip
    program.model.metadata_props[KEY] = metadata
    return program.save


def _facts(translator: Translator) -> str:
    """What the exported model knows beside its networks, as JSON."""
    domains = translator.domains
    classifier = translator.classifiers.get(DOMAINS)
    facts = {
        "format": FORMAT,
        "header": asdict(translator.header),
        "needs_source": translator.model.needs_source,
        "routes": {domain: translator.targets_of(domain) for domain in domains},
        "lenders": {domain: translator.lender(domain) for domain in domains},
        "codes": {domain: _text(translator.kept_codes(domain)) for domain in domains},
        "code_shape": list(translator.model.kept_codes.shape[2:]),
        "classes": list(classifier.classes) if classifier else [],
        "classifier": [_text(classifier.weight), _text(classifier.bias)] if classifier else [],
    }
    return json.dumps(facts, sort_keys=True)


def _text(tensor: Tensor) -> str:
    return base64.b64encode(tensor.float().cpu().numpy().astype("<f4").tobytes()).decode()


def _compared(
    translator: Translator, found: ExportedTranslator, translation: Path, squares: list[NDArray[np.uint8]]
) -> dict[str, Any]:
    """Differences of codes and pixels, over every domain that an image can become."""
    translator.model.to(translator.device).to(memory_format=torch.channels_last)
    codes, pixels = [0.0], []
    for own, to in ((a, b) for a in translator.domains for b in translator.targets_of(a)):
        sources = [own] * len(squares) if translator.model.needs_source else None
        ours, theirs = translator.encode(squares, sources), found.encode(squares, sources)
        codes += [_apart(mine, other) for mine, other in zip(ours, theirs, strict=True)]
        for strength in CHECKED_STRENGTHS:
            wanted = translator.decode(ours, translator.target(to), strength, sources).astype(int)
            by_parts = found.decode(theirs, found.target(to), strength, sources)
            whole = found.whole(translation, squares, found.target(to), strength, sources)
            pixels += [np.abs(wanted - made) for made in (by_parts, whole)]
    return {
        "num_images": len(squares),
        "largest_code": max(codes),
        "largest_level": max(int(apart.max()) for apart in pixels),
        "differing": float(np.mean([(apart > 0).mean() for apart in pixels])),
    }


def _apart(code: Tensor, other: NDArray[np.float32]) -> float:
    numbers = code.float().cpu().numpy()
    return float(np.abs(numbers - other).max() / max(float(numbers.std()), 1e-6))

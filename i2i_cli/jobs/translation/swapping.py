"""Exchange the domain codes of two image files."""

from dataclasses import dataclass
from pathlib import Path

from i2i_cli.data.images import check_file
from i2i_cli.data.writing import OUTPUT_FORMATS, write_image
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.inference.translator import Translator
from i2i_cli.jobs.plots.sheets import swap_sheet


@dataclass(frozen=True, kw_only=True)
class Swap:
    """Two images and where the results go: `a_as_b` is the content of a with the domain code of b.

    `sources` are their domains, where codes need them; None takes the folder's, or predicts it. `crop`: the part of
    both that is meant, see `Translator.one_part`.
    """

    a: Path
    b: Path
    a_as_b: Path
    b_as_a: Path
    sheet: Path | None
    sources: tuple[str | None, str | None] = (None, None)
    crop: str | None = None


def plan_swap(
    a: Path,
    b: Path,
    out: Path | None,
    sheet: Path | None,
    *,
    sources: tuple[str | None, str | None] = (None, None),
    overwrite: bool,
    crop: str | None = None,
) -> Swap:
    """Results `A~B.png` and `B~A.png`, beside their inputs or in the folder `out`.

    Raises:
        DataError: an image is not there, or a result is and `overwrite` is not set.
        ConfigError: both would have one name.
    """
    for image in (a, b):
        check_file(image)
    if a.stem == b.stem:
        raise ConfigError(
            f"{a} and {b} have the same stem, so both results would get the same name", "rename one of them"
        )
    swap = Swap(
        a=a,
        b=b,
        a_as_b=(out or a.parent) / f"{a.stem}~{b.stem}.png",
        b_as_a=(out or b.parent) / f"{b.stem}~{a.stem}.png",
        sheet=sheet,
        sources=sources,
        crop=crop,
    )
    if sheet is not None and sheet.suffix.lower() not in OUTPUT_FORMATS:
        raise ConfigError(f"cannot write an image as {sheet.suffix!r}", f"use one of {', '.join(OUTPUT_FORMATS)}")
    if not overwrite:
        for path in (swap.a_as_b, swap.b_as_a, swap.sheet):
            if path is not None and path.exists():
                raise DataError(f"{path} exists already", "add --force to overwrite it")
    return swap


def swap_files(translator: Translator, swap: Swap) -> list[Path]:
    """Write the results of `swap`; returns their paths, the sheet last."""
    a_as_b, b_as_a = translator.swap_domain(swap.a, swap.b, sources=swap.sources, crop=swap.crop)
    write_image(swap.a_as_b, a_as_b)
    write_image(swap.b_as_a, b_as_a)
    if swap.sheet is None:
        return [swap.a_as_b, swap.b_as_a]
    write_image(swap.sheet, swap_sheet(swap.a, swap.b, a_as_b, b_as_a))
    return [swap.a_as_b, swap.b_as_a, swap.sheet]

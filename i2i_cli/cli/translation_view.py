"""What `i2i translate` tells of its work, and the pictures that it draws besides."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i_cli.cli.progress import progress
from i2i_cli.cli.report import TakenParts, print_error, print_result, say, with_crop, write_stdout
from i2i_cli.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from i2i_cli.inference.translator import Target
    from i2i_cli.jobs.translation.files import FileTranslation
    from i2i_cli.jobs.translation.planning import Outcome


def told(
    outcomes: "Generator[Outcome, None, None]",
    job: "FileTranslation | None",
    num_tasks: int,
    model: str,
    as_json: bool,
) -> "tuple[Sequence[Outcome], int]":
    """Tell each outcome; those that a sheet can show, and how many failed.

    Args:
        job: what they come from; None where there was nothing to do.
        model: what the weights are called.
    """
    shown, num_failed, parts, unlike = list["Outcome"](), 0, TakenParts(num_tasks), list[Path]()
    targets = () if job is None else job.targets
    codes = {target.label: target.kept for target in targets if target.kept is not None}
    with closing(outcomes), progress("translating", num_tasks) as report:  # a signal waits for what is being written
        for done, outcome in enumerate(outcomes, 1):
            num_failed += not _report(outcome, codes, as_json)
            unlike += [outcome.source] if outcome.unlike else []
            parts.taken(outcome.crop, outcome.faceless)
            report(done, num_tasks)
            if outcome.loaded is not None and len(shown) < SHEET_ROWS:
                shown.append(outcome)
    if num_failed < num_tasks and not as_json:
        _tell_drawn(targets)
    parts.end()
    if unlike:
        what = f"{unlike[0]} is" if len(unlike) == 1 else f"{len(unlike)} images, such as {unlike[0]}, are"
        say(f"{what} unlike what {model} was trained on: expect little of the result")
    return shown, num_failed


SHEET_ROWS = 64
"""Images that a sheet shows."""

FEW_CODES = 12
"""Drawn codes whose numbers fit on a line; of more, `--json` tells them."""


def _tell_drawn(targets: "Sequence[Target]") -> None:
    """Which kept codes were drawn, so that one that a person likes can be had again."""
    drawn: dict[str, list[str]] = {}
    for target in targets:
        if target.sample is not None:
            drawn.setdefault(str(target.domain), []).append(str(target.kept))
    if drawn and sum(map(len, drawn.values())) <= FEW_CODES:
        numbers = "; ".join(f"{domain} {', '.join(kept)}" for domain, kept in drawn.items())
        say(f"codes drawn (--code N): {numbers}")


def check_pictures(sheet: Path | None, gif: Path | None, force: bool, num_images: int) -> None:
    """Refuse what could not be drawn, before any work."""
    if sheet is None and gif is None:
        return
    from i2i_cli.files import check_new
    from i2i_cli.jobs.plots.sheets import check_picture
    from i2i_cli.jobs.translation.morph import check_morph

    for path, check in ((sheet, check_picture), (gif, check_morph)):
        if path is not None:
            check(path)
            check_new(path, force)
    if gif is not None and num_images > 1:
        raise ConfigError(f"--gif shows one image, not {num_images}", "name one image, or use --sheet")


def draw(job: "FileTranslation", shown: "Sequence[Outcome]", sheet: Path | None, gif: Path | None) -> None:
    """Draw what was translated, and say where."""
    from i2i_cli.jobs.plots.sheets import save_translations_sheet
    from i2i_cli.jobs.translation.morph import save_morph

    seen = [(outcome.loaded, outcome.squares) for outcome in shown if outcome.loaded is not None]
    if sheet is not None:
        rows = [[loaded.square, *squares] for loaded, squares in seen]
        save_translations_sheet(sheet, [target.label for target in job.targets], rows)
        say(f"sheet: {sheet}")
    if gif is not None:
        save_morph(gif, job.translator, seen[0][0], job.targets, job.own)
        say(f"morph: {gif}")


def _report(outcome: "Outcome", codes: Mapping[str, int], as_json: bool) -> bool:
    """Tell what became of one image; True if it succeeded. `codes`: numbers of kept codes, by label."""
    from i2i_cli.inference.inputs import url_of

    if outcome.note:
        say(f"{outcome.source}: {outcome.note}")
    if outcome.data:
        write_stdout(outcome.data)
    else:
        for label, path in outcome.written:
            output = url_of(path) or str(path)
            values: dict[str, Any] = {
                "input": url_of(outcome.source) or str(outcome.source),
                "to": label,
                "output": output,
            }
            values |= {"code": codes[label]} if label in codes else {}
            print_result(with_crop(values, outcome.crop), output, as_json)
    if outcome.error is not None:
        print_error(outcome.error)
    return outcome.error is None

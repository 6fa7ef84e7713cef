"""Help as plain text: options in groups, defaults and ranges in words. No colour, the same on any terminal."""

import re
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

INPUT, TARGET, OUTPUT, MODEL, MANY = "Input", "Target", "Output", "Model", "Many images"
"""Groups that several commands share."""

OUT = ("-o", "--out", "--output")
"""How every command calls the place of its results."""

FEW = 8
"""A command with no more options than these shows them in one list."""


class PlainCommand(TyperCommand):
    """A command whose help shows each `rich_help_panel` as a section of plain text (Typer draws boxes, or none)."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line, without Typer's braces around a single name."""
        return [re.sub(r"^\{([^|]*)\}$", r"\1", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options by group; those without a group come last."""
        arguments: list[tuple[str, str]] = []
        options: list[tuple[str, tuple[str, str]]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            line = record[0], in_words(record[1])
            if parameter.param_type_name == "argument":
                arguments.append(line)
            else:
                options.append((getattr(parameter, "rich_help_panel", None) or "", line))
        groups: dict[str, list[tuple[str, str]]] = {}
        for group, line in options:
            groups.setdefault(group if len(options) > FEW else "", []).append(line)
        rest = groups.pop("", [])
        last = "Other options" if groups else "Options"
        for title, lines in [("Arguments", arguments), *groups.items(), (last, rest)]:
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)


class App(typer.Typer):
    """A Typer app whose commands are `PlainCommand`s."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Register a command, as `typer.Typer.command` does."""
        return super().command(name, **{"cls": PlainCommand, **settings})


def in_words(text: str) -> str:
    """The help of one option: its default without Typer's brackets, its range without `x`."""
    text = re.sub(r"\[default: \((.*?)\)(?=[];])", r"[default: \1", text)
    text = re.sub(r"\bx>=(\d+)", r"\1 or more", text)
    return re.sub(r"\b(\d+)<=x<=(\d+)", r"\1 to \2", text)

"""Settings: TOML and `section.key=value` texts into frozen dataclasses, and back.

Each dataclass stands beside what it configures; this file only knows how to fill and print them.
Values are checked by the dataclass's own `__post_init__`.
"""

import difflib
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from i2i_cli.errors import ConfigError

Config = TypeVar("Config")


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint for a name that is not known: the closest one, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: the file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the config {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def parse_assignment(text: str) -> dict[str, Any]:
    """`"objective.weights.pixel=2"` as nested tables. The value is TOML; a bare word is a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r} has no value", "write it as section.key=value")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return parsed


def merged(tables: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`tables` with `over` laid over it, table by table."""
    result = dict(tables)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def updated(config: Config, tables: Mapping[str, Any], prefix: str = "") -> Config:
    """A copy of `config` with the nested `tables` laid over it.

    Raises:
        ConfigError: an unknown key (its nearest match is named), or a value of the wrong type.
    """
    hints = get_type_hints(type(config))
    changes: dict[str, Any] = {}
    for key, value in tables.items():
        if key not in hints:
            known = _dotted_keys(config) if not prefix else [prefix + name for name in hints]
            raise ConfigError(f"no setting is called {prefix + key!r}", _suggestion(prefix + key, known))
        current = getattr(config, key)
        if is_dataclass(current):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{prefix + key!r} is a table of settings, not {value!r}")
            changes[key] = updated(current, value, f"{prefix}{key}.")
        else:
            changes[key] = _checked(prefix + key, value, hints[key])
    return replace(config, **changes)  # type: ignore[type-var]  # Config is always a dataclass


def to_toml(config: Any, comment: str = "", facts: Mapping[str, Any] | None = None) -> str:
    """The whole config as TOML text, `facts` on top, tables after plain values, `None` left out."""
    lines = [f"# {line}" for line in comment.splitlines()]
    _write_table({**(facts or {}), **asdict(config)}, "", lines)
    return "\n".join(lines) + "\n"


def _suggestion(name: str, known: list[str]) -> str:
    leaf = name.rpartition(".")[2]
    same_leaf = [key for key in known if key.rpartition(".")[2] == leaf]
    return f"did you mean {same_leaf[0]!r}?" if same_leaf else nearest(name, known)


def _dotted_keys(config: Any, prefix: str = "") -> list[str]:
    keys = []
    for field in fields(config):
        value = getattr(config, field.name)
        keys.append(prefix + field.name)
        if is_dataclass(value):
            keys += _dotted_keys(value, f"{prefix}{field.name}.")
    return keys


def _checked(key: str, value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    wanted = (origin,) if origin in (tuple, dict) else get_args(hint) or (hint,)
    if isinstance(value, bool) and bool not in wanted:
        raise ConfigError(f"{key} = {value!r} is true or false", f"it takes {_type_names(wanted)}")
    if float in wanted and isinstance(value, int) and int not in wanted and abs(value) < 2**1000:
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key} = {value} is not a finite number")
    if isinstance(value, list):
        value = tuple(value)
    if not isinstance(value, tuple(kind for kind in wanted if isinstance(kind, type))):
        raise ConfigError(f"{key} = {repr(value)[:80]} has the wrong type", f"it takes {_type_names(wanted)}")
    if isinstance(value, tuple):
        element = get_args(hint)[0]
        return tuple(_checked(f"{key}[{place}]", item, element) for place, item in enumerate(value))
    return value


def _type_names(kinds: tuple[Any, ...]) -> str:
    words = {
        int: "a whole number",
        float: "a number",
        str: "text",
        bool: "true or false",
        tuple: "a list",
        dict: "a table",
    }
    return " or ".join(words.get(kind, str(kind)) for kind in kinds if kind is not type(None))


def _write_table(table: Mapping[str, Any], name: str, lines: list[str]) -> None:
    if name:
        lines += ["", f"[{name}]"]
    for key, value in table.items():
        if not isinstance(value, Mapping) and value is not None:
            lines.append(f"{key} = {_toml_value(value)}")
    for key, value in table.items():
        if isinstance(value, Mapping):
            _write_table(value, f"{name}.{key}".lstrip("."), lines)


def _toml_value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, float):
        return repr(value)
    # A JSON string is a valid TOML basic string, except that TOML wants DEL escaped too.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

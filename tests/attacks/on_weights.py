"""Damaged, foreign and malicious files in the place of weights and galleries."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.attacks.corpus import damaged
from tests.attacks.processes import i2i
from tests.attacks.report import Findings
from tests.conftest import draw_image

GROWTH = 192 * 2**20
"""Memory that a small file may cost, bytes; a sound one costs a good half of it."""

ADDRESSES = 2**30

MARK = "code-was-run"
WORDS = (
    "disc",
    "",
    "../../escaped",
    "a/b",
    "/etc/passwd",
    "\x1b[31m",
    "a\nb",
    "🙂",
    "x" * 70_000,
    "..",
    "-w",
    "\ud800",
)
NUMBERS = (0, -1, 1, 3, 2**31, 2**53, 2**64, 10**30, 1e308, -0.5, float("nan"), float("inf"))

Parts = tuple[dict[str, Any], bytes]
"""The JSON header of a safetensors file, and the bytes behind it."""


def attack(count: int, seed: int, run: Path, folder: Path) -> Findings:
    """`count` files in all, four of five of them in the place of weights, the others of a gallery."""
    findings, rng = Findings("damaged weights and galleries"), random.Random(seed)
    folder.mkdir(parents=True)
    draw_image("disc", (200, 40, 40), 3).save(folder / "query.png")
    known = [run / "model.safetensors", run / "gallery.safetensors", run / "state.safetensors"]
    files = [path.read_bytes() for path in known]
    for number in range(count):
        is_gallery = number % 5 == 4
        own, other = files[is_gallery], files[rng.randrange(3)]
        victim = folder / "victim.safetensors"
        victim.write_bytes(_made(own, other, rng))
        words = _words(victim.name, is_gallery, number, run)
        ended = i2i(*words, cwd=folder, memory=ADDRESSES, timeout=60)
        before = len(findings.faults)
        findings.watch(ended, f"file {number}, {' '.join(words)}")
        findings.check(ended.grown <= GROWTH, f"file {number} took {ended.grown / 2**20:.0f} MiB, {' '.join(words)}")
        findings.check("not enough memory" not in ended.err, f"file {number} asked for too much memory: {words}")
        findings.check(
            ended.code == 0 or "error: " in ended.err, f"file {number}: no error, code {ended.code}: {words}"
        )
        strangers = {path.name for path in folder.iterdir()} - {victim.name, "query.png", "runs", "out.png", "out.csv"}
        strangers -= {path.name for path in folder.glob("fault-*")}
        findings.check(not strangers, f"file {number} left {strangers}")
        findings.check(not (folder.parent / "escaped-disc.png").exists(), f"file {number} got out of its folder")
        findings.outcomes["refused in a sentence" if ended.code else "used all the same"] += 1
        if len(findings.faults) > before:
            victim.rename(folder / f"fault-{number}.safetensors")
    return findings


def _words(victim: str, is_gallery: bool, number: int, run: Path) -> list[str]:
    """A command that reads the file; they take turns."""
    cpu, own = ["--device", "cpu"], ["-w", str(run), "--device", "cpu"]
    galleries = [
        ["neighbours", "query.png", "--gallery", victim, *own],
        ["fit-classifier", victim, "--labels", "made", "-o", "out.csv", "--force", *own],
        ["index", "--merge", victim, str(run / "gallery.safetensors"), "-o", "out.csv", "--force"],
    ]
    models = [
        ["translate", "query.png", "--to", "disc", "-w", victim, "-o", "out.png", "--force", *cpu],
        ["weights", "check", victim],
        ["classify", "query.png", "-w", victim, *cpu],
        ["weights", "show", victim],
        ["swap-domain", "query.png", "query.png", "-w", victim, "-o", "out.png", "--force", *cpu],
        ["neighbours", "query.png", "--gallery", str(run / "gallery.safetensors"), "-w", victim, *cpu],
    ]
    commands = galleries if is_gallery else models
    return commands[number // 5 % len(commands)]


def _made(own: bytes, other: bytes, rng: random.Random) -> bytes:
    """A third of the files damaged blindly, a third in the header's values, the rest in ways of their own."""
    kind = rng.random()
    if kind < 0.3:
        return damaged(own, other, rng)
    if kind < 0.6:
        return _with_odd_value(own, rng)
    return rng.choice(_MAKERS)(own, other, rng)


def split(data: bytes) -> Parts:
    """The parts of a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: Any, rest: bytes) -> bytes:
    """A safetensors file, or something that opens like one."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


def _leaves(value: Any, path: tuple = ()) -> list[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [leaf for key, item in inner for leaf in _leaves(item, (*path, key))]


def _odd_value(rng: random.Random) -> Any:
    deep: Any = 1
    for _ in range(rng.choice((1, 3, 3000))):
        deep = [deep]
    return rng.choice(
        (None, True, {}, [], deep, rng.choice(WORDS), rng.choice(WORDS), rng.choice(NUMBERS), rng.choice(NUMBERS))
    )


def _with_odd_value(data: bytes, rng: random.Random) -> bytes:
    """One value of our own header, at any depth, made another."""
    header, rest = split(data)
    (key,) = header["__metadata__"]
    ours = json.loads(header["__metadata__"][key])
    for path in rng.choices(_leaves(ours), k=rng.choice((1, 1, 2))):
        place = ours
        try:
            for step in path[:-1]:
                place = place[step]
            if rng.random() < 0.15:
                del place[path[-1]]
            else:
                place[path[-1]] = _odd_value(rng)
        except (KeyError, IndexError, TypeError):
            continue  # the first change took the second one's place away
    try:
        header["__metadata__"][key] = json.dumps(ours)
    except RecursionError:
        return data[:1000]
    return joined(header, rest)


def _tensors(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Names, types, shapes and offsets that lie."""
    header, rest = split(data)
    names = [name for name in header if name != "__metadata__"]
    name = rng.choice(names)
    entry = header[name]
    change = rng.randrange(8)
    if change == 0:
        header[rng.choice(("../" + name, name + ".x", "", "x" * 100_000))] = header.pop(name)
    elif change == 1:
        del header[name]
    elif change == 2:
        entry["dtype"] = rng.choice(("F64", "F16", "BF16", "I64", "I8", "BOOL", "F8_E4M3", "C64", "X", 7, None))
    elif change == 3:
        entry["shape"] = rng.choice(([2**62, 2**62], [-1], [0], [], entry["shape"][::-1], [10**12], "big", [1.5]))
    elif change == 4:
        entry["data_offsets"] = rng.choice(([-8, 0], [0, 2**63], [8, 0], [0, len(rest) * 2], [0], "all", [0, 0]))
    elif change == 5:
        header[rng.choice(names)] = entry
    elif change == 6:
        header["extra"] = {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}
    else:
        rest = rest[: rng.randrange(len(rest))] if rng.random() < 0.5 else rest + b"\0" * rng.randint(1, 999)
    return joined(header, rest)


def _not_numbers(data: bytes, other: bytes, rng: random.Random) -> bytes:
    header, rest = split(data)
    patterns = (b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff\xff\x7f\x7f", b"\x00\x7e\x00\x7e", b"\x00\x7c\x00\xfc")
    start = rng.randrange(len(rest)) // 4 * 4
    length = rng.choice((4, 400, len(rest)))
    return joined(header, rest[:start] + rng.choice(patterns) * (length // 4) + rest[start + length :])[
        : len(data) + 10**6
    ]


def _foreign_header(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """The metadata of another file on these tensors."""
    header, rest = split(data)
    return joined(header | {"__metadata__": split(other)[0]["__metadata__"]}, rest)


def _odd_metadata(data: bytes, other: bytes, rng: random.Random) -> bytes:
    header, rest = split(data)
    (key,) = header["__metadata__"]
    bomb = "[" * 200_000
    texts = ("", "null", "7", '"i2i"', "{}", "[]", '{"format": 99}', bomb, '{"a":' * 90_000, "NaN", "\x00", "{")
    header["__metadata__"] = rng.choice(
        (
            None,
            7,
            [],
            {},
            {key: 7},
            {"other": "x"},
            *({key: text} for text in texts),
            {str(i): "x" for i in range(20_000)},
        )
    )
    return joined(header, rest)


def _future(data: bytes, other: bytes, rng: random.Random) -> bytes:
    header, rest = split(data)
    (key,) = header["__metadata__"]
    ours = json.loads(header["__metadata__"][key])
    header["__metadata__"][key] = json.dumps(ours | {"format": rng.choice((2, 99, 10**9, "2", None))})
    return joined(header, rest)


def _no_weights(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Files of other kinds; the pickle would leave a file behind, were it ever loaded."""
    command = f"touch {MARK}".encode()
    call = b"\x80\x02cposix\nsystem\n(U" + bytes([len(command)]) + command + b"tR."
    return rng.choice(
        (
            b"", b"\0", b"\0" * 4096, b"\xff" * 4096, call, b"PK\x03\x04" + rng.randbytes(500), rng.randbytes(2000),
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n", b"<!DOCTYPE html><html></html>",
            b"\x89PNG\r\n\x1a\n" + bytes(99), (2**62).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"{}",
            (16 * 2**20).to_bytes(8, "little") + b"{}", (2**63).to_bytes(8, "little") + data[8:], other,
            b"#!/bin/sh\ntouch " + MARK.encode(), os.urandom(8) + data,
        )
    )  # fmt: skip


def _large_header(data: bytes, other: bytes, rng: random.Random) -> bytes:
    header, rest = split(data)
    size = rng.choice((10**6, 10**7, 3 * 10**7))
    text = json.dumps(header | {"__metadata__": header["__metadata__"] | {"pad": "x" * size}}).encode()
    return len(text).to_bytes(8, "little") + text + rest


_MAKERS: tuple[Callable[[bytes, bytes, random.Random], bytes], ...] = (
    _tensors, _tensors, _tensors, _not_numbers, _foreign_header, _odd_metadata, _future, _no_weights, _no_weights,
    _large_header,
)  # fmt: skip

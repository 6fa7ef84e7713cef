import os
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from i2i_cli.data.domains import Item
from i2i_cli.jobs.training.config import leaves_size_open, run_config
from i2i_cli.jobs.training.image_size import SAMPLE, median_size, propose_size
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.start import resume, train


def draw(folder: Path, *sizes: tuple[int, int]) -> list[Item]:
    folder.mkdir(parents=True, exist_ok=True)
    items = []
    for number, size in enumerate(sizes):
        items.append(Item(path=folder / f"{number:03d}.png", label=0, key=str(number)))
        Image.new("RGB", size).save(items[-1].path)
    return items


@pytest.mark.parametrize(
    ("size", "device", "chosen"),
    [
        ((20, 90), "cpu", 32),
        ((63, 90), "cpu", 32),
        ((64, 64), "cpu", 64),
        ((178, 218), "cpu", 64),
        ((178, 218), "mps", 64),
        ((178, 218), "cuda", 128),
        ((1000, 2000), "cuda", 128),
        ((127, 400), "cuda", 64),
    ],
)
def test_the_images_and_the_device_decide(tmp_path: Path, size: tuple[int, int], device: str, chosen: int) -> None:
    proposed = propose_size(draw(tmp_path, size), device)
    assert proposed is not None and proposed[0] == chosen
    assert proposed[1].startswith(f"images of {size[0]} x {size[1]} (median): training at {chosen} px")


def test_what_another_size_costs_is_told_where_the_images_have_it(tmp_path: Path) -> None:
    def told(size: int, device: str) -> str:
        proposed = propose_size(draw(tmp_path, (size, size)), device)
        assert proposed is not None
        return proposed[1]

    assert told(128, "cpu").endswith("; --image-size 128 shows more, and takes two to three times as long")
    assert told(128, "cuda").endswith("; --image-size 64 trains faster")
    assert "--image-size" not in told(100, "cpu") + told(40, "cpu") + told(100, "cuda")


def test_the_median_is_taken_over_an_even_sample_and_what_is_no_image_is_passed_over(tmp_path: Path) -> None:
    items = draw(tmp_path, *[(40, 40)] * SAMPLE, *[(90, 80)] * (2 * SAMPLE))
    proposed = propose_size(items, "cpu")
    assert proposed is not None and proposed[1].startswith("images of 90 x 80")
    items[0].path.write_bytes(b"junk")
    os.mkfifo(tmp_path / "pipe.png")
    assert median_size([items[0].path, tmp_path / "pipe.png", tmp_path / "none.png"]) is None
    assert median_size([items[0].path, items[1].path]) == (40, 40)
    assert propose_size(items[:1], "cpu") is None


def test_a_size_that_the_networks_cannot_have_is_not_proposed(tmp_path: Path) -> None:
    items = draw(tmp_path, (40, 40))
    proposed = propose_size(items, "cpu", above=32)
    assert proposed is not None and proposed[0] == 64
    assert propose_size(items, "cpu", above=64) is None


def test_only_headers_are_read(tmp_path: Path) -> None:
    items = draw(tmp_path, (90, 90))
    data = items[0].path.read_bytes()
    items[0].path.write_bytes(data[: len(data) // 2])  # cut off: no pixel can be read
    assert propose_size(items, "cpu") is not None


def test_the_size_is_open_where_nobody_names_it(domains: Path, tmp_path: Path) -> None:
    root = {"data": {"root": str(domains)}}
    few, whole = tmp_path / "few.toml", tmp_path / "whole.toml"
    few.write_text("[training]\nsteps = 4\n")
    whole.write_text("[data]\nimage_size = 64\n")
    assert leaves_size_open(root) and leaves_size_open(root, few)
    assert not leaves_size_open({})  # the built-in images are drawn for 64 px
    assert not leaves_size_open(root, whole)
    assert not leaves_size_open(root, few, ["data.image_size=64"])
    assert not leaves_size_open({"data": {"root": str(domains), "image_size": 64}})


class Notes(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_the_choice_is_written_down_and_kept(tiny: dict, tmp_path: Path, run: Path) -> None:
    tiny["data"] = {"root": tiny["data"]["root"]}
    config = run_config(tiny)
    assert config.data.image_size == 64
    notes = Notes()
    train(config, tmp_path / "run", choose_size=True, observer=notes, should_stop=lambda: True)
    assert tomllib.loads((tmp_path / "run" / "config.toml").read_text())["data"]["image_size"] == 32
    assert "images of 40 x 36 (median): training at 32 px" in notes.notes
    notes = Notes()
    resume(tmp_path / "run", observer=notes, should_stop=lambda: True)
    assert not any("(median)" in text for text in notes.notes)
    train(config, tmp_path / "as-asked", should_stop=lambda: True)
    assert tomllib.loads((tmp_path / "as-asked" / "config.toml").read_text())["data"]["image_size"] == 64


def test_weights_to_start_from_keep_the_size(tiny: dict, tmp_path: Path, run: Path) -> None:
    notes = Notes()
    train(
        run_config(tiny), tmp_path / "new", init=run / "model.safetensors", choose_size=True, observer=notes,
        should_stop=lambda: True,
    )  # fmt: skip
    assert not any("(median)" in text for text in notes.notes)

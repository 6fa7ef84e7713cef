import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from i2i_cli.cli import app
from tests.conftest import trusted

RUNNER = CliRunner()


@pytest.fixture
def here(tmp_path: Path, run: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a finished run, and `photo.jpg`."""
    trusted(shutil.copytree(run, tmp_path / "runs" / "shapes"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def translate(*words: str, code: int = 0, stdin: bytes | None = None):
    result = RUNNER.invoke(app, ["translate", *words], input=stdin)
    assert result.exit_code == code, result.stderr
    return result


def size(path: Path | str) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


def test_the_card_s_command_works(here: Path) -> None:
    result = translate("photo.jpg", "--to", "disc")
    assert result.stdout == "photo-disc.png\n"
    assert size("photo-disc.png") == (200, 120)
    assert result.stderr == "weights: runs/shapes (srae, 32 px, disc, square, step 6)\n"


def test_several_targets_and_samples(here: Path) -> None:
    lines = translate("photo.jpg", "--to", "disc", "--to", "square", "--samples", "2").stdout.splitlines()
    assert lines == ["photo-disc-1.png", "photo-disc-2.png", "photo-square-1.png", "photo-square-2.png"]
    assert all(Path(line).is_file() for line in lines)


def test_a_crop_is_a_result_of_its_own(here: Path) -> None:
    assert translate("photo.jpg", "--crop", "20,10,90,80", "--to", "disc").stdout == "photo-disc.png\n"
    assert size("photo-disc.png") == (90, 80)
    beyond = translate("photo.jpg", "--crop", "0,0,2000,80", "--to", "disc", "--force", code=1)
    assert "photo.jpg is 200x120: the crop 0,0,2000,80 reaches beyond it" in beyond.stderr
    assert "not of the form X,Y,W,H" in translate("photo.jpg", "--crop", "20", "--to", "disc", code=2).stderr


def test_like_needs_no_to(here: Path, domains: Path) -> None:
    assert translate("photo.jpg", "--like", str(domains / "disc" / "01.png")).stdout == "photo-01.png\n"
    assert (
        translate("photo.jpg", "--like", "photo.jpg", "--to", "square", "--size", "model").stdout
        == "photo-square.png\n"
    )
    assert size("photo-square.png") == (32, 19)


def test_json_is_one_object_a_line(here: Path) -> None:
    lines = translate("photo.jpg", "--to", "disc", "--to", "square", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"input": "photo.jpg", "to": name, "output": f"photo-{name}.png"} for name in ("disc", "square")
    ]


def test_a_folder_is_mirrored_and_one_bad_image_does_not_stop_the_rest(here: Path, domains: Path) -> None:
    (domains / "disc" / "07.png").write_bytes(b"junk")
    result = translate(str(domains), "-r", "--to", "square", "-o", "out", code=1)
    assert len(result.stdout.splitlines()) == 31
    assert size("out/square/03-square.png") == (40, 36)
    assert result.stderr.count("07.png") == 1 and "1 of 32 images failed" in result.stderr
    assert not Path("out/disc/07-square.png").exists()


def test_nothing_is_overwritten_unasked(here: Path) -> None:
    Path("photo-disc.png").write_text("mine")
    result = translate("photo.jpg", "--to", "disc", code=1)
    assert Path("photo-disc.png").read_text() == "mine" and "--force" in result.stderr
    assert translate("photo.jpg", "--to", "disc", "--skip-existing").stdout == ""
    assert Path("photo-disc.png").read_text() == "mine"
    translate("photo.jpg", "--to", "disc", "--force")
    assert size("photo-disc.png") == (200, 120)


def test_skip_existing_fills_what_is_missing(here: Path) -> None:
    Path("photo-disc.png").write_text("mine")
    result = translate("photo.jpg", "--to", "disc", "--to", "square", "--skip-existing")
    assert result.stdout == "photo-square.png\n"
    assert Path("photo-disc.png").read_text() == "mine" and size("photo-square.png") == (200, 120)


def test_shards_of_a_folder_together_are_all_of_it(here: Path, domains: Path) -> None:
    folder = str(domains / "disc")
    parts = [
        translate("-r", folder, "--to", "square", "-o", "out", "--shard", part).stdout.split()
        for part in ("1/2", "2/2")
    ]
    assert len(parts[0]) == len(parts[1]) == 8
    assert sorted(parts[0] + parts[1]) == sorted(str(path) for path in Path("out").iterdir())


def test_an_interrupted_folder_is_gone_on_with_by_the_same_command(here: Path, domains: Path) -> None:
    words = [str(domains / "disc"), "-r", "--to", "square", "--skip-existing"]
    assert len(translate(*words).stdout.splitlines()) == 16
    (domains / "disc" / "03-square.png").unlink()
    assert translate(*words).stdout == f"{domains}/disc/03-square.png\n"
    assert len(list((domains / "disc").iterdir())) == 32


def test_a_name_that_is_too_long_stops_only_itself(here: Path, photo: Path) -> None:
    long = photo.with_name("x" * 248 + ".jpg")
    shutil.copy(photo, long)
    result = translate(str(long), "photo.jpg", "--to", "disc", code=1)
    assert result.stdout == "photo-disc.png\n" and "1 of 2 images failed" in result.stderr


def test_pipes(here: Path) -> None:
    command = [sys.executable, "-m", "i2i_cli", "translate", "-", "--to", "disc"]
    found = subprocess.run(command, input=Path("photo.jpg").read_bytes(), capture_output=True, cwd=here)
    assert found.returncode == 0, found.stderr
    with Image.open(io.BytesIO(found.stdout)) as image:
        assert image.format == "PNG" and image.size == (200, 120)
    to_stdout = subprocess.run([*command[:4], "photo.jpg", "--to", "disc", "-o", "-"], capture_output=True, cwd=here)
    assert to_stdout.stdout == found.stdout
    to_file = subprocess.run(
        [*command, "-o", "x.webp"], input=Path("photo.jpg").read_bytes(), capture_output=True, cwd=here
    )
    assert to_file.stdout == b"x.webp\n" and size(here / "x.webp") == (200, 120)
    bad = subprocess.run(command, input=b"not an image", capture_output=True, cwd=here)
    assert bad.returncode == 1 and bad.stdout == b"" and b"error: stdin: not an image" in bad.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["photo.jpg"], 2, "nothing to translate to"),
        (["photo.jpg", "--to", "disk"], 2, "did you mean 'disc'?"),
        (["photo.jpg", "--to", "disc", "-w", "shaeps"], 2, "did you mean 'shapes'?"),
        (["none.jpg", "--to", "disc"], 1, "none.jpg: no such file"),
        ([".", "--to", "disc"], 2, "add -r"),
        (["photo.jpg", "--to", "disc", "--size", "big"], 2, "--size 'big'"),
        (["photo.jpg", "--like", "photo.jpg", "--samples", "2"], 2, "--like takes no --samples"),
        (["photo.jpg", "--like", "photo.jpg", "--to", "disk"], 2, "did you mean 'disc'?"),
        (["photo.jpg", "--to", "disc", "-o", "x.gif"], 2, "cannot write an image as '.gif'"),
        (["photo.jpg", "--to", "disc", "--samples", "99"], 2, "15 codes"),
        (["photo.jpg", "--to", "disc", "-o", "-", "--json"], 2, "--json"),
        (["photo.jpg", "--to", "disc", "-o", "photo.jpg"], 2, "overwrite its input"),
        (["photo.jpg", "--to", "disc", "--device", "cuda:77"], 1, "no cuda:77 here"),
        (["photo.jpg", "--to", "disc", "--shard", "3/2"], 2, "--shard '3/2' is not of the form I/N"),
        (["photo.jpg", "--to", "disc", "--engine", "spark"], 2, "use local or ray"),
        (["photo.jpg", "--to", "disc", "--runtime", "tflite"], 2, "use auto, torch, onnx"),
        (["photo.jpg", "--to", "disc", "--runtime", "onnx"], 2, "make it: i2i export"),
        (["photo.jpg", "--to", "disc", "--engine", "ray", "--runtime", "onnx"], 2, "--engine ray runs torch"),
        (["photo.jpg", "--to", "disc", "--engine", "ray", "--device", "cpu"], 2, "leave --device out"),
        (["s3://bucket/photo.jpg", "--to", "disc"], 2, "s3://bucket/photo.jpg is an address"),
    ],
)
def test_bad_input_gets_one_clear_sentence(here: Path, words: list[str], code: int, said: str) -> None:
    before = set(here.rglob("*"))
    result = translate(*words, code=code)
    assert said in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == "" and set(here.rglob("*")) == before


def test_frames_are_mentioned(here: Path) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    frames[0].save("a.gif", save_all=True, append_images=frames[1:])
    assert "a.gif: first of 2 frames" in translate("a.gif", "--to", "disc").stderr


def test_translating_imports_no_torchvision(here: Path) -> None:
    code = (
        "import sys; from i2i_cli.cli import app\n"
        "try: app(['translate', 'photo.jpg', '--to', 'disc'])\nexcept SystemExit: pass\n"
        "print([name for name in ('torchvision', 'matplotlib') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=here, check=True)
    assert found.stdout.splitlines() == ["photo-disc.png", "[]"]


def test_a_dual_model_in_a_batch(dual_run: Path, factors: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = [f"factors/{domain}/0{i}.png" for domain, two in (("grey_disc", "12"), ("red_square", "34")) for i in two]
    result = translate(*images, "--to", "red_disc", "-w", str(dual_run), "-o", "out", code=1)
    assert result.stdout.splitlines() == ["out/01-red_disc.png", "out/02-red_disc.png"]
    for path in images[2:]:
        assert f"{path} is of red_square, which translates to grey_square, not red_disc" in result.stderr
    assert "2 of 4 images failed" in result.stderr and size("out/01-red_disc.png") == (40, 36)


def test_a_dual_model_of_stdin_by_a_partner(dual_run: Path, factors: Path) -> None:
    data = (factors / "grey_disc" / "03.png").read_bytes()
    words = ["-", "--from", "grey_disc", "-w", str(dual_run)]
    by_code = translate(*words, "--to", "red_disc", stdin=data).stdout_bytes
    by_image = translate(*words, "--like", str(factors / "red_square" / "05.png"), stdin=data).stdout_bytes
    for png in (by_code, by_image):
        assert Image.open(io.BytesIO(png)).size == (40, 36)
    assert by_code != by_image
    said = translate(*words, "--to", "grey_square", stdin=data, code=1).stderr
    assert "- is of grey_disc" in said and "use --to red_disc" in said
    assert "no domain 'grey_disk'" in translate("-", "--from", "grey_disk", "--to", "red_disc", "-w", str(dual_run),
                                                stdin=data, code=2).stderr  # fmt: skip


def test_samples_of_a_dual_model_are_codes_of_the_partner(dual_run: Path, factors: Path, tmp_path: Path) -> None:
    words = [str(factors / "grey_disc" / "03.png"), "--to", "red_disc", "--samples", "3", "-w", str(dual_run)]
    lines = translate(*words, "-o", str(tmp_path / "o")).stdout.splitlines()
    assert [Path(line).name for line in lines] == [f"03-red_disc-{i}.png" for i in (1, 2, 3)]
    assert len({Path(line).read_bytes() for line in lines}) == 3

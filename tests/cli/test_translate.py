import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw
from typer.testing import CliRunner

from i2i_cli.checkpoints.header import read_header
from i2i_cli.cli import app
from tests.checkpoints.test_names import rewrite
from tests.conftest import trusted

RUNNER = CliRunner()
PORTRAIT = Path(__file__).parents[2] / "docs" / "astronaut.jpg"


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
    assert result.stderr.startswith("weights: runs/shapes (srae, 32 px, disc, square, step 6)\n")


def test_several_targets_and_samples(here: Path) -> None:
    lines = translate("photo.jpg", "--to", "disc", "--to", "square", "--samples", "2").stdout.splitlines()
    assert lines == ["photo-disc-1.png", "photo-disc-2.png", "photo-square-1.png", "photo-square-2.png"]
    assert all(Path(line).is_file() for line in lines)


def test_a_kept_code_is_taken_by_its_number(here: Path) -> None:
    result = translate("photo.jpg", "--to", "disc", "--to", "square", "--code", "5")
    assert result.stdout == "photo-disc-code5.png\nphoto-square-code5.png\n"
    (line,) = translate("photo.jpg", "--to", "disc", "--code", "5", "--json", "--force").stdout.splitlines()
    assert json.loads(line) == {"input": "photo.jpg", "to": "disc-code5", "output": "photo-disc-code5.png", "code": 5}
    translate("photo.jpg", "--to", "disc", "--code", "1", "-o", "first.png")
    translate("photo.jpg", "--to", "disc", "-o", "default.png")
    assert Path("first.png").read_bytes() == Path("default.png").read_bytes()
    assert Path("first.png").read_bytes() != Path("photo-disc-code5.png").read_bytes()


def test_a_sample_can_be_had_again(here: Path) -> None:
    words = ("photo.jpg", "--to", "disc", "--samples", "3", "--seed", "4", "--force")
    told = [json.loads(line) for line in translate(*words, "--json").stdout.splitlines()]
    drawn = [line["code"] for line in told]
    assert [line["to"] for line in told] == ["disc-1", "disc-2", "disc-3"] and len(set(drawn)) == 3
    assert f"codes drawn (--code N): disc {', '.join(map(str, drawn))}\n" in translate(*words).stderr
    translate("photo.jpg", "--to", "disc", "--code", str(drawn[1]), "-o", "again.png")
    assert Path("again.png").read_bytes() == Path("photo-disc-2.png").read_bytes()
    assert "codes drawn" not in translate(*words, "--json").stderr, "they are in the lines"
    assert "codes drawn" not in translate("photo.jpg", "--to", "disc", "--samples", "15", "--force").stderr, "too many"


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
        {"input": "photo.jpg", "to": name, "output": f"photo-{name}.png", "code": 1} for name in ("disc", "square")
    ]
    (line,) = translate("photo.jpg", "--like", "photo.jpg", "--json", "-o", "x.png").stdout.splitlines()
    assert "code" not in json.loads(line), "the code of an image is none of the kept ones"


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
    words = [str(domains / "disc"), "-r", "--to", "square", "--skip-existing", "-o", "out"]
    assert len(translate(*words).stdout.splitlines()) == 16
    Path("out/03-square.png").unlink()
    assert translate(*words).stdout == "out/03-square.png\n"
    assert len(list(Path("out").iterdir())) == 16


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
        (["photo.jpg", "--to", "disc", "--code", "99"], 2, "there is no code 99 of 'disc': the weights keep 15"),
        (["photo.jpg", "--to", "disc", "--code", "0"], 2, "0 is not in the range"),
        (["photo.jpg", "--to", "disc", "--code", "2", "--samples", "2"], 2, "--code takes neither"),
        (["photo.jpg", "--like", "photo.jpg", "--code", "2"], 2, "--code takes neither"),
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


def test_results_of_a_folder_need_a_place_of_their_own(here: Path, domains: Path) -> None:
    refused = translate(str(domains / "disc"), "-r", "--to", "square", code=2)
    assert "need a place of their own" in refused.stderr and "-o disc-square/" in refused.stderr
    assert len(list((domains / "disc").iterdir())) == 16
    among = translate(str(domains / "disc"), "--to", "square", "-o", str(domains / "disc"))
    assert len(among.stdout.splitlines()) == 16 and (domains / "disc" / "00-square.png").is_file()


def test_what_cannot_be_done_is_told_before_any_model_is_loaded(
    here: Path, domains: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a command line, the files it names and the weights' header can tell."""

    def refused(*arguments: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("i2i_cli.inference.runtime.opened", refused)
    Path("photo-disc.png").write_bytes(b"mine")
    Path("taken.png").write_bytes(b"mine")
    for words, code, said in (
        (["photo.jpg", "--to", "disk"], 2, "no domain 'disk'"),
        (["photo.jpg", "--to", "disc", "--from", "dics"], 2, "no domain 'dics'"),
        (["photo.jpg", "--to", "disc"], 1, "photo-disc.png exists already"),
        (["none.jpg", "--to", "square"], 1, "none.jpg: no such file"),
        (["photo.jpg", "--to", "square", "--crop", "0,0,900,900"], 1, "reaches beyond it"),
        (["photo.jpg", "--to", "square", "--crop", "face"], 2, "is not of the form"),
        (["photo.jpg", "--to", "square", "-o", "x.gif"], 2, "cannot write an image"),
        (["photo.jpg", "--to", "square", "--sheet", "taken.png"], 1, "taken.png exists already"),
        (["photo.jpg", "--to", "square", "--sheet", "x.txt"], 2, "cannot write the image"),
        (["photo.jpg", "--to", "square", "--gif", "x.png"], 2, "cannot write the moving picture"),
        ([str(domains), "-o", "out", "--to", "square", "--gif", "x.gif"], 2, "--gif shows one image, not 32"),
        (["photo.jpg", "--to", "square", "--paste", "--engine", "ray"], 2, "takes neither --paste"),
        (["photo.jpg", "--to", "square", "--paste", "--size", "model"], 2, "--paste keeps the photo's size"),
        (["-", "--to", "square", "--crop", "all"], 2, "--crop all reads files"),
    ):
        assert said in translate(*words, code=code).stderr, words
    assert not Path("out").exists() and not Path("photo-square.png").exists()


def test_the_names_that_other_tools_have_are_known(here: Path) -> None:
    translate("photo.jpg", "--to", "DISC", "--model", "runs/shapes", "--output", "a.png")
    translate("photo.jpg", "--to", "disc", "-m", "shapes", "-o", "b.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_quality_and_batch_size(here: Path, domains: Path) -> None:
    for quality in ("20", "95"):
        translate("photo.jpg", "--to", "disc", "-o", f"{quality}.jpg", "--quality", quality)
    assert Path("20.jpg").stat().st_size < 0.7 * Path("95.jpg").stat().st_size
    one = translate(str(domains / "disc"), "--to", "square", "-o", "one", "--batch-size", "3", "--json").stdout
    assert len(one.splitlines()) == 16
    translate(str(domains / "disc"), "--to", "square", "-o", "two")
    for path in Path("one").iterdir():
        with Image.open(path) as left, Image.open(Path("two") / path.name) as right:
            assert max(high for _, high in ImageChops.difference(left, right).getextrema()) <= 1


def test_a_sheet_and_a_morph_are_drawn_besides(here: Path) -> None:
    result = translate("photo.jpg", "--to", "disc", "--samples", "3", "--sheet", "s.png", "--gif", "m.webp")
    assert "sheet: s.png" in result.stderr and "morph: m.webp" in result.stderr
    assert size("s.png")[0] == 4 * 130 + 2, "the image and three results"
    with Image.open("m.webp") as morph:
        assert morph.n_frames > 3 and morph.size == (200, 120)


def test_a_face_is_put_back_into_the_photo_and_all_else_stays(here: Path) -> None:
    shutil.copy(PORTRAIT, "me.jpg")
    rewrite(here / "runs" / "shapes", config=_framed(here / "runs" / "shapes"))
    result = translate("me.jpg", "--to", "disc", "--json")
    (left, top, width, height) = json.loads(result.stdout)["crop"]
    assert size("me-disc.png") == (width, height) and "--crop none takes the whole image" in result.stderr
    again = translate("me.jpg", "--to", "disc", "--paste", "-o", "pasted.png", "--json")
    assert json.loads(again.stdout)["crop"] == [left, top, width, height]
    with Image.open("me.jpg") as before, Image.open("pasted.png") as after:
        change = ImageChops.difference(before.convert("RGB"), after)
        assert after.size == before.size
    bounds = change.getbbox()
    assert bounds is not None and left <= bounds[0] and top <= bounds[1]
    assert bounds[2] <= left + width and bounds[3] <= top + height
    whole = translate("me.jpg", "--to", "disc", "--crop", "none", "-o", "whole.png")
    assert size("whole.png") == (512, 512) and "cut to" not in whole.stderr
    assert "no face found in the image: taken whole" in translate("photo.jpg", "--to", "disc").stderr


def test_every_face_is_a_result_or_a_part_of_one(here: Path) -> None:
    with Image.open(PORTRAIT) as portrait:
        party = Image.new("RGB", (1024, 512), (90, 140, 90))
        party.paste(portrait, (0, 0))
        party.paste(portrait.resize((256, 256)), (560, 120))
    party.save("party.png")
    found = translate("party.png", "--to", "disc", "--crop", "all").stdout
    assert found == "party-1-disc.png\nparty-2-disc.png\n"
    translate("party.png", "--to", "disc", "--crop", "all", "--paste", "-o", "both.png")
    with Image.open("party.png") as before, Image.open("both.png") as after:
        change = ImageChops.difference(before.convert("RGB"), after)
        left, _, right, _ = change.getbbox() or (0, 0, 0, 0)
    assert left < 300 and right > 600, "in both places"
    assert change.crop((320, 0, 560, 512)).getbbox() is None, "and not between them"


def _framed(folder: Path) -> dict:
    config = read_header(folder / "model.safetensors").config
    return config | {"data": config["data"] | {"framing": "face"}}


def test_an_image_unlike_the_training_images_is_named_once(here: Path) -> None:
    page = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(page).rectangle((8, 20, 50, 44), outline="black")
    for name in ("a.png", "b.png"):
        page.save(name)
    told = translate("a.png", "--to", "anime", "-w", "faces", "--crop", "none").stderr
    assert "a.png is unlike what faces was trained on" in told
    told = translate("a.png", "b.png", "--to", "anime", "-w", "faces", "--crop", "none", "--force").stderr
    assert "2 images, such as a.png, are unlike what faces was trained on" in told

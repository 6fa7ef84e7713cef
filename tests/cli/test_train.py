import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from i2i_cli.cli import app

RUNNER = CliRunner()
TINY = ["--image-size", "32", "--batch-size", "4", "--perceptual", "none", "--device", "cpu", "--precision", "fp32"]
TINY += ["--set", "networks.width=16", "--set", "networks.min_width=8"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_from_a_folder_to_a_translation(domains: Path, photo: Path) -> None:
    result = RUNNER.invoke(app, ["train", str(domains), "--steps", "3", *TINY])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "runs/shapes\n"
    assert "run: runs/shapes" in result.stderr and "step 3, held out: rebuild error" in result.stderr
    assert RUNNER.invoke(app, ["translate", str(photo), "--to", "square"]).exit_code == 0
    again = RUNNER.invoke(app, ["train", str(domains), "--steps", "3", "--json", *TINY])
    found = json.loads(again.stdout)
    assert found["run"] == "runs/shapes-2" and found["step"] == 3 and "judged" in found["figures"]


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["none"], "error: {here}/none: no such folder", 1),
        (["one"], "error: {here}/one has only the folder 'a'", 1),
        (["shapes", "--name", "taken"], "error: runs/taken exists already", 2),
        (["shapes", "--config", "none.toml"], "error: cannot read the config none.toml", 2),
        (["shapes", "--init", "nothing"], "error: no weights are called 'nothing'", 2),
        (["shapes", "--set", "data.root=none"], "error: {here}/none: no such folder", 1),
        (["shapes", "--log", "wandb"], "error: no log is called 'wandb'", 2),
        (["--resume", "none"], "error: none holds no run to resume", 2),
    ],
)
def test_what_is_wrong_is_said_first_and_without_waiting_for_torch(
    domains: Path, words: list[str], said: str, code: int
) -> None:
    (domains.parent / "one" / "a").mkdir(parents=True)
    (domains.parent / "runs" / "taken" / "samples").mkdir(parents=True)
    script = (
        "import sys; from i2i_cli.cli import app\n"
        f"try: app({['train', *words]!r})\nexcept SystemExit as ended: print(ended.code, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=domains.parent)
    assert found.stdout == f"{code} False\n" and found.stderr.startswith(said.format(here=domains.parent))


@pytest.mark.parametrize("words", [["--recipe", "papr"], ["--set", "networks.wdith=4"], ["--image-size", "48"]])
def test_nothing_is_said_before_an_error(domains: Path, words: list[str]) -> None:
    result = RUNNER.invoke(app, ["train", str(domains), *words])
    assert result.exit_code == 2 and result.stderr.startswith("error: "), result.stderr


def test_the_images_choose_the_size_unless_somebody_names_it(domains: Path) -> None:
    tiny = [word for word in TINY if word not in ("--image-size", "32")]
    chosen = RUNNER.invoke(app, ["train", str(domains), "--steps", "1", "--name", "x", *tiny])
    assert "images of 40 x 36 (median): training at 32 px\n" in chosen.stderr
    assert "image_size = 32" in Path("runs/x/config.toml").read_text()
    named = RUNNER.invoke(app, ["train", str(domains), "--steps", "1", "--name", "y", *tiny, "--image-size", "64"])
    assert "(median)" not in named.stderr and "image_size = 64" in Path("runs/y/config.toml").read_text()
    text = Path("runs/y/config.toml").read_text()
    again = RUNNER.invoke(app, ["train", "--config", "runs/y/config.toml", "--name", "z"])
    assert "(median)" not in again.stderr and Path("runs/z/config.toml").read_text() == text


def test_few_images_come_with_what_helps(domains: Path) -> None:
    small = RUNNER.invoke(app, ["train", str(domains), "--steps", "1", "--name", "x", *TINY])
    assert "warning: the smallest domain has 15 images; 1,000 or more work well; --flip adds" in small.stderr
    assert "--init" not in small.stderr, "no shipped model has these networks"
    flipped = RUNNER.invoke(app, ["train", str(domains), "--steps", "1", "--name", "y", "--flip", *TINY])
    assert "1,000 or more work well\n" in flipped.stderr
    resumed = RUNNER.invoke(app, ["train", "--resume", "runs/x", "--steps", "2"])
    assert "the smallest domain" not in resumed.stderr


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="the extra tensorboard is not installed")
def test_a_log_is_kept_where_it_is_asked_for_and_goes_on_by_itself(domains: Path) -> None:
    plain = RUNNER.invoke(app, ["train", str(domains), "--steps", "1", "--name", "plain", *TINY])
    assert plain.exit_code == 0 and not Path("runs/plain/tensorboard").exists()
    result = RUNNER.invoke(app, ["train", str(domains), "--steps", "2", "--name", "x", "--log", "tensorboard", *TINY])
    assert result.exit_code == 0 and len(list(Path("runs/x/tensorboard").iterdir())) == 1, result.stderr
    RUNNER.invoke(app, ["train", "--resume", "runs/x", "--steps", "3"])
    assert len(list(Path("runs/x/tensorboard").iterdir())) == 2


def test_resume_needs_no_other_flag_and_takes_few(domains: Path) -> None:
    RUNNER.invoke(app, ["train", str(domains), "--steps", "2", "--name", "x", *TINY])
    finished = RUNNER.invoke(app, ["train", "--resume", "runs/x"])
    assert finished.exit_code == 2 and "finished at step 2" in finished.stderr
    assert RUNNER.invoke(app, ["train", "--resume", "runs/x", "--steps", "4"]).exit_code == 0
    longer = RUNNER.invoke(app, ["train", "--resume", "runs/x", "--set", "training.steps=5"])
    assert "finished at step 5" in longer.stderr
    larger = RUNNER.invoke(app, ["train", "--resume", "runs/x", "--image-size", "64", "--steps", "9"])
    assert larger.exit_code == 2 and "is trained with data.image_size = 32, not 64" in larger.stderr
    other = RUNNER.invoke(app, ["train", str(domains), "--resume", "runs/x"])
    assert other.exit_code == 2 and "continues a run with its own settings" in other.stderr


def test_minutes_take_the_place_of_steps(domains: Path) -> None:
    result = RUNNER.invoke(app, ["train", str(domains), "--minutes", "0.01", "--name", "x", *TINY])
    assert result.exit_code == 0, result.stderr
    assert "steps = 0\nminutes = 0.01" in Path("runs/x/config.toml").read_text()


@pytest.mark.slow
def test_a_run_by_minutes_can_be_trained_on_by_steps(domains: Path) -> None:
    first = RUNNER.invoke(app, ["train", str(domains), "--minutes", "0.001", "--name", "x", "--json", *TINY])
    step = json.loads(first.stdout)["step"]
    longer = RUNNER.invoke(app, ["train", "--resume", "runs/x", "--steps", str(step + 2)])
    assert longer.exit_code == 0 and f"finished at step {step + 2}" in longer.stderr


def test_a_run_s_own_config_trains_the_same_again(domains: Path) -> None:
    RUNNER.invoke(app, ["train", str(domains), "--steps", "2", "--name", "x", "--flip", *TINY])
    again = RUNNER.invoke(app, ["train", "--config", "runs/x/config.toml", "--name", "y"])
    assert again.exit_code == 0, again.stderr
    assert Path("runs/x/config.toml").read_text() == Path("runs/y/config.toml").read_text()
    assert Path("runs/x/model.safetensors").read_bytes() == Path("runs/y/model.safetensors").read_bytes()


def test_without_data_it_trains_on_the_built_in_set_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import i2i_cli.jobs.training.opening as training

    def draw(root: Path) -> None:
        from PIL import Image

        for domain in ("filled", "outline"):
            (root / domain).mkdir(parents=True, exist_ok=True)
            for i in range(8):
                Image.new("RGB", (32, 32), (i * 20, 0, 0)).save(root / domain / f"{i}.png")

    monkeypatch.setitem(training.SAMPLE_SETS, "styles", draw)
    result = RUNNER.invoke(app, ["train", "--steps", "1", *TINY])
    assert result.exit_code == 0, result.stderr
    assert "training on the built-in glyph styles" in result.stderr and result.stdout == "runs/glyphs\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "objective.weights.pixle=2"], "did you mean 'objective.weights.pixel'?"),
        (["--set", "pixel=2"], "did you mean 'objective.weights.pixel'?"),
        (["--recipe", "papr"], "did you mean 'paper'?"),
        (["--image-size", "48"], "images of 48 pixels"),
        (["--perceptual", "imagnet"], "neither a file nor a choice"),
        (["--config", "none.toml"], "cannot read the config none.toml"),
        (["--precision", "fp8"], "no precision is called 'fp8'"),
        (["--steps", "0"], "are no training"),
        (["--batch-size", "many"], "'many' is not a number of images"),
        (["--batch-size", "1"], "training.batch_size = 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_a_run_is_made(
    domains: Path, words: list[str], said: str
) -> None:
    result = RUNNER.invoke(app, ["train", str(domains), *words])
    assert result.exit_code == 2 and said in result.stderr
    assert not Path("runs").exists()


def test_a_batch_that_fits_is_left_to_the_tool(domains: Path) -> None:
    result = RUNNER.invoke(app, ["train", str(domains), "--steps", "1", *TINY, "--batch-size", "auto"])
    assert result.exit_code == 0, result.stderr
    assert "fit_memory = true" in Path("runs/shapes/config.toml").read_text()


def test_a_world_of_one_is_no_company(domains: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "3")  # a scheduler's, for something else
    result = RUNNER.invoke(app, ["train", str(domains), "--steps", "1", *TINY])
    assert result.exit_code == 0 and result.stdout == "runs/shapes\n", result.stderr


DUAL = ["--family", "dual", "--inputs", "grey_disc,red_square", "--outputs", "red_disc,grey_square"]


def test_the_dual_family_from_a_folder_to_a_run(factors: Path) -> None:
    small = ["networks.width=0.0625", "objective.critic_width=0.0625", "objective.pretraining_steps=1"]
    words = [word for text in small for word in ("--set", text)]
    words += ["--image-size", "32", "--batch-size", "8", "--steps", "3", "--name", "x", "--device", "cpu"]
    (factors / "hat").mkdir()
    shutil.copy(factors / "red_disc" / "01.png", factors / "hat")  # a domain that plays no part
    result = RUNNER.invoke(app, ["train", str(factors), *DUAL, *words])
    assert result.exit_code == 0, result.stderr
    card = Path("runs/x/README.md").read_text()
    assert "grey_disc->red_disc" in card and "hat" not in card and "content codes" not in card
    again = RUNNER.invoke(app, ["train", "--resume", "runs/x", "--steps", "4"])
    assert again.exit_code == 0, again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--family", "dual"], "give --inputs A,B --outputs C,D"),
        ([*DUAL[:4], "--outputs", "red_disc,gray_square"], "did you mean 'grey_square'?"),
        ([*DUAL[:4], "--outputs", "red_disc"], "--outputs red_disc are 1 domains"),
        ([*DUAL, "--set", "networks.code_side=3"], "networks.code_side = 3"),
        ([*DUAL, "--set", "networks.inputs=[1,2]"], "networks.inputs[0] = 1 has the wrong type"),
        ([*DUAL, "--batch-size", "2"], "a batch of 2 has no image of some of the 4 domains"),
        ([*DUAL[2:]], "no setting is called 'networks.inputs'"),
    ],
)
def test_roles_that_make_no_sense_are_refused_before_a_run_is_made(factors: Path, words: list[str], said: str) -> None:
    result = RUNNER.invoke(app, ["train", str(factors), *words])
    assert result.exit_code == 2 and said in result.stderr
    assert not Path("runs").exists()

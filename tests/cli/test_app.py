"""What every command keeps to: help, start-up, exit codes, streams."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from i2i_cli.cli import app
from i2i_cli.errors import DataError

RUNNER = CliRunner()
COMMANDS = [name for name, found in typer.main.get_command(app).commands.items() if not found.hidden]
"""In the order in which the help lists them."""

FIRST_DAY = [
    "train",
    "translate",
    "swap-domain",
    "index",
    "neighbours",
    "classify",
    "fit-classifier",
    "evaluate",
    "plot",
]


def i2i(*words: str, cwd: Path | None = None, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "i2i_cli", *words]
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, timeout=120)


def test_help_lists_the_commands_in_the_order_of_a_first_day() -> None:
    text = RUNNER.invoke(app, ["--help"]).stdout
    places = [text.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places) and len(COMMANDS) > 10
    assert [name for name in COMMANDS if name in FIRST_DAY] == FIRST_DAY
    assert "i2i demo" in text


@pytest.mark.parametrize(
    "words", [[name] for name in COMMANDS] + [["weights", sub] for sub in ("list", "show", "check", "pack")]
)
def test_every_command_explains_itself(words: list[str]) -> None:
    result = RUNNER.invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    if words[0] != "weights" or len(words) == 1:
        assert f"i2i {words[0]}" in result.stdout.split("Examples:")[1]
    for line in result.stdout.splitlines():
        assert len(line) <= 80


def test_every_option_says_what_it_does() -> None:
    def options(command) -> list:
        own = [parameter for parameter in command.params if parameter.param_type_name == "option"]
        return own + [option for sub in getattr(command, "commands", {}).values() for option in options(sub)]

    found = options(typer.main.get_command(app))
    assert len(found) > 40
    assert not [option.name for option in found if not option.help]


def test_help_and_version_import_no_torch() -> None:
    for words in (["--help"], ["translate", "--help"], ["--version"]):
        code = (
            "import sys; from i2i_cli.cli import app\n"
            f"try: app({words!r})\nexcept SystemExit: pass\n"
            "print('torch' in sys.modules, 'numpy' in sys.modules, 'matplotlib' in sys.modules)"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout.splitlines()[-1] == "False False False", words


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, i2i_cli; print('torch' in sys.modules, sorted(set(i2i_cli.__all__) - set(dir(i2i_cli))))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False []"


def test_completion_reads_domains_without_torch(run: Path) -> None:
    code = (
        "import sys; from i2i_cli.checkpoints.weights import open_weights;"
        f"print(open_weights({str(run)!r}).domains, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "('disc', 'square') False"


def test_shell_completion_offers_domains(run: Path) -> None:
    import os

    words = f"i2i translate a.png -w {run} --to s"
    environment = {**os.environ, "_I2I_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "6"}
    code = "from i2i_cli.cli import main; import sys; sys.argv = ['i2i']; main()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert found.stdout.split() == ["square"], found.stderr


def test_version() -> None:
    assert RUNNER.invoke(app, ["--version"]).stdout == "i2i 0.1.0\n"


@pytest.mark.parametrize(
    "words", [["nothing"], ["translate"], ["train", "--steps", "many"], ["translate", "a", "--strength", "3"]]
)
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    assert RUNNER.invoke(app, words).exit_code == 2


def test_an_error_is_two_lines_on_stderr_and_no_traceback(tmp_path: Path) -> None:
    found = i2i("train", "nowhere", cwd=tmp_path)
    assert found.returncode == 1 and found.stdout == b""
    lines = found.stderr.decode().splitlines()
    assert lines[-2] == f"error: {tmp_path}/nowhere: no such folder"
    assert lines[-1].startswith("  try: ")
    debug = i2i("--debug", "train", "nowhere", cwd=tmp_path)
    assert b"Traceback" in debug.stderr and debug.returncode == 1


def test_a_bug_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from i2i_cli.cli.app import main

    def broken() -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(sys.modules["i2i_cli.cli.app"], "app", broken)
    with pytest.raises(SystemExit) as caught:
        main()
    said = capsys.readouterr().err
    assert caught.value.code == 1 and "ZeroDivisionError: oops" in said and "this is a bug in i2i" in said


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
@pytest.mark.parametrize("kind", ["ValueError", "DataError"])
def test_a_signal_that_a_library_made_another_error_of_is_still_one(number: int, code: int, kind: str) -> None:
    program = (
        "import os, sys; import i2i_cli.jobs.doctor as diagnosis; from i2i_cli.errors import DataError\n"
        "from i2i_cli.cli import main\n"
        "def library():\n"
        f"    try: os.kill(os.getpid(), {number}); [0 for _ in range(10**6)]\n"
        f"    except BaseException: raise {kind}('swallowed')\n"
        "diagnosis.diagnose = library; sys.argv = ['i2i', 'doctor']; main()"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.returncode == code and "swallowed" not in found.stderr


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()])
def test_running_out_of_memory_is_an_error_with_a_way_out(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    import i2i_cli.jobs.doctor as diagnosis

    def starve() -> None:
        raise error

    monkeypatch.setattr(diagnosis, "diagnose", starve)
    found = RUNNER.invoke(app, ["doctor"])
    assert found.exit_code == 1 and "--batch-size" in found.stderr


def test_errors_carry_their_code() -> None:
    assert DataError("x").exit_code == 1 and DataError("x", exit_code=2).exit_code == 2


def test_offline_downloads_nothing_and_says_what_to_use(domains: Path, tmp_path: Path, monkeypatch) -> None:
    import torch

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("I2I_OFFLINE", "")
    result = RUNNER.invoke(app, ["--offline", "train", str(domains), "--perceptual", "imagenet", "--image-size", "32"])
    assert result.exit_code == 2 and "528 MB" in result.stderr and "--perceptual bundled" in result.stderr
    assert not (tmp_path / "hub").exists()

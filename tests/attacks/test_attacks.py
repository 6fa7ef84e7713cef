"""A few attempts of the quick attacks; `make attacks` makes all of all."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from i2i_cli.bundled import bundled_folder

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the attacks fork")
def test_a_few_attempts_of_the_quick_attacks_find_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.attacks", "--quick"]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0, found.stderr[-4000:]
    assert found.stdout.count("\n| ") == 3, found.stdout


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the attacks fork")
def test_a_few_attempts_of_the_others_find_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.attacks", "disks", "company", "shells", "--share", "0.02"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0 and found.stdout.count("\n| ") == 3, found.stderr[-4000:]


def test_no_code_that_unpickles_or_evaluates() -> None:
    refused = {"pickle", "torch.load", "joblib", "marshal", "shelve", "eval", "exec"}
    for path in [*ROOT.glob("i2i_cli/**/*.py"), *ROOT.glob("benchmarks/*.py")]:
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                names.add(ast.unparse(node.func))
                loose = [word for word in node.keywords if word.arg in ("allow_pickle", "weights_only")]
                assert all(ast.unparse(word.value) == str(word.arg == "weights_only") for word in loose), path
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                names |= {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
        assert not {name.partition(".")[0] if name != "torch.load" else name for name in names} & refused, path


def test_the_shipped_weights_are_tensors_and_text_alone() -> None:
    for path in bundled_folder().glob("*.safetensors"):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            assert length < 2**20 and file.read(1) == b"{", path

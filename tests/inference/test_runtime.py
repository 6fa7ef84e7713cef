import os
import subprocess
import sys
from pathlib import Path


def test_nothing_is_told_to_the_makers_of_what_it_uses(tmp_path: Path) -> None:
    code = "import i2i_cli; i2i_cli.load('faces', device='cpu')"
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and ".cache/i2i" not in path.as_posix()]
    assert left == []  # onnxruntime would leave an identifier, and events to be sent

"""What is built: installed into an environment of its own, and used from another folder."""

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import i2i_cli

ROOT = Path(i2i_cli.__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "-o", folder, ROOT], check=True)
    return folder


@pytest.mark.slow
def test_archives_hold_the_package_and_no_image_of_a_data_set(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "i2i_cli/weights/MANIFEST.json",
        "i2i_cli/weights/faces.safetensors",
        "i2i_cli/weights/face-detector.onnx",
        "i2i_cli/weights/face-detector.LICENSE",
        "i2i_cli/jobs/plots/templates/page.html",
    } <= inside
    assert [name for name in inside if name.endswith((".png", ".jpg"))] == ["i2i_cli/docs/astronaut.jpg"]
    assert not [name for name in inside if name.startswith("tests/")]
    assert "i2i_cli/py.typed" in inside
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"pyproject.toml", "README.md", "weights/faces.safetensors", "i2i_cli/__init__.py"} <= set(names)
    assert max(wheel.stat().st_size, sdist.stat().st_size) < 70 * 2**20, "64 MiB of weights, and little else"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_an_installed_archive_works_from_another_folder(built: Path, tmp_path: Path, photo: Path, kind: str) -> None:
    (archive,) = built.glob(kind)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    # The dependencies are those of this environment: torch alone takes five gigabytes.
    purelib = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    Path(purelib.strip(), "theirs.pth").write_text(sysconfig.get_path("purelib"))
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", archive]
    subprocess.run(install, check=True, cwd=tmp_path)

    def i2i(*words: str) -> str:
        command = [tmp_path / "env" / "bin" / "i2i", *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    where = subprocess.check_output([python, "-c", "import i2i_cli; print(i2i_cli.__file__)"], cwd=tmp_path, text=True)
    assert Path(where.strip()).is_relative_to(tmp_path), "not the checkout's"
    assert i2i("translate", str(photo), "--to", "anime", "-o", "out.png") == "out.png\n"
    checked = i2i("weights", "check").splitlines()
    assert len(checked) > 6 and all(line.endswith(": sound") for line in checked)
    tiny = ["--set", "networks.width=16", "--set", "networks.min_width=8", "--perceptual", "none"]
    assert i2i("train", "--steps", "1", "--image-size", "32", "--name", "glyphs", *tiny).strip() == "runs/glyphs"

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from i2i_cli.errors import DataError
from i2i_cli.files import is_held, locked, sweep, write_text, written_whole


def test_a_file_appears_whole_with_the_umask_s_mode(tmp_path: Path) -> None:
    earlier = os.umask(0o027)
    try:
        write_text(tmp_path / "new" / "a.txt", "whole")
    finally:
        os.umask(earlier)
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"
    assert (tmp_path / "new" / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("earlier")
    with pytest.raises(RuntimeError), written_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "earlier"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        write_text(tmp_path / "file" / "a.txt", "x")


HOLD = "import sys, time; from pathlib import Path; from i2i_cli.files import locked\n" + (
    "with locked(Path(sys.argv[1]), 'it'): print('held', flush=True); time.sleep(60)"
)


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(DataError, match=f"the run is in use by process {holder.pid} on "), locked(path, "the run"):
            pass
        assert is_held(path) is True
        holder.kill()
    assert is_held(path) is False and str(holder.pid) in path.read_text()
    with locked(path, "the run"):
        assert str(os.getpid()) in path.read_text()


def test_a_lock_is_that_of_who_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    assert is_held(path) is False
    with locked(path, "it"):
        assert is_held(path) is True
        if Path(f"/proc/{os.getpid()}/stat").is_file():
            os.utime(path, (9, 9))
            assert is_held(path) is False, "written long before this process began: its number is used again"
    assert path.read_text() == "" and is_held(path) is False
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        path.write_text(f"process {process.pid} on {platform.node()}")
        if Path("/proc/self/stat").is_file():
            time.sleep(0.3)  # it has ended, and nobody has asked for its exit code yet
            assert is_held(path) is False
    assert is_held(path) is False


def test_a_sweep_takes_half_written_files_alone(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / ".a.png-12.part").write_text("")
    (tmp_path / "kept.part").write_text("")
    sweep(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["kept.part"]

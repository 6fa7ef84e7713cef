from pathlib import Path

import pytest

from i2i_cli.errors import ConfigError, DataError
from i2i_cli.jobs.training.refusals import refuse_early, refuse_if_no_run


def test_images_that_are_not_there_are_refused_wherever_they_are_named(domains: Path, tmp_path: Path) -> None:
    good, bad = {"data": {"root": str(domains)}}, {"data": {"root": str(tmp_path / "none")}}
    refuse_early([{}, good], None)
    refuse_early([bad, good], None)  # the last layer wins
    with pytest.raises(DataError, match="none: no such folder"):
        refuse_early([good, bad], None)
    with pytest.raises(DataError, match="only the folder 'only'"):
        (tmp_path / "one" / "only").mkdir(parents=True)
        refuse_early([{"data": {"root": str(tmp_path / "one")}}], None)


def test_what_is_no_table_is_left_to_who_reads_all_settings() -> None:
    refuse_early([{"data": 3}, {"training": {"steps": 2}}], None)
    refuse_early([{"data": {"root": 3}}], None)


def test_a_name_that_is_taken_is_refused_and_a_killed_start_is_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "x"
    run.mkdir(parents=True)
    (run / "config.toml").touch()
    refuse_early([], "x")
    (run / "journal.jsonl").touch()
    refuse_early([], None)
    with pytest.raises(ConfigError, match="exists already"):
        refuse_early([], "x")


def test_only_a_run_can_be_resumed(run: Path, tmp_path: Path) -> None:
    refuse_if_no_run(run)
    with pytest.raises(ConfigError, match="holds no run to resume"):
        refuse_if_no_run(tmp_path)

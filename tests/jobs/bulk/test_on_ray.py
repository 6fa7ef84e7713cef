"""The Ray engine against the local one, on a Ray of this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ray = pytest.importorskip("ray")

from i2i_cli.errors import ConfigError  # noqa: E402
from i2i_cli.inference.inputs import STREAM, Source  # noqa: E402
from i2i_cli.inference.loaded import load  # noqa: E402
from i2i_cli.jobs.bulk.on_ray import encode_on_ray, translate_on_ray  # noqa: E402
from i2i_cli.jobs.bulk.remote import find_sources  # noqa: E402
from i2i_cli.jobs.retrieval.gallery import open_gallery  # noqa: E402
from i2i_cli.jobs.retrieval.indexing import index_folder  # noqa: E402
from i2i_cli.jobs.translation.files import FileTranslation  # noqa: E402
from i2i_cli.jobs.translation.planning import Outcome, Task, plan_outputs  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    ray.shutdown()


@pytest.fixture
def images(domains: Path) -> Path:
    (domains / "disc" / "03x.png").write_bytes(b"no image")
    for suffix in ("png", "jpg"):  # two that would become one file
        shutil.copy(domains / "disc" / "03.png", domains / "disc" / f"twin.{suffix}")
    return domains


def tasks(found: list[Source], out: Path) -> list[Task]:
    return plan_outputs(found, ["square"], out)


def shown(outcomes: list[Outcome]) -> list[tuple]:
    return [(outcome.source.name, len(outcome.written), outcome.error is not None) for outcome in outcomes]


def test_results_are_those_of_the_local_engine(run: Path, images: Path, tmp_path: Path) -> None:
    model = load(run, "cpu")
    job = FileTranslation(translator=model, targets=[model.target("square")])
    local = list(job.run(tasks(find_sources([images / "disc"], True), tmp_path / "local")))
    there = list(translate_on_ray(job, tasks(find_sources([images / "disc"], True), tmp_path / "ray")))
    assert shown(there) == shown(local) and sum(outcome.error is not None for outcome in there) == 3
    bad = next(outcome for outcome in there if outcome.error and outcome.source.name == "03x.png")
    assert bad.error is not None and str(images / "disc" / "03x.png") in bad.error.message

    # Addresses: what fsspec calls file:// stands for any store.
    address, out = Path(f"file:/{images}/disc"), Path(f"file:/{tmp_path}/far")
    far = list(translate_on_ray(job, tasks(find_sources([address], True), out)))
    assert shown(far) == shown(local)
    for path in sorted((tmp_path / "local").iterdir()):
        assert (tmp_path / "ray" / path.name).read_bytes() == path.read_bytes()
        assert (tmp_path / "far" / path.name).read_bytes() == path.read_bytes()
    again = list(translate_on_ray(job, tasks(find_sources([address], True), out)))
    assert not any(outcome.written for outcome in again)
    assert sum("exists already" in outcome.error.message for outcome in again if outcome.error) == len(again) - 3

    index_folder(model, images, tmp_path / "a.safetensors")
    result = index_folder(model, images, tmp_path / "b.safetensors", encode=encode_on_ray)
    a, b = (open_gallery(tmp_path / f"{name}.safetensors") for name in "ab")
    assert a.paths == b.paths and len(result.failures) == 1
    assert np.abs(a.content.astype(float) - b.content).max() < 2e-3


def test_nothing_to_do_starts_no_ray(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(run, "cpu")
    monkeypatch.setattr(ray, "init", None)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    assert list(translate_on_ray(FileTranslation(translator=model, targets=[model.target("square")]), [])) == []
    assert list(encode_on_ray(model, [])) == []


def test_streams_are_refused(run: Path) -> None:
    model = load(run, "cpu")
    job = FileTranslation(translator=model, targets=[model.target("square")])
    with pytest.raises(ConfigError, match="files only"):
        list(translate_on_ray(job, [Task(Source(path=STREAM), [STREAM])]))

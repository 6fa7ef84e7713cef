import io
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import i2i_cli as i2i
from i2i_cli.web.desk import Desk
from i2i_cli.web.endpoint import NOTE, endpoint_app
from i2i_cli.web.service import Service


@pytest.fixture
def client(service: Service) -> TestClient:
    return TestClient(endpoint_app(service), raise_server_exceptions=False)


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def post(client: TestClient, name: str, image: Path, status: int = 200, **fields: Any) -> Any:
    answer = client.post(f"/api/{name}", files={"image": (image.name, image.read_bytes())}, data=fields)
    assert answer.status_code == status, answer.text
    return answer


def test_models_tell_their_domains(client: TestClient, run: Path) -> None:
    first = client.get("/api/models").json()[0]
    assert first["domains"] == ["disc", "square"] and first["name"] == i2i.load(run, device="cpu").name
    assert first["galleries"][0] == "training images"


def test_an_image_comes_back_as_the_library_makes_it(client: TestClient, run: Path, photo: Path) -> None:
    answer = post(client, "translate", photo, to="disc", strength=0.5)
    expected = i2i.load(run, device="cpu").translate(photo, "disc", strength=0.5)
    assert answer.headers["content-type"] == "image/png" and "photo-disc.png" in answer.headers["content-disposition"]
    assert np.array_equal(np.asarray(picture(answer.content)), np.asarray(expected))


def test_formats_samples_and_references(client: TestClient, photo: Path, domains: Path) -> None:
    assert picture(post(client, "translate", photo, to="disc", format="jpg").content).format == "JPEG"
    assert picture(post(client, "translate", photo, to="disc", size="model").content).size == (32, 19)
    archive = zipfile.ZipFile(io.BytesIO(post(client, "translate", photo, to="disc", samples=3).content))
    assert archive.namelist() == [f"photo-disc-{i}.png" for i in (1, 2, 3)]
    reference = (domains / "disc" / "01.png").read_bytes()
    files = {"image": ("p.jpg", photo.read_bytes()), "like": ("r.png", reference)}
    assert client.post("/api/translate", files=files).status_code == 200
    gif = picture(post(client, "morph", photo, to="disc").content)
    assert gif.format == "GIF" and getattr(gif, "n_frames", 1) > 10


def test_swap_classify_and_neighbours(client: TestClient, domains: Path) -> None:
    a, b = domains / "disc" / "01.png", domains / "square" / "02.png"
    files = {"a": (a.name, a.read_bytes()), "b": (b.name, b.read_bytes())}
    archive = zipfile.ZipFile(io.BytesIO(client.post("/api/swap-domain", files=files).content))
    assert archive.namelist() == ["01~02.png", "02~01.png"]
    found = post(client, "classify", a).json()
    assert set(found["probabilities"]) == {"disc", "square"}
    assert found["probabilities"][found["label"]] == max(found["probabilities"].values())
    near = post(client, "neighbours", a, k=3, **{"in": "square"}).json()["neighbours"]
    assert len(near) == 3 and {hit["domain"] for hit in near} == {"square"}
    assert near[0]["image"].startswith("square/") and near[0]["score"] >= near[2]["score"]


def test_a_dual_model_is_told_the_domain(client: TestClient, service: Service, factors: Path) -> None:
    name = list(service.models.served())[1]
    image = factors / "grey_disc" / "01.png"
    post(client, "translate", image, model=name, to="red_disc", **{"from": "grey_disc"})
    wrong = post(client, "translate", image, 422, model=name, to="red_disc", **{"from": "red_square"})
    assert "red_square" in wrong.json()["error"]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"to": "nowhere"}, 400, "nowhere"),
        ({}, 400, "nothing to translate to"),
        ({"to": "disc", "model": "none"}, 404, "no model is called 'none'"),
        ({"to": "disc", "strength": 7}, 400, "strength of 7"),
        ({"to": "disc", "strength": "much"}, 422, "'strength' of the form"),
        ({"to": "disc", "crop": "0,0,9999,9999"}, 422, "reaches beyond"),
        ({"to": "disc", "crop": "all"}, 400, "add paste"),
        ({"to": "disc", "code": 999}, 400, "code 999"),
    ],
)
def test_errors_are_sentences_with_a_status(
    client: TestClient, photo: Path, fields: dict[str, Any], status: int, words: str
) -> None:
    told = post(client, "translate", photo, status, **fields).json()
    assert words in told["error"] + told["hint"] and set(told) == {"error", "hint"}


def test_a_bad_upload_is_told_without_our_folders(client: TestClient, service: Service, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    told = post(client, "translate", bad, 422, to="disc").json()
    assert told["error"].startswith("bad.png") and str(service.workspace.root) not in str(told)
    assert client.post("/api/translate", data={"to": "disc"}).json()["error"].startswith("the field 'image'")
    assert client.get("/api/nothing").status_code == 404
    assert list(service.workspace.root.iterdir()) == []


def test_a_fault_of_ours_is_told_as_one(client: TestClient, service: Service, photo: Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(Service, "translate", lambda *_: 1 / 0)
    assert post(client, "translate", photo, 500, to="disc").json()["error"] == "this is a bug in i2i"


def test_notes_come_as_a_header(client: TestClient, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert "2 frames" in post(client, "translate", tmp_path / "two.gif", to="disc").headers[NOTE]


def test_ten_at_once_get_their_own_answers(service: Service, domains: Path, run: Path) -> None:
    wide = Service(**{**vars(service), "desk": Desk(10)})
    client, model = TestClient(endpoint_app(wide)), i2i.load(run, device="cpu")
    images = [domains / "disc" / f"{place:02d}.png" for place in range(10)]
    got: dict[int, Any] = {}

    def ask(place: int) -> None:
        got[place] = post(client, "translate", images[place], to="square").content

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, image in enumerate(images):
        assert np.array_equal(np.asarray(picture(got[place])), np.asarray(model.translate(image, "square")))


def test_too_many_are_told_to_come_again(service: Service, photo: Path) -> None:
    full = Service(**{**vars(service), "desk": Desk(0)})
    with full.desk.place():
        answer = post(TestClient(endpoint_app(full)), "translate", photo, 503, to="disc")
    assert "at work" in answer.json()["error"] and answer.headers["retry-after"]
    post(TestClient(endpoint_app(full)), "translate", photo, to="disc")

"""What a clumsy or hostile client may send: each is told in a sentence with a status, and nothing of it stays."""

import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.testclient import TestClient

from i2i_cli.files import write_text
from i2i_cli.web import reports
from i2i_cli.web.endpoint import endpoint_app
from i2i_cli.web.guard import Guard
from i2i_cli.web.reports import reports_router
from i2i_cli.web.service import Service
from tests.attacks.corpus import encoded

FORM = "multipart/form-data; boundary=b"


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    """All but the page; at the end nothing may lie in the workspace."""
    app = endpoint_app(service)
    app.include_router(reports_router())
    app.add_middleware(Guard, workspace=service.workspace)
    yield TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)
    assert list(service.workspace.root.iterdir()) == []


def told(answer: httpx.Response, *statuses: int) -> str:
    """What a refusal says; it has to be one of ours, with one of the `statuses`."""
    assert answer.status_code in statuses, answer.text[:300]
    assert set(answer.json()) == {"error", "hint"}
    return str(answer.json()["error"])


def part(name: bytes, data: bytes, file: bytes | None = None) -> bytes:
    """A field of a form, byte by byte: clients would mend its name."""
    named = b"" if file is None else b'; filename="' + file + b'"'
    return b'--b\r\nContent-Disposition: form-data; name="' + name + b'"' + named + b"\r\n\r\n" + data + b"\r\n"


def send(client: TestClient, *parts: bytes, kind: str = FORM) -> httpx.Response:
    return client.post("/api/translate", content=b"".join(parts) + b"--b--\r\n", headers={"content-type": kind})


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of a single row, whatever its header says."""
    header = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = (b"IDAT", zlib.compress(bytes(width + 1)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (header, *chunks, pixels, (b"IEND", b""))
    )


def small(kind: str = "PNG") -> bytes:
    return encoded(Image.effect_noise((40, 30), 50), kind)


def lying_jpeg(width: int, height: int) -> bytes:
    data = bytearray(small("JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


BOMB = zlib.compress(bytes(100_000_000), 9)
DAMAGED = {
    "png-of-30000.png": png(30_000, 30_000),
    "text-bomb.png": png(40, 2_000, (b"zTXt", b"Comment\0\0" + BOMB)),
    "profile-bomb.png": png(40, 2_000, (b"iCCP", b"p\0\0" + BOMB)),
    "gif-of-65535.gif": small("GIF")[:6] + b"\xff\xff\xff\xff" + small("GIF")[10:],
    "lying.jpg": lying_jpeg(65_500, 65_500),
    "half.png": small()[:200],
    "half.webp": small("WEBP")[:100],
    "header-alone.jpg": small("JPEG")[:20],
    "nothing.png": b"",
    "words.png": b"these are words",
}


@pytest.mark.parametrize("name", list(DAMAGED))
def test_what_is_no_whole_image_is_refused(client: TestClient, name: str) -> None:
    answer = send(client, part(b"to", b"disc"), part(b"image", DAMAGED[name], name.encode()))
    assert told(answer, 422).startswith(name)


@pytest.mark.parametrize(
    "name",
    [
        b"a\0b.png", b"a\nb.png", b"a\r\nSet-Cookie: x=1\r\n\r\n.png", b"x" * 5000 + b".png", "ä画😀".encode() * 100,
        b"../../../etc/passwd", b"..", b".", b"/", b"C:\\x\\a.png", b"%2e%2e%2fa.png", b"-rf", b"\xff\xfe\xfa.png",
        b"con", b"a.png;b", "\u202egnp.a".encode(), b".png",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_any_name_is_a_name(client: TestClient, name: bytes, kind: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:]} if kind == "GIF" else {}
    answer = send(client, part(b"to", b"disc"), part(b"image", encoded(frames[0], kind, **options), name))
    if answer.status_code == 200:
        assert re.fullmatch(r"attachment; filename\*=UTF-8''[\w.%~-]+", answer.headers["content-disposition"])
        assert "set-cookie" not in answer.headers
    else:  # it ends the form's header, or is longer than one may be
        assert (b"\n" in name or len(name) > 4000) and told(answer, 400, 422)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([part(b"x%d" % number, b"1") for number in range(1001)], 400),
        ([part(b"f%d" % number, b"1", b"a") for number in range(1001)], 400),
        ([part(b"to", b"d" * 2**21)], 400),
        ([part(b"to", b"\xff\xfe\0"), part(b"image", small(), b"a.png")], 400),
        ([part(b"image", small())], 422),
        ([part(b"to", b"disc", b"a.png"), part(b"image", small(), b"a.png")], 422),
        ([b"--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n"], 400),
        ([b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\n1\r\n"], 400),
        ([b"--c\r\n"], 400),
        ([b""], 422),
    ],
)
def test_forms_that_are_none_are_refused(client: TestClient, parts: list[bytes], status: int) -> None:
    told(send(client, *parts), status)


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 5000,
             "application/json", "text/plain", "", ";;;"]
)  # fmt: skip
def test_a_body_that_is_not_what_it_says_is_refused(client: TestClient, kind: str) -> None:
    told(send(client, part(b"to", b"disc"), part(b"image", small(), b"a.png"), kind=kind), 400, 422)


def test_of_a_field_that_comes_twice_one_counts(client: TestClient) -> None:
    twice = [
        part(b"to", b"nowhere"),
        part(b"to", b"disc"),
        part(b"image", b"", b"a.png"),
        part(b"image", small(), b"b.png"),
    ]
    assert send(client, *twice).headers["content-disposition"].endswith("b-disc.png")


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": "9" * 40, "samples": "2"}, {"seed": "9" * 5000, "samples": "2"}, {"seed": "-1", "samples": "2"},
        {"strength": "nan"}, {"strength": "inf"}, {"strength": "-1e400"}, {"code": "0"}, {"code": "-1"},
        {"code": "9" * 40}, {"samples": "-1"}, {"samples": "9" * 40}, {"crop": "nan,0,1,1"}, {"crop": "0,0,1e9,1e9"},
        {"crop": "-1,-1,5,5"}, {"crop": "0,0,0,0"}, {"crop": "9" * 40 + ",0,1,1"}, {"crop": "0,0,2,2\0"},
        {"model": "../../etc/passwd"}, {"model": "\0"}, {"to": "\0"}, {"to": "../disc"}, {"from": "\0"},
        {"format": "../png"}, {"format": "exe\0"}, {"size": "\n"}, {"paste": "perhaps"}, {"crop": "٣,0,5,5"},
    ],
)  # fmt: skip
def test_values_out_of_range_are_told(client: TestClient, fields: dict[str, str]) -> None:
    answer = client.post("/api/translate", files={"image": ("a.png", small())}, data={"to": "disc", **fields})
    if answer.status_code == 200:  # any seed is one; another script's digits are digits
        assert "seed" in fields or "from" in fields or fields.get("crop") == "٣,0,5,5"
    else:
        told(answer, 400, 404, 422)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("neighbours", {"k": "0"}), ("neighbours", {"k": "9" * 40}), ("neighbours", {"gallery": "/etc"}),
        ("neighbours", {"in": "\0"}), ("classify", {"labels": "../x"}), ("classify", {"labels": "\0"}),
        ("morph", {"to": "disc", "samples": "999"}), ("morph", {}), ("morph", {"to": "disc", "seed": "x"}),
    ],
)  # fmt: skip
def test_so_are_those_of_other_jobs(client: TestClient, name: str, fields: dict[str, str]) -> None:
    told(client.post(f"/api/{name}", files={"image": ("a.png", small())}, data=fields), 400, 404, 422)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    for path in ("/api/translate", "/api/models"):
        told(client.request(method, path), 405)
    assert client.head("/api/models").status_code == 405


def test_a_body_in_pieces_is_refused_whatever_length_it_names(client: TestClient) -> None:
    for headers, status in (({"content-length": "10", "transfer-encoding": "chunked"}, 411),
                            ({"content-length": "9" * 5000}, 413), ({"content-length": b"\xb2"}, 411),
                            ({"content-length": "-1"}, 411)):  # fmt: skip
        told(client.post("/api/translate", content=b"x" * 10, headers=headers), status)


@pytest.mark.parametrize("path", ["..%2f..%2fquery.png", "%2e%2e/curves.html", "config.toml", "model.safetensors",
                                  "%00.html", "a%2f..%2fcurves.html", ".", "curves.html%00", "*.html", ""])  # fmt: skip
def test_no_path_leads_out_of_a_run(here: Path, client: TestClient, path: str) -> None:
    told(client.get(f"/runs/faces/{path}"), 404)


def test_a_link_out_of_a_run_is_no_report(here: Path, client: TestClient) -> None:
    run, outside = here / "runs" / "faces", here / "secret.html"
    outside.write_text("secret")
    (run / "report.html").write_text("report")
    for name, target in {"out": outside, "up": Path("../../secret.html"), "in": run / "report.html"}.items():
        (run / f"{name}.html").symlink_to(target)
    (run / "loop.html").symlink_to("loop.html")
    shutil.copytree(run, here / "elsewhere", symlinks=True)
    (here / "runs" / "linked").symlink_to(here / "elsewhere")  # a run may lie on another disk
    assert reports.reports_in(run) == ["in.html", "report.html"]
    for name in ("out", "up", "loop"):
        assert "no page" in told(client.get(f"/runs/faces/{name}.html"), 404)
    for page in ("faces/in.html", "linked/report.html"):
        assert client.get(f"/runs/{page}").text == "report"


def test_scripts_of_a_report_run_as_those_of_no_site(here: Path, client: TestClient) -> None:
    (here / "runs" / "faces" / "report.html").write_bytes(b"<script>fetch('/api/models')</script>\xff")
    for name in ("report.html", "curves.html"):
        policy = client.get(f"/runs/faces/{name}").headers["content-security-policy"].split("; ")
        assert "sandbox allow-scripts" in policy and "default-src 'none'" in policy
        assert not any(rule.startswith("connect-src") for rule in policy)
    assert "may not use" in told(client.get("/api/models", headers={"sec-fetch-site": "cross-site"}), 403)
    needed = re.findall(r'(?:src|href)="([^"]*)"', client.get("/runs/faces/curves.html").text)
    assert needed and all(address.startswith(("data:", "#")) for address in needed)


def test_a_run_that_goes_while_its_page_is_made_is_told(
    here: Path, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, listed = here / "runs" / "faces" / "curves.html", reports.reports_in
    write_text(page, "drawn before")
    monkeypatch.setattr(reports, "reports_in", lambda folder: [listed(folder), page.unlink()][0])
    assert "cannot be read" in told(client.get("/runs/faces/curves.html"), 422)
    made = reports.save_curves
    monkeypatch.setattr(
        reports, "save_curves", lambda path, run: [shutil.rmtree(run, ignore_errors=True), made(path, run)]
    )
    monkeypatch.setattr(reports, "reports_in", listed)
    told(client.get("/runs/faces/curves.html"), 422)
    told(client.get("/runs/faces/curves.html"), 404)


def test_a_report_that_is_too_large_is_not_read(here: Path, client: TestClient) -> None:
    with (here / "runs" / "faces" / "big.html").open("wb") as file:
        file.truncate(reports.MAX_REPORT + 1)
    assert "MiB" in told(client.get("/runs/faces/big.html"), 422)

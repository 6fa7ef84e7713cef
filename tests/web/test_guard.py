import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from i2i_cli.web.guard import MAX_UPLOAD, MAX_WORDS, Guard
from i2i_cli.web.workspace import Workspace

JOIN = "/gradio_api/queue/join"


async def echo(request: Request) -> Response:
    """What arrived behind the guard."""
    return PlainTextResponse(f"{request.url.path} {len(await request.body())}")


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    return TestClient(Guard(app, workspace), base_url="http://127.0.0.1:7860")


def told(answer: Any) -> str:
    return answer.json()["error"] if answer.status_code >= 400 else ""


def test_the_page_and_the_endpoint_are_reached(client: TestClient) -> None:
    for path in ("/", "/assets/index.js", "/api/models", "/runs/faces/curves.html", "/gradio_api/queue/data"):
        assert client.get(path).text.startswith(path.rstrip("?"))


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=http://example.org/", "/gradio_api/file=/etc/passwd", "/gradio_api/call/translate",
        "/gradio_api/run/predict", "/gradio_api/vibe-code", "/gradio_api/run-history/records", "/monitoring",
        "/docs", "/login", "/gradio_api/component_server", "/gradio_api/stream/x", "/gradio_api/file/etc/passwd",
    ],
)  # fmt: skip
def test_what_nobody_needs_is_not_there(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404 and client.post(path, json={}).status_code == 404


def test_files_of_the_workspace_alone_are_shown(client: TestClient, workspace: Workspace) -> None:
    assert client.get(f"/gradio_api/file={workspace.root}/a/b.png").status_code == 200
    assert client.get(f"/gradio_api/file={workspace.root}/../../etc/passwd").status_code == 404
    assert client.get("/gradio_api/file=https://example.org/a.png").status_code == 404


@pytest.mark.parametrize("name", ["example.org", "example.org:7860", "127.0.0.1.example.org", ""])
def test_other_names_of_the_server_are_refused(client: TestClient, name: str) -> None:
    assert "not called" in told(client.get("/", headers={"host": name}))


@pytest.mark.parametrize("name", ["127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]:7860"])
def test_its_own_names_are_answered(client: TestClient, name: str) -> None:
    assert client.get("/", headers={"host": name}).status_code == 200


def test_other_pages_may_not_use_it(client: TestClient) -> None:
    evil, image = {"origin": "http://example.org"}, {"image": b"x"}
    assert "may not use" in told(client.post("/api/translate", files=image, headers=evil))
    assert "may not use" in told(client.post("/api/translate", files=image, headers={"origin": "null"}))
    assert "may not use" in told(client.get("/api/models", headers={"sec-fetch-site": "cross-site"}))
    assert client.post("/api/translate", files=image, headers={"origin": "http://127.0.0.1:7860"}).status_code == 200
    visit = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=visit).status_code == 200


def test_paths_and_addresses_are_refused_uploads_are_not(client: TestClient, workspace: Workspace) -> None:
    def joined(path: Any) -> Response:
        meta = {"_type": "gradio.FileData"}
        return client.post(JOIN, json={"data": [None, [{"path": path, "meta": meta}]], "fn_index": 3})

    for path in ("/etc/passwd", "http://example.org/a.png", "https://example.org/a.png", f"{workspace.root}/../x", 7):
        assert "uploads only" in told(joined(path)), path
    assert joined(f"{workspace.root}/a/b.png").status_code == 200 and joined(None).status_code == 200
    whole = json.dumps({"data": ["a" * 1000]})
    assert client.post(JOIN, content=whole).text == f"{JOIN} {len(whole)}"  # what was read is given on
    assert client.post(JOIN, content=b"no json").status_code == 400
    assert client.post(JOIN, content=b"[" * 100_000).status_code == 400


def test_large_requests_are_refused_before_they_are_read(client: TestClient) -> None:
    def sent(path: str, length: int) -> Response:
        return client.post(path, content=b"x", headers={"content-length": str(length)})

    assert sent("/api/translate", MAX_UPLOAD + 1).status_code == 413
    assert sent("/gradio_api/upload", MAX_UPLOAD + 1).status_code == 413
    assert sent(JOIN, MAX_WORDS + 1).status_code == 413
    assert client.post("/api/translate", content=iter([b"x"])).status_code == 411


def test_the_browser_is_told_to_fetch_nothing_from_elsewhere(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/nowhere")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_server_for_all_is_asked_by_any_name_but_not_by_other_pages(workspace: Workspace) -> None:
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    client = TestClient(Guard(app, workspace, hosts=()), base_url="http://pictures.example.org")
    assert client.get("/").status_code == 200
    assert (
        client.post("/api/classify", files={"image": b"x"}, headers={"origin": "http://example.org"}).status_code == 403
    )


@pytest.mark.parametrize("begun", [False, True])
def test_what_gradio_trips_over_is_told_in_a_sentence(workspace: Workspace, begun: bool) -> None:
    async def tripping(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200 if begun else 500, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": begun})
        raise KeyError(-1)

    notes = list[str]()
    answer = TestClient(Guard(tripping, workspace, note=notes.append), base_url="http://localhost").post(JOIN, json={})
    assert notes == [f"POST {JOIN}: KeyError: -1"]
    assert answer.text == "first" if begun else "no request of the page" in told(answer)

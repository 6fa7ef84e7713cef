"""The endpoint for scripts: images in and out as files of a form, numbers as JSON, errors as JSON with a status."""

import zipfile
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

import i2i_cli
from i2i_cli.errors import ConfigError, I2IError, WeightsError
from i2i_cli.inference.latent_classifier import DOMAINS
from i2i_cli.web.desk import BusyError
from i2i_cli.web.models import UnknownNameError
from i2i_cli.web.orders import SUFFIXES, TranslationOrder
from i2i_cli.web.service import Service
from i2i_cli.web.workspace import stored

PREFIX = "/api"

NOTE = "I2I-Note"
"""The header of an answer that holds what the caller should know of a result."""

Image = Annotated[UploadFile, File(description="an image file")]
Model = Annotated[str | None, Form(description="a name of GET /api/models; left out, the default one")]
Crop = Annotated[
    str | None, Form(description="auto (the largest face), none (the whole) or left,top,width,height in pixels")
]
Own = Annotated[str | None, Form(alias="from", description="the image's own domain")]


class Endpoint:
    """The functions of the service as routes below `/api`; FastAPI runs each in a thread."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.router = APIRouter(prefix=PREFIX)
        self.router.add_api_route("/models", self.models, methods=["GET"])
        for name in ("translate", "morph", "swap-domain", "neighbours", "classify"):
            method = getattr(self, name.replace("-", "_"))
            self.router.add_api_route(f"/{name}", method, methods=["POST"], response_model=None)

    def models(self) -> list[dict[str, Any]]:
        """The models that are served, the default first."""
        galleries = self.service.galleries
        return [
            {
                "name": name,
                "domains": weights.domains,
                "image_size": weights.image_size,
                "framing": weights.framing,
                "step": weights.header.step,
                "classifiers": sorted(weights.header.classifiers),
                "galleries": list(galleries.served(weights)),
            }
            for name, weights in self.service.models.served().items()
        ]

    def translate(
        self,
        image: Image,
        to: Annotated[str | None, Form(description="the domain to translate to")] = None,
        like: Annotated[UploadFile | None, File(description="take the domain code of this image")] = None,
        code: Annotated[int | None, Form(description="which of the kept codes, from 1")] = None,
        samples: Annotated[int, Form(description="as many results, each with another kept code: a zip")] = 0,
        seed: Annotated[int, Form()] = 0,
        strength: Annotated[float, Form(description="0 is the image's own look, 1 the target's")] = 1.0,
        own: Own = None,
        crop: Crop = None,
        paste: Annotated[bool, Form(description="put the result back into the photo")] = False,
        size: Annotated[str, Form(description="input or model")] = "input",
        format: Annotated[str, Form(description="png, jpg or webp")] = "png",
        model: Model = None,
    ) -> Response:
        """The image in another domain, as a file; with `samples`, a zip of files."""
        with self.service.workspace.scratch() as folder:
            order = _order(
                folder, image, like, to=to, code=code, samples=samples, seed=seed, strength=strength, own=own,
                crop=crop, paste=paste, size=size, suffix=f".{format}", model=model,
            )  # fmt: skip
            made = self.service.translate(order, folder)
            headers = {NOTE: " ".join(made.notes).encode("ascii", "replace").decode()} if made.notes else {}
            return _file(made.results[0], headers) if not samples else _zip(list(made.results), headers)

    def morph(
        self,
        image: Image,
        to: Annotated[str | None, Form()] = None,
        like: Annotated[UploadFile | None, File()] = None,
        code: Annotated[int | None, Form()] = None,
        samples: Annotated[int, Form()] = 0,
        seed: Annotated[int, Form()] = 0,
        own: Own = None,
        crop: Crop = None,
        model: Model = None,
    ) -> Response:
        """A GIF from the image to its translation and back, or through samples."""
        with self.service.workspace.scratch() as folder:
            order = _order(
                folder, image, like, to=to, code=code, samples=samples, seed=seed, own=own, crop=crop, model=model
            )  # fmt: skip
            return _file(self.service.morph(order, folder))

    def swap_domain(
        self,
        a: Image,
        b: Image,
        from_a: Annotated[str | None, Form()] = None,
        from_b: Annotated[str | None, Form()] = None,
        crop: Crop = None,
        model: Model = None,
    ) -> Response:
        """A zip of two files: the content of a in the look of b, and the reverse."""
        with self.service.workspace.scratch() as folder:
            first, second = _saved(a, folder / "a"), _saved(b, folder / "b")
            return _zip(self.service.swap(model, first, second, crop, (from_a, from_b), folder))

    def neighbours(
        self,
        image: Image,
        k: Annotated[int, Form()] = 5,
        gallery: Annotated[str | None, Form(description="a name of GET /api/models; left out, the first")] = None,
        inside: Annotated[str | None, Form(alias="in", description="search this domain only")] = None,
        own: Own = None,
        crop: Crop = None,
        model: Model = None,
    ) -> dict[str, Any]:
        """The images of a gallery that are closest to the image: their names in the gallery, domains and cosines."""
        with self.service.workspace.scratch() as folder:
            path = _saved(image, folder)
            found = self.service.neighbours(model, path, k, gallery=gallery, inside=inside, own=own, crop=crop)
        hits = [{"image": hit.name, "domain": hit.label, "score": round(hit.score, 4)} for hit in found.hits]
        return {"domain": found.domain, "neighbours": hits}

    def classify(
        self,
        image: Image,
        labels: Annotated[str, Form(description="the classifier; domains tells the model's own")] = DOMAINS,
        own: Own = None,
        crop: Crop = None,
        model: Model = None,
    ) -> dict[str, Any]:
        """The most probable class of the image, and the probability of each."""
        with self.service.workspace.scratch() as folder:
            shares = self.service.classify(model, _saved(image, folder), labels, own, crop)
        return {"label": next(iter(shares)), "probabilities": {name: round(share, 4) for name, share in shares.items()}}


def endpoint_app(service: Service) -> FastAPI:
    """An application that has the endpoint, and tells every failure as JSON."""
    # FastAPI's own pages about it would fetch scripts from elsewhere.
    app = FastAPI(
        title="i2i", version=i2i_cli.__version__, docs_url=None, redoc_url=None, openapi_url=f"{PREFIX}/openapi.json"
    )
    app.include_router(Endpoint(service).router)
    _add_error_handlers(app)
    return app


def _add_error_handlers(app: FastAPI) -> None:
    """Every failure as `{"error": what is wrong, "hint": what to do instead}`."""

    def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, I2IError)
        return problem(status_of(error), error.message, error.hint)

    def form(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        return problem(422, f"the field {field!r} of the form: {first['msg'].lower()}", "see /api/openapi.json")

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, f"{request.method} {request.url.path}: {str(error.detail).lower()}", "")

    def fault(request: Request, error: Exception) -> Response:  # its traceback is in the server's log
        return problem(500, "this is a bug in i2i", "please report it, with the lines that the server printed")

    app.add_exception_handler(I2IError, ours)
    app.add_exception_handler(RequestValidationError, form)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, fault)


def status_of(error: I2IError) -> int:
    """The HTTP status that says who can mend `error`."""
    if isinstance(error, BusyError):
        return 503
    if isinstance(error, UnknownNameError):
        return 404
    if isinstance(error, ConfigError):
        return 400
    return 500 if isinstance(error, WeightsError) else 422  # the server's files, or the caller's image


def problem(status: int, message: str, hint: str) -> JSONResponse:
    """An error as JSON."""
    headers = {"Retry-After": "2"} if status == 503 else {}
    return JSONResponse({"error": message, "hint": hint}, status, headers)


def _order(folder: Path, image: UploadFile, like: UploadFile | None, **told: Any) -> TranslationOrder:
    """An order whose pictures lie in `folder`."""
    reference = None if like is None else _saved(like, folder / "like")
    return TranslationOrder(image=_saved(image, folder / "image"), like=reference, **told)


def _saved(upload: UploadFile, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return stored(folder, upload.filename, upload.file.read())


def _file(path: Path, headers: dict[str, str] | None = None) -> Response:
    kind = SUFFIXES.get(path.suffix, "image/gif")
    return Response(path.read_bytes(), media_type=kind, headers=_named(path.name) | (headers or {}))


def _zip(paths: list[Path], headers: dict[str, str] | None = None) -> Response:
    whole = paths[0].with_suffix(".zip")
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for path in paths:
            archive.write(path, path.name)
    return Response(whole.read_bytes(), media_type="application/zip", headers=_named(whole.name) | (headers or {}))


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}

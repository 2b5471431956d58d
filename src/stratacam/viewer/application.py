"""The addresses of the viewer: numbers in them are places in tables that were made at the start, and nothing else."""

import logging
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.responses import JSONResponse

from stratacam.errors import InputError
from stratacam.viewer.answers import AtlasAnswer, ChartAnswer, RangeAnswer, ScanAnswer, StudyAnswer
from stratacam.viewer.built import BuiltPage
from stratacam.viewer.content import Part, Viewed

Place = Annotated[int, Path(ge=0, le=2**31 - 1, description="place in a list of an answer")]

LOG = logging.getLogger("uvicorn.error")

GONE = (
    "A file of the study is missing or damaged, or was written since the viewer was started. The terminal says which. "
    "Start `stratacam view` again."
)
NIFTI = "application/x-nifti"
ABSENT: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such place"},
    410: {
        "description": "A file of the study is missing or damaged, or was written since the viewer was started"
    },
}
A_VOLUME: dict[int | str, dict[str, Any]] = {
    200: {"content": {NIFTI: {"schema": {"type": "string", "format": "binary"}}}, "description": "NIfTI"},
    **ABSENT,
}


class Volume(Response):
    """A NIfTI file."""

    media_type = NIFTI


def make_application(viewed: Viewed, page: BuiltPage) -> FastAPI:
    """Everything that can be asked of a study, without a word on who may ask; see `stratacam.viewer.gate`."""
    app = FastAPI(title="stratacam viewer", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(IndexError, _no_such_place)
    for fault in (InputError, OSError):
        app.add_exception_handler(fault, _cannot_be_read)
    _add_page(app, page)
    _add_answers(app, viewed)
    _add_volumes(app, viewed)
    return app


def _no_such_place(_request: Request, _fault: Exception) -> Response:
    return JSONResponse({"detail": "There is no such place in the study."}, 404)


def _cannot_be_read(request: Request, fault: Exception) -> Response:
    """Without the words of the fault, which name files: these are for the terminal of whoever started the viewer."""
    LOG.warning("%s: %s", request.url.path, fault)
    return JSONResponse({"detail": GONE}, 410)


def _add_page(app: FastAPI, page: BuiltPage) -> None:
    @app.get("/", include_in_schema=False)
    def html() -> Response:
        return Response(page.html, media_type="text/html")

    @app.get("/viewer.js", include_in_schema=False)
    def script() -> Response:
        return Response(page.script, media_type="text/javascript")

    @app.get("/viewer.css", include_in_schema=False)
    def style() -> Response:
        return Response(page.style, media_type="text/css")


def _add_answers(app: FastAPI, viewed: Viewed) -> None:
    @app.get("/api/study", responses=ABSENT)
    def study() -> StudyAnswer:
        return viewed.study()

    @app.get("/api/atlas", responses=ABSENT)
    def atlas() -> AtlasAnswer:
        return viewed.atlas()

    @app.get("/api/scans/{scan}", responses=ABSENT)
    def scan(scan: Place) -> ScanAnswer:
        return viewed.scan(scan)

    @app.get("/api/stores/{store}/chart", responses=ABSENT)
    def chart(store: Place) -> ChartAnswer:
        return viewed.chart(store)

    @app.get("/api/stores/{store}/layers/{layer}/range", responses=ABSENT)
    def value_range(store: Place, layer: Place) -> RangeAnswer:
        return viewed.range(store, layer)


def _add_volumes(app: FastAPI, viewed: Viewed) -> None:
    @app.get("/api/scans/{scan}/images/{sequence}", response_class=Volume, responses=A_VOLUME)
    def image(scan: Place, sequence: Place) -> Volume:
        return Volume(viewed.image(scan, sequence))

    @app.get("/api/scans/{scan}/masks/{mask}", response_class=Volume, responses=A_VOLUME)
    def mask(scan: Place, mask: Place) -> Volume:
        return Volume(viewed.mask(scan, mask))

    @app.get("/api/scans/{scan}/regions", response_class=Volume, responses=A_VOLUME)
    def regions(scan: Place) -> Volume:
        return Volume(viewed.regions(scan))

    @app.get(
        "/api/stores/{store}/layers/{layer}/classes/{explained}/{part}",
        response_class=Volume,
        responses=A_VOLUME,
    )
    def of_layer(store: Place, layer: Place, explained: Place, part: Part) -> Volume:
        return Volume(viewed.map(store, layer, explained, part))

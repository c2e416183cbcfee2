"""The HTTP interface: `/invocations` answers, `/` is a page to try it, the rest tells its state.

Paths and JSON follow MLflow's scoring server, so that its clients work; raw bytes and pictures
come on top. Whatever a client sends, the answer is JSON with a reason, never a traceback.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from multihead import __version__
from multihead.serving.batching import Answer, Batcher
from multihead.serving.decode import decode_json, decode_raw
from multihead.serving.errors import RequestError, too_large
from multihead.serving.model import ServedModel
from multihead.serving.pictures import decode_files

PAGE = Path(__file__).parent / "page"
_FILES = {"page.css": "text/css", "page.js": "text/javascript"}
_WAITING_BATCHES = 16
_DECODERS = 2
_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Attributes:
        max_batch: Images.
        max_bytes: Of a body.
        timeout: Seconds, for the body to arrive and for the answer, each.
    """

    max_batch: int = 1024
    max_bytes: int = 16_000_000
    timeout: float = 30.0


def make_app(model: ServedModel, limits: Limits) -> Starlette:
    """Make the ASGI application of a model."""
    server = _Server(model, limits)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        server.batcher.close()
        server.decoders.shutdown(wait=False, cancel_futures=True)

    return Starlette(
        routes=[
            Route("/invocations", server.invocations, methods=["POST"]),
            Route("/ping", server.ping),
            Route("/health", server.ping),
            Route("/version", server.version),
            Route("/model", server.describe),
            Route("/examples", server.examples),
            Route("/", server.page),
            *(Route(f"/{name}", server.file) for name in _FILES),
        ],
        exception_handlers={
            RequestError: _refuse,
            HTTPException: _no_route,
            Exception: _own_fault,
        },
        lifespan=lifespan,
    )


class _Server:
    def __init__(self, model: ServedModel, limits: Limits) -> None:
        self.model, self.limits = model, limits
        self.batcher = Batcher(
            model.answer,
            max_batch=limits.max_batch,
            max_waiting=_WAITING_BATCHES * limits.max_batch,
        )
        # Few, as they take turns in Python anyway: many would only wait for each other.
        self.decoders = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decode")
        self.pages = {name: (PAGE / name).read_bytes() for name in ("index.html", *_FILES)}

    async def invocations(self, request: Request) -> Response:
        """Answer for the images in the body."""
        images = await self._images(request)
        if len(images) > self.limits.max_batch:
            raise too_large(
                f"{len(images)} images; this server takes {self.limits.max_batch} in a request."
            )
        try:
            async with asyncio.timeout(self.limits.timeout):
                answer = await self.batcher.answer(images)
        except TimeoutError as error:
            raise RequestError(
                HTTPStatus.GATEWAY_TIMEOUT,
                f"the network did not answer within {self.limits.timeout:g} s.",
            ) from error
        whole = request.query_params.get("probabilities") == "true"
        return _json(_body(answer, probabilities=whole))

    async def _images(self, request: Request) -> NDArray[np.uint8]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await self._read(request)
        shape = self.model.shape
        match kind:
            case "application/json":
                return await self._decode(decode_json, body, shape, self.limits.max_batch)
            case "application/octet-stream":
                return decode_raw(body, shape, request.headers.get("x-shape"))
            case "image/png" | "image/jpeg":
                resize = request.query_params.get("resize") == "true"
                return await self._decode(partial(decode_files, [body], shape, resize=resize))
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {kind!r}; give application/json, application/octet-stream, "
            f"image/png or image/jpeg.",
        )

    async def _decode(
        self, decode: Callable[..., NDArray[np.uint8]], *given: Any
    ) -> NDArray[np.uint8]:
        return await asyncio.get_running_loop().run_in_executor(self.decoders, decode, *given)

    async def _read(self, request: Request) -> bytes:
        """Read the body.

        What is beyond the limit is dropped as it comes, so that the client sees the refusal
        rather than a broken connection.
        """
        most = self.limits.max_bytes
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self.limits.timeout):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size <= most:
                        chunks.append(chunk)
                    elif size > _WAITING_BATCHES * most:
                        break
        except TimeoutError as error:
            raise RequestError(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body did not arrive within {self.limits.timeout:g} s.",
            ) from error
        except ClientDisconnect as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, "the body ended too early.") from error
        if size > most:
            raise too_large(f"the body has more than {most:,} bytes, this server's limit.")
        return b"".join(chunks)

    async def ping(self, request: Request) -> Response:
        """Say that the server is there and its model loaded."""
        return PlainTextResponse("\n")

    async def version(self, request: Request) -> Response:
        """Say which versions answer."""
        return _json({"multihead": __version__, "mlflow": version("mlflow")})

    async def describe(self, request: Request) -> Response:
        """Say what the model takes and what its heads are."""
        model = self.model
        return _json(
            {
                "model": model.uri,
                "model_id": model.model_id,
                "run": model.run_id,
                "shape": model.shape,
                "examples": len(model.examples),
                "heads": [
                    {
                        "name": head.name,
                        "kind": head.kind,
                        "classes": head.classes,
                        "outputs": head.outputs,
                        "unit": head.unit,
                    }
                    for head in model.loaded.heads.values()
                ],
            }
        )

    async def examples(self, request: Request) -> Response:
        """Return the example images, one byte per number, [B, H, W, C]."""
        return Response(self.model.examples.tobytes(), media_type="application/octet-stream")

    async def page(self, request: Request) -> Response:
        """Return the page."""
        return Response(self.pages["index.html"], media_type="text/html", headers=_SECURITY)

    async def file(self, request: Request) -> Response:
        """Return the page's style or script."""
        name = request.url.path.removeprefix("/")
        return Response(self.pages[name], media_type=_FILES[name], headers=_SECURITY)


def _body(answer: Answer, *, probabilities: bool) -> dict[str, Any]:
    names = list(answer.columns)
    lists = [values.tolist() for values in answer.columns.values()]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
    body: dict[str, Any] = {"predictions": rows}
    if probabilities:
        body["probabilities"] = {n: p.tolist() for n, p in answer.probabilities.items()}
    return body


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    # A value that is not known (NaN) is null, as JSON has no NaN.
    return Response(to_json(content, inf_nan_mode="null"), status, headers, "application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    busy = error.status == HTTPStatus.SERVICE_UNAVAILABLE
    return _json({"error": str(error)}, error.status, {"Retry-After": "1"} if busy else None)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = f"{request.method} {request.url.path}: {HTTPStatus(error.status_code).phrase}."
    return _json({"error": reason}, error.status_code, dict(error.headers or {}))


async def _own_fault(request: Request, error: Exception) -> Response:
    return _json({"error": "this server failed; its log says why."}, 500)

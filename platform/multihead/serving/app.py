"""The HTTP application.

`/invocations` returns predictions, and `/` is a page to try them. `/pixels` returns the pixels that
the network receives for a picture file. The other paths describe the server and its model.

Paths and JSON follow MLflow's scoring server, so that its clients work. Raw bytes and picture files
are accepted too. Every error is JSON with a reason, never a traceback. Requests to an unknown host
name, and requests from pages of another origin, get 403.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
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
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from multihead import __version__
from multihead.hosts import KnownHosts
from multihead.serving.batching import Answer, Batcher
from multihead.serving.budget import Budget, Share, slow_body
from multihead.serving.decode import decode_json, decode_raw
from multihead.serving.errors import RequestError, too_large
from multihead.serving.forms import FORM, boundary_of, decode_form
from multihead.serving.model import ServedModel
from multihead.serving.pictures import TYPES, decode_file
from multihead.serving.protocol import HEADER_SECONDS

PAGE = Path(__file__).parent / "page"
_FILES = {"page.css": "text/css", "page.js": "text/javascript"}
_WAITING_BATCHES = 16
# Two decoder threads for bodies up to this size, and one for larger bodies. So small bodies do not
# wait for large ones.
_SMALL_BODY = 256_000
_DECODERS = 2
_LARGE_BYTES_PER_SECOND = 50_000_000
_DROPPED_BODIES = 16  # in units of the largest allowed body
_MEMORY = 512_000_000
# Most bytes of memory per byte of a body: the body, its text, and arrays while it is decoded.
_BODY_FACTOR = 5
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
    """Limits of a request.

    Attributes:
        max_batch: Largest number of images.
        max_bytes: Largest size of a body in bytes.
        timeout: Seconds that the body may take to arrive, and seconds that the network may take.
    """

    max_batch: int = 1024
    max_bytes: int = 16_000_000
    timeout: float = 30.0

    @property
    def memory(self) -> int:
        """Bytes that all requests together may use."""
        return max(_MEMORY, 32 * self.max_bytes)


def make_app(model: ServedModel, limits: Limits, hosts: KnownHosts) -> Starlette:
    """Make the ASGI application of a model.

    Args:
        model: The model.
        limits: Limits of a request.
        hosts: Host names that the server accepts.
    """
    server = _Server(model, limits)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        server.batcher.close()
        for threads in (server.decoders, server.large_decoder):
            threads.shutdown(wait=False, cancel_futures=True)

    return Starlette(
        routes=[
            Route("/invocations", server.invocations, methods=["POST"]),
            Route("/pixels", server.pixels, methods=["POST"]),
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
        middleware=[Middleware(_KnownHostsOnly, hosts=hosts)],
        lifespan=lifespan,
    )


class _KnownHostsOnly:
    """Passes only requests that use a known host name and do not come from other origins."""

    def __init__(self, app: ASGIApp, hosts: KnownHosts) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            method, host, origin = scope["method"], headers.get("host"), headers.get("origin")
            if reason := self.hosts.refusal(method, host, origin):
                await _json({"error": reason}, HTTPStatus.FORBIDDEN)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class _Server:
    def __init__(self, model: ServedModel, limits: Limits) -> None:
        self.model, self.limits = model, limits
        self.batcher = Batcher(
            model.answer,
            max_batch=limits.max_batch,
            max_waiting=_WAITING_BATCHES * limits.max_batch,
        )
        self.budget = Budget(limits.memory)
        self.pace = asyncio.Lock()
        # Few threads, because Python's global lock lets only one run at a time.
        self.decoders = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decode")
        self.large_decoder = ThreadPoolExecutor(1, thread_name_prefix="decode-large")
        self.pages = {name: (PAGE / name).read_bytes() for name in ("index.html", *_FILES)}

    async def invocations(self, request: Request) -> Response:
        """Return the predictions for the images in the body."""
        with self.budget.share() as memory:
            return await self._answer(request, memory)

    async def pixels(self, request: Request) -> Response:
        """Return the pixels that the network receives for the body, uint8 [B, H, W, C]."""
        with self.budget.share() as memory:
            images = await self._images(request, memory)
            return Response(images.tobytes(), media_type="application/octet-stream")

    async def _answer(self, request: Request, memory: Share) -> Response:
        images = await self._images(request, memory)
        if len(images) > self.limits.max_batch:
            raise too_large(
                f"{len(images)} images; this server takes {self.limits.max_batch} per request."
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

    async def _images(self, request: Request, memory: Share) -> NDArray[np.uint8]:
        try:
            decode = self._decoder(request, memory)
            body = await self._read(request, memory)
        except RequestError:
            await self._drop(request)
            raise
        if _kind(request) == "application/octet-stream":
            return decode(body)  # only makes a view of the body, so needs no thread
        threads = self.decoders if len(body) <= _SMALL_BODY else self.large_decoder
        return await asyncio.get_running_loop().run_in_executor(threads, decode, body)

    def _decoder(self, request: Request, memory: Share) -> Callable[[bytearray], NDArray[np.uint8]]:
        """Return the function that decodes the body, according to the headers."""
        kind = _kind(request)
        packed = request.headers.get("content-encoding", "identity")
        if packed != "identity":
            raise RequestError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"Content-Encoding is {packed[:100]!r}; send the body without encoding.",
            )
        shape, preparation = self.model.shape, self.model.loaded.preparation
        most, resize = self.limits.max_batch, request.query_params.get("resize") == "true"
        match kind:
            case "application/json":
                return partial(
                    decode_json,
                    shape=shape,
                    max_batch=most,
                    memory=memory,
                    preparation=preparation,
                )
            case "application/octet-stream":
                return partial(decode_raw, shape=shape, stated=request.headers.get("x-shape"))
            case _ if kind == FORM:
                return partial(
                    decode_form,
                    boundary=boundary_of(request.headers["content-type"]),
                    shape=shape,
                    max_batch=most,
                    memory=memory,
                    resize=resize,
                    preparation=preparation,
                )
            case _ if kind in TYPES:
                return partial(
                    decode_file,
                    shape=shape,
                    memory=memory,
                    resize=resize,
                    preparation=preparation,
                )
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {kind[:100]!r}; give application/json, application/octet-stream, "
            f"{FORM} or {', '.join(sorted(TYPES))}.",
        )

    async def _read(self, request: Request, memory: Share) -> bytearray:
        """Read the body.

        Raises:
            RequestError: If the body is too large, slow or incomplete, or memory is short.
        """
        most, body = self.limits.max_bytes, bytearray()
        refusal = too_large(f"the body has more than {most:,} bytes, this server's limit.")
        if int(request.headers.get("content-length", 0)) > most:
            raise refusal
        try:
            async with asyncio.timeout(self.limits.timeout) as deadline:
                with memory.arriving(_earlier(deadline)):
                    async for chunk in self._paced(request):
                        if len(body) + len(chunk) > most:
                            raise refusal
                        memory.take(_BODY_FACTOR * len(chunk))
                        body += chunk
        except TimeoutError as error:
            if memory.gave_way:
                raise slow_body() from error
            raise RequestError(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body did not arrive within {self.limits.timeout:g} s.",
            ) from error
        except ClientDisconnect as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, "the body ended too early.") from error
        except RequestError:
            body.clear()
            memory.give_back()
            raise
        return body

    async def _drop(self, request: Request) -> None:
        """Read and discard the rest of a refused body.

        Many clients send the whole body before they read the answer. Without this they would see a
        broken connection.
        """
        left = _DROPPED_BODIES * self.limits.max_bytes
        # Starlette raises RuntimeError if the whole body was already read.
        with suppress(TimeoutError, ClientDisconnect, RuntimeError):
            async with asyncio.timeout(min(self.limits.timeout, HEADER_SECONDS)):
                async for chunk in self._paced(request):
                    left -= len(chunk)
                    if left < 0:
                        return

    async def _paced(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the parts of a body as they arrive. All large bodies together have a limited rate.

        Otherwise a few bodies of many megabytes would block the event loop for other requests.
        """
        size = 0
        async for chunk in request.stream():
            yield chunk
            size += len(chunk)
            if size > _SMALL_BODY:
                async with self.pace:
                    await asyncio.sleep(len(chunk) / _LARGE_BYTES_PER_SECOND)

    async def ping(self, request: Request) -> Response:
        """Return status 200: the server runs and its model is loaded."""
        return PlainTextResponse("\n")

    async def version(self, request: Request) -> Response:
        """Return the versions of multihead and MLflow."""
        return _json({"multihead": __version__, "mlflow": version("mlflow")})

    async def describe(self, request: Request) -> Response:
        """Return a description of the model: its input and its heads."""
        model, preparation = self.model, self.model.loaded.preparation
        return _json(
            {
                "model": model.uri,
                "model_id": model.model_id,
                "run": model.run_id,
                "shape": model.shape,
                "preparation": None if preparation is None else preparation.record(),
                "examples": len(model.examples),
                "heads": [
                    {
                        "name": head.name,
                        "title": head.shown,
                        "kind": head.kind.name,
                        "lists_classes": head.kind.lists_classes,
                        "classes": head.kind.class_names(head),
                        "outputs": head.outputs,
                        "unit": head.unit,
                    }
                    for head in model.loaded.heads.values()
                ],
            }
        )

    async def examples(self, request: Request) -> Response:
        """Return the example images, uint8 [B, H, W, C]."""
        return Response(self.model.examples.tobytes(), media_type="application/octet-stream")

    async def page(self, request: Request) -> Response:
        """Return the HTML page."""
        return Response(self.pages["index.html"], media_type="text/html", headers=_SECURITY)

    async def file(self, request: Request) -> Response:
        """Return the page's style sheet or script."""
        name = request.scope["path"].removeprefix("/")
        return Response(self.pages[name], media_type=_FILES[name], headers=_SECURITY)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _earlier(deadline: asyncio.Timeout) -> Callable[[], None]:
    """Return a function that moves a deadline to now. Any thread may call it, also too late."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        with suppress(RuntimeError):  # the body has already arrived
            deadline.reschedule(loop.time())

    def from_any_thread() -> None:
        loop.call_soon_threadsafe(end)

    return from_any_thread


def _body(answer: Answer, *, probabilities: bool) -> dict[str, Any]:
    names = list(answer.columns)
    lists = [values.tolist() for values in answer.columns.values()]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
    body: dict[str, Any] = {"predictions": rows}
    if probabilities:
        body["probabilities"] = {n: p.tolist() for n, p in answer.probabilities.items()}
    return body


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    # JSON has no NaN, so an unknown value is null.
    return Response(to_json(content, inf_nan_mode="null"), status, headers, "application/json")


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    busy = error.status == HTTPStatus.SERVICE_UNAVAILABLE
    return _json({"error": str(error)}, error.status, {"Retry-After": "1"} if busy else None)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    asked = f"{request.method} {request.scope['path']}"[:200]
    reason = f"{asked}: {HTTPStatus(error.status_code).phrase}."
    return _json({"error": reason}, error.status_code, dict(error.headers or {}))


async def _own_fault(request: Request, error: Exception) -> Response:
    return _json({"error": "this server failed; its log has the reason."}, 500)

"""The HTTP interface: `/invocations` answers, `/` is a page to try it, the rest tells its state.

Paths and JSON follow MLflow's scoring server, so that its clients work; raw bytes and pictures
come on top, and `/pixels` returns what the network gets of a picture's file. Whatever a client
sends, the answer is JSON with a reason, never a traceback. Requests by other names, and those that
a page of somebody else's sends, get 403.
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
# Two for bodies up to this size, one for larger ones, so that small ones do not wait for large.
_SMALL_BODY = 256_000
_DECODERS = 2
_LARGE_BYTES_PER_SECOND = 50_000_000
_DROPPED_BODIES = 16  # of the largest size allowed
_MEMORY = 512_000_000
# Bytes held for a byte of a body, at most: the body, its text, numbers on their way to pixels.
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
    """What a request may ask for.

    Attributes:
        max_batch: Images.
        max_bytes: Of a body.
        timeout: Seconds, for the body to arrive and for the answer, each.
    """

    max_batch: int = 1024
    max_bytes: int = 16_000_000
    timeout: float = 30.0

    @property
    def memory(self) -> int:
        """Bytes that all requests together may hold."""
        return max(_MEMORY, 32 * self.max_bytes)


def make_app(model: ServedModel, limits: Limits, hosts: KnownHosts) -> Starlette:
    """Make the ASGI application of a model.

    Args:
        model: What answers.
        limits: Of requests.
        hosts: Names it answers to.
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
    """Lets only those requests through that are for this server and from its own pages."""

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
        # Few, as they take turns in Python anyway: many would only wait for each other.
        self.decoders = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decode")
        self.large_decoder = ThreadPoolExecutor(1, thread_name_prefix="decode-large")
        self.pages = {name: (PAGE / name).read_bytes() for name in ("index.html", *_FILES)}

    async def invocations(self, request: Request) -> Response:
        """Answer for the images in the body."""
        with self.budget.share() as memory:
            return await self._answer(request, memory)

    async def pixels(self, request: Request) -> Response:
        """Return what the network gets of the images in the body, uint8 [B, H, W, C]."""
        with self.budget.share() as memory:
            images = await self._images(request, memory)
            return Response(images.tobytes(), media_type="application/octet-stream")

    async def _answer(self, request: Request, memory: Share) -> Response:
        images = await self._images(request, memory)
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

    async def _images(self, request: Request, memory: Share) -> NDArray[np.uint8]:
        try:
            decode = self._decoder(request, memory)
            body = await self._read(request, memory)
        except RequestError:
            await self._drop(request)
            raise
        if _kind(request) == "application/octet-stream":
            return decode(body)  # a view of the body, not worth a thread
        threads = self.decoders if len(body) <= _SMALL_BODY else self.large_decoder
        return await asyncio.get_running_loop().run_in_executor(threads, decode, body)

    def _decoder(self, request: Request, memory: Share) -> Callable[[bytearray], NDArray[np.uint8]]:
        """Return what makes images of the body, by the headers."""
        kind = _kind(request)
        packed = request.headers.get("content-encoding", "identity")
        if packed != "identity":
            raise RequestError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"Content-Encoding is {packed[:100]!r}; send the body as it is.",
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
        """Read the body."""
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
        """Drop what is left of a refused body, as it comes.

        Many clients send all of it before they read, and would see a broken connection otherwise.
        """
        left = _DROPPED_BODIES * self.limits.max_bytes
        # Starlette says by a RuntimeError that all of it was there.
        with suppress(TimeoutError, ClientDisconnect, RuntimeError):
            async with asyncio.timeout(min(self.limits.timeout, HEADER_SECONDS)):
                async for chunk in self._paced(request):
                    left -= len(chunk)
                    if left < 0:
                        return

    async def _paced(self, request: Request) -> AsyncIterator[bytes]:
        """Yield a body as it arrives; what is large shares so many bytes a second with all others.

        A few bodies of many megabytes would leave the event loop no time for anybody else.
        """
        size = 0
        async for chunk in request.stream():
            yield chunk
            size += len(chunk)
            if size > _SMALL_BODY:
                async with self.pace:
                    await asyncio.sleep(len(chunk) / _LARGE_BYTES_PER_SECOND)

    async def ping(self, request: Request) -> Response:
        """Say that the server is there and its model loaded."""
        return PlainTextResponse("\n")

    async def version(self, request: Request) -> Response:
        """Say which versions answer."""
        return _json({"multihead": __version__, "mlflow": version("mlflow")})

    async def describe(self, request: Request) -> Response:
        """Say what the model takes and what its heads are."""
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
        """Return the example images, one byte per number, [B, H, W, C]."""
        return Response(self.model.examples.tobytes(), media_type="application/octet-stream")

    async def page(self, request: Request) -> Response:
        """Return the page."""
        return Response(self.pages["index.html"], media_type="text/html", headers=_SECURITY)

    async def file(self, request: Request) -> Response:
        """Return the page's style or script."""
        name = request.scope["path"].removeprefix("/")
        return Response(self.pages[name], media_type=_FILES[name], headers=_SECURITY)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _earlier(deadline: asyncio.Timeout) -> Callable[[], None]:
    """Return what moves a deadline to now, from any thread, and does nothing once it is over."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        with suppress(RuntimeError):  # the body is there already
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
    # A value that is not known (NaN) is null, as JSON has no NaN.
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
    return _json({"error": "this server failed; its log says why."}, 500)

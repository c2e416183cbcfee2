"""Slow and broken clients on real sockets: each wait ends, and others are answered meanwhile."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multihead.connections import Connections, address_of
from multihead.serving.protocol import guarded

_LARGE = 20_000_000  # more than the buffers of a connection
_TIMEOUT = 0.4


async def _ping(request: Request) -> Response:
    return Response(b"\n")


async def _echo(request: Request) -> Response:
    return Response(await request.body())


async def _much(request: Request) -> Response:
    return Response(bytes(_LARGE))


@pytest.fixture
def connections() -> Connections:
    """Room for few."""
    return Connections(40)


@pytest.fixture
def port(connections: Connections) -> Iterator[int]:
    """Where a server listens that waits briefly."""
    routes = [Route("/ping", _ping), Route("/echo", _echo, methods=["POST"]), Route("/much", _much)]
    protocol = guarded(connections, _TIMEOUT)
    config = uvicorn.Config(
        Starlette(routes=routes), http=protocol, ws="none", log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        server.force_exit = True
        thread.join()


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def _ended(client: socket.socket, piece: bytes) -> tuple[bytes, float]:
    """Send a piece every now and then until the server closes; what it said, and when."""
    began, said = time.monotonic(), b""
    client.settimeout(0.05)
    while time.monotonic() - began < 10:
        try:
            client.sendall(piece)
            received = client.recv(4096)
        except TimeoutError:
            continue
        except OSError:
            break
        if not received:
            break
        said += received
    return said, time.monotonic() - began


def _ping_answers(port: int) -> bool:
    with _connect(port) as client:
        client.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        return client.recv(100).startswith(b"HTTP/1.1 200")


def test_headers_that_never_end_are_given_up_however_often_a_byte_comes(port: int) -> None:
    with _connect(port) as client:
        client.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nX: ")
        said, took = _ended(client, b"y")
    assert said.startswith(b"HTTP/1.1 408 ")
    assert list(json.loads(said.partition(b"\r\n\r\n")[2])) == ["error"]
    assert took < 5


def test_the_next_headers_on_a_connection_are_given_up_as_well(port: int) -> None:
    with _connect(port) as client:
        client.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET /ping HTTP/1.1\r\nX: ")
        said, took = _ended(client, b"y")
    assert b"HTTP/1.1 408 " in said
    assert took < 5


def test_an_idle_connection_is_closed(port: int) -> None:
    with _connect(port) as client:
        assert client.recv(10) == b""


def test_a_body_that_never_ends_is_given_up(port: int) -> None:
    with _connect(port) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n")
        assert _ended(client, b"y")[1] < 5


@pytest.mark.parametrize("often", [1, 20])
def test_an_answer_that_nobody_reads_is_given_up(
    port: int, connections: Connections, often: int
) -> None:
    with _connect(port) as client:
        client.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n" * often)
        deadline = time.monotonic() + 5
        while not len(connections):
            time.sleep(0.01)
        while len(connections):
            assert time.monotonic() < deadline, "the connection is held"
            time.sleep(0.02)


def test_many_slow_clients_stop_nobody(port: int, connections: Connections) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(_connect(port))
            client.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nX: ")
            assert len(connections) <= 40
        assert all(_ping_answers(port) for _ in range(5))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /ping HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_what_is_no_http_is_refused_in_json(port: int, request_: bytes, status: int) -> None:
    with _connect(port) as client:
        client.sendall(request_)
        said = b"".join(iter(lambda: client.recv(4096), b""))
    head, _, body = said.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert list(json.loads(body)) == ["error"]


class _Client:
    def __init__(self, address: str, waits_since: float | None) -> None:
        self.address, self.waits_since, self.closed = address, waits_since, False

    def give_up(self) -> None:
        self.closed = True


def test_the_connection_that_keeps_us_waiting_longest_goes_of_the_address_with_most() -> None:
    connections = Connections(4)
    old, young, other = _Client("a", 1.0), _Client("a", 2.0), _Client("b", 0.0)
    assert all(connections.enter(client) for client in (old, young, other))
    assert connections.enter(_Client("a", 3.0))
    assert [c.closed for c in (old, young, other)] == [True, False, False]
    assert connections.enter(_Client("c", None))
    assert connections.enter(_Client("d", 5.0))
    assert [c.closed for c in (young, other)] == [True, False]


def test_there_is_no_room_while_all_wait_for_the_server() -> None:
    connections = Connections(2)
    first = _Client("a", None)
    assert connections.enter(first)
    assert not connections.enter(_Client("a", 1.0))
    connections.leave(first)
    assert connections.enter(_Client("a", 1.0))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::2%eth0", "2001:db8::/64"),
        ("", ""),
    ],
)
def test_one_client_has_one_address(host: str, address: str) -> None:
    assert address_of(host) == address

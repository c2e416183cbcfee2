"""Who the dashboard answers to: a real server, real requests."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from wsgiref.simple_server import make_server

import pytest

from multihead.hosts import KnownHosts
from multihead.studies.dashboard import Handler, Server, known_hosts_only


class _Quiet(Handler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """Where an application that always answers is behind the check."""

    def application(environ, start_response):
        start_response("200 OK", [])
        return [b"yes"]

    guarded = known_hosts_only(application, KnownHosts(["localhost:8080", "lab.example"]))
    with make_server("127.0.0.1", 0, guarded, Server, _Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _status(port: int, method: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, "/api/studies/1", skip_host=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("host", ["localhost:8080", "lab.example"])
def test_a_known_name_is_answered(port: int, host: str) -> None:
    assert _status(port, "GET", Host=host) == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost", "localhost:8080.evil.example", ""])
def test_any_other_name_gets_403(port: int, host: str) -> None:
    """A page of somebody else's may have a name of its own that leads here."""
    assert _status(port, "GET", Host=host) == 403


def test_a_request_without_a_name_gets_403(port: int) -> None:
    assert _status(port, "GET") == 403


def test_changes_come_from_the_dashboards_own_pages_alone(port: int) -> None:
    own, foreign = "http://localhost:8080", "http://evil.example"
    assert _status(port, "DELETE", Host="localhost:8080", Origin=own) == 200
    assert _status(port, "DELETE", Host="localhost:8080", Origin=foreign) == 403
    assert _status(port, "POST", Host="localhost:8080", Origin="null") == 403
    assert _status(port, "DELETE", Host="localhost:8080") == 200  # no browser leaves it out


def test_clients_that_send_nothing_stop_nobody(port: int) -> None:
    """There are so many threads at most, and the oldest connection gives way."""
    slow = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(200)]
    try:
        for client in slow:
            with suppress(ConnectionError):  # closed to make room
                client.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert _status(port, "GET", Host="lab.example") == 200
        assert threading.active_count() < 160
    finally:
        for client in slow:
            client.close()


def test_a_client_that_is_silent_is_given_up_without_a_word(
    port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_Quiet, "timeout", 0.2)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as silent:
        assert silent.recv(1) == b""
    assert capfd.readouterr().err == ""

"""uvicorn's HTTP protocol with a deadline for each step of a connection.

uvicorn closes idle connections. But it never closes a connection whose client sends a byte from
time to time, or does not read its answer. Here each step has a total time limit.
"""

import asyncio
import sys
import time
from http import HTTPStatus

import h11
from pydantic_core import to_json
from uvicorn.protocols.http.h11_impl import H11Protocol

from multihead.connections import Connections, address_of

HEADER_SECONDS = 10.0


def guarded(connections: Connections, timeout: float) -> type[H11Protocol]:
    """Return uvicorn's protocol with limits.

    Args:
        connections: The server's connections.
        timeout: Seconds for each of three steps of a request: its body arrives, the answer is
            computed, the client reads the answer. Its headers have the same time, but at most ten
            seconds, counted from the previous answer.
    """

    class Guarded(_Guarded):
        _connections, _timeout = connections, timeout

    return Guarded


class _Guarded(H11Protocol):
    _connections: Connections
    _timeout: float
    _deadline: asyncio.TimerHandle | None = None
    _reads_answer = False  # whether the current deadline is for reading the answer only
    address = ""

    @property
    def waits_since(self) -> float | None:
        """When waiting for the client began; None while the client waits for the server."""
        their, unread = self.conn.their_state, self.transport.get_write_buffer_size()
        return self._since if unread or their in (h11.IDLE, h11.SEND_BODY) else None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # uvicorn also narrows asyncio's BaseTransport
        """Accept or refuse a connection."""
        super().connection_made(transport)
        self.address = address_of(self.client[0] if self.client else "")
        self._wait(min(self._timeout, HEADER_SECONDS))
        if not self._connections.enter(self):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "all connections are in use; try again.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process data; set a new deadline when the headers are complete."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before and not self.cycle.response_complete:
            self._wait(3 * self._timeout)

    def on_response_complete(self) -> None:
        """Set the deadline for the next request and for reading the answer."""
        self._wait(min(self._timeout, HEADER_SECONDS))
        before = self.cycle
        super().on_response_complete()
        if self.cycle is not before:  # the next request has already arrived
            self._wait(3 * self._timeout)

    def send_400_response(self, msg: str) -> None:
        """Refuse invalid HTTP, with the parser's reason."""
        error = sys.exception()
        if isinstance(error, h11.RemoteProtocolError):
            self._refuse(HTTPStatus(error.error_status_hint), f"{error}.")
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def give_up(self) -> None:
        """Close the connection at once, and discard unsent data."""
        self.transport.abort()

    def _wait(self, seconds: float) -> None:
        self._since = time.monotonic()
        self._reads_answer = False
        self._call_later(seconds)

    def _call_later(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        if self.transport.get_write_buffer_size() and not self._reads_answer:
            self._reads_answer = True
            self._call_later(self._timeout)
        elif self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the headers did not arrive in time.")
            self._reads_answer = True
            self._call_later(self._timeout)
        else:
            self.give_up()

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        """Send an error without the application, and close the connection."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.give_up()  # an answer is already being sent
            return
        body = to_json({"error": reason})
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        headers.append(("connection", "close"))
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append(("retry-after", "1"))
        response = h11.Response(status_code=status, headers=headers, reason=status.phrase)
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

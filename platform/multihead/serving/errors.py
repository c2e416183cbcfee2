"""Errors that a client of the server causes."""

from http import HTTPStatus


class RequestError(Exception):
    """A refused request. The message is sent to the client.

    Attributes:
        status: The HTTP status code.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def wrong(reason: str) -> RequestError:
    """Return the error for an invalid request (400)."""
    return RequestError(HTTPStatus.BAD_REQUEST, reason)


def too_large(reason: str) -> RequestError:
    """Return the error for a request beyond this server's limits (413)."""
    return RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)

"""What a client of the server can cause."""

from http import HTTPStatus


class RequestError(Exception):
    """A request that is not answered, with the reason the client is told.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def wrong(reason: str) -> RequestError:
    """Return the error of a request that no server could answer."""
    return RequestError(HTTPStatus.BAD_REQUEST, reason)


def too_large(reason: str) -> RequestError:
    """Return the error of a request beyond this server's limits."""
    return RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)

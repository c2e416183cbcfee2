"""Limit the connections of a server, and choose the one to close when there are too many.

A client may be slow on purpose, and may have the same address as good clients. But it keeps the
server waiting: for a request, for a body, or until its answer is read. A good client waits for the
server instead. So when there are too many connections, the server takes the address with the most
connections, and closes the one that has kept it waiting for the longest time.
"""

import ipaddress
import time
from collections import Counter
from typing import Protocol


class Connection(Protocol):
    """A connection as `Connections` sees it."""

    @property
    def address(self) -> str:
        """The address of the client; see `address_of`."""

    @property
    def waits_since(self) -> float | None:
        """Start of the wait for the client (`time.monotonic()`); None if the client waits."""

    def give_up(self) -> None:
        """Close the connection immediately."""


class Connections:
    """The open connections of a server.

    Args:
        most: Limit for all addresses together; one address may have half of it.
    """

    def __init__(self, most: int) -> None:
        self.most, self.most_of_one = most, max(1, most // 2)
        self._open: dict[Connection, None] = {}
        self._of: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection) -> bool:
        """Add a connection, closing another one if there are too many.

        Returns:
            False if there are too many and all of them wait for the server.
        """
        address = connection.address
        if self._of[address] >= self.most_of_one:
            crowded: str | None = address
        elif len(self._open) >= self.most:
            crowded = self._of.most_common(1)[0][0]
        else:
            crowded = None
        if crowded is not None and not self._close_one(crowded):
            return False
        self._open[connection] = None
        self._of[address] += 1
        return True

    def leave(self, connection: Connection) -> None:
        """Remove a closed connection; one that was not added is ignored."""
        if connection in self._open:
            del self._open[connection]
            self._of[connection.address] -= 1
            if not self._of[connection.address]:
                del self._of[connection.address]

    def _close_one(self, address: str) -> bool:
        waiting = [c for c in self._open if c.address == address and c.waits_since is not None]
        if not waiting:
            return False
        now = time.monotonic()
        slowest = min(waiting, key=lambda c: c.waits_since or now)
        self.leave(slowest)
        slowest.give_up()
        return True


def address_of(host: str) -> str:
    """Return an IPv4 address, or the /64 network of an IPv6 address, which one client may own."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)

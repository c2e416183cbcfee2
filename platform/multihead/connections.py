"""How many connections a server keeps, and which one it closes when there are too many.

A client that is slow on purpose looks like any other at first, and may come from the same address
as good ones. What it cannot hide is how long it keeps the server waiting: for a request, for a
body, for its answer to be read. So when there are too many, the one that has kept us waiting for
longest is closed, of the address that has most of them. A good client waits for us instead.
"""

import ipaddress
import time
from collections import Counter
from typing import Protocol


class Connection(Protocol):
    """What is known of a connection."""

    @property
    def address(self) -> str:
        """Whose it is; see `address_of`."""

    @property
    def waits_since(self) -> float | None:
        """`time.monotonic()` since when it waits for its client, None if its client waits."""

    def give_up(self) -> None:
        """Close it at once."""


class Connections:
    """The open connections.

    Args:
        most: Of all addresses together; one address may have half of them.
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
            False if there is no room, as all of them wait for the server.
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
        """Forget a connection that is closed; one that did not enter is no matter."""
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
    """Return what one client can hold all of: an IPv4 address, or 64 bits of an IPv6 one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)

"""The names by which a server without users may be asked.

Such a server trusts whoever reaches it. A page of somebody else's in a browser on this machine
reaches it too: by a name of its own that leads here (DNS rebinding), or by a form that is sent
here. So requests for other names are refused, and so are changes that come from other pages.
Programs such as curl send no Origin, and are answered.
"""

import ipaddress
import re
from collections.abc import Iterable

from multihead.errors import ConfigError

_READING = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_NAME = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")


class KnownHosts:
    """Decides which requests are for a server, and from its own pages.

    Args:
        hosts: Allowed values of the header Host, with ports as browsers send them. Changes may
            come from pages of these places only.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        schemes = ("http", "https")
        self._origins = frozenset(
            f"{scheme}://{host}" for scheme in schemes for host in self._hosts
        )

    def refusal(self, method: str, host: str | None, origin: str | None) -> str | None:
        """Return why a request gets 403, or None if it may be answered.

        Args:
            method: Of the request, such as `GET`.
            host: The header Host, None if there is none.
            origin: The header Origin, None if there is none.
        """
        if host is None or host.lower() not in self._hosts:
            return "the header Host is none of the names that this server is allowed to answer to."
        if method not in _READING and origin is not None and origin.lower() not in self._origins:
            return "the header Origin is of another page; only this server's own pages may ask."
        return None


def published_hosts(host: str, address: str, port: int, allowed: str) -> KnownHosts:
    """Return the names of a server that listens on an address.

    Those of loopback always belong to it. Whoever publishes it further says by which names.

    Args:
        host: As the user gave it.
        address: The IP address that it became.
        port: Where it listens.
        allowed: Names, with or without a port, separated by commas. One without a port is
            allowed as it is, and with `port`.

    Raises:
        ConfigError: If an address beyond loopback comes without names, or a name is malformed.
    """
    names = [name.strip().lower() for name in allowed.split(",") if name.strip()]
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"--allowed-hosts has {name!r}; give names such as lab.example or "
                f"lab.example:{port}, separated by commas."
            )
    if not names and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        raise ConfigError(
            f"--host {host} publishes the server beyond this machine; say by which names it may be "
            f"asked, such as --allowed-hosts lab.example or --allowed-hosts 192.0.2.1."
        )
    hosts = [*names, *(f"{name}:{port}" for name in [*names, *_LOOPBACK] if not _has_port(name))]
    # Browsers leave out the port of http.
    return KnownHosts([*hosts, *(_LOOPBACK if port == 80 else ())])


def _has_port(name: str) -> bool:
    return re.search(r":\d+$", name) is not None

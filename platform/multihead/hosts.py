"""Check the headers Host and Origin of requests to a server without authentication.

Such a server trusts every client. A foreign web page in a browser on this machine can reach it too:
with a host name that resolves to this machine (DNS rebinding), or with a form that it submits to
the server. So requests for other host names are refused, and changes from other pages as well.
Programs such as curl send no Origin, and are accepted.
"""

import ipaddress
import re
from collections.abc import Iterable

from multihead.errors import ConfigError

_READING = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_NAME = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")


class KnownHosts:
    """Accept only requests for known host names, and changes only from the server's own pages.

    Args:
        hosts: Allowed values of the header Host, with ports as browsers send them. Changes are
            allowed only from pages of these hosts.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        schemes = ("http", "https")
        self._origins = frozenset(
            f"{scheme}://{host}" for scheme in schemes for host in self._hosts
        )

    def refusal(self, method: str, host: str | None, origin: str | None) -> str | None:
        """Return why a request is refused with status 403, or None if it is accepted.

        Args:
            method: The method of the request, such as `GET`.
            host: The header Host, or None.
            origin: The header Origin, or None.
        """
        if host is None or host.lower() not in self._hosts:
            return "the header Host is not one of the allowed names of this server."
        if method not in _READING and origin is not None and origin.lower() not in self._origins:
            return "the header Origin is of another page; only this server's own pages are allowed."
        return None


def published_hosts(host: str, address: str, port: int, allowed: str) -> KnownHosts:
    """Return the allowed host names of a server that listens on an address.

    The names of loopback are always allowed. For another address, the user must give names.

    Args:
        host: The value of --host.
        address: The IP address of that host.
        port: The port of the server.
        allowed: Names, with or without a port, separated by commas. A name without a port is
            allowed both without a port and with `port`.

    Raises:
        ConfigError: If the address is not loopback and there are no names, or a name is malformed.
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
            f"--host {host} publishes the server beyond this machine; give its allowed host names, "
            f"such as --allowed-hosts lab.example or --allowed-hosts 192.0.2.1."
        )
    hosts = [*names, *(f"{name}:{port}" for name in [*names, *_LOOPBACK] if not _has_port(name))]
    # Browsers omit port 80, the default of http.
    return KnownHosts([*hosts, *(_LOOPBACK if port == 80 else ())])


def _has_port(name: str) -> bool:
    return re.search(r":\d+$", name) is not None

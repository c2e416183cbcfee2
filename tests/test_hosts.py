"""Which requests are for a server without users, and what it must be told to be published."""

import pytest

from multihead.errors import ConfigError
from multihead.hosts import KnownHosts, published_hosts


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost:8000", True),
        ("LOCALHOST:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("localhost", False),
        ("localhost:8001", False),
        ("localhost:8000.evil.example", False),
        ("evil.example:8000", False),
        ("", False),
        (None, False),
    ],
)
def test_a_server_on_loopback_answers_to_its_names_alone(host: str | None, known: bool) -> None:
    hosts = published_hosts("127.0.0.1", "127.0.0.1", 8000, "")
    assert (hosts.refusal("GET", host, None) is None) == known


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://localhost:3000", "null", "", "http://[", "file://"],
)
def test_a_page_of_another_place_may_not_send(origin: str) -> None:
    hosts = KnownHosts(["localhost:8000"])
    assert hosts.refusal("POST", "localhost:8000", origin) is not None
    assert hosts.refusal("POST", "localhost:8000", "http://localhost:8000") is None
    assert hosts.refusal("POST", "localhost:8000", None) is None


@pytest.mark.parametrize(
    ("host", "address"), [("0.0.0.0", "0.0.0.0"), ("::", "::"), ("192.0.2.7", "192.0.2.7")]
)
def test_what_is_published_beyond_loopback_must_be_named(host: str, address: str) -> None:
    with pytest.raises(ConfigError, match="--allowed-hosts"):
        published_hosts(host, address, 8000, "")
    hosts = published_hosts(host, address, 8000, "lab.example, other.example:9000")
    for name in ("lab.example", "lab.example:8000", "other.example:9000", "localhost:8000"):
        assert hosts.refusal("GET", name, None) is None
    for name in ("other.example", "other.example:8000", f"{address}:8000"):
        assert hosts.refusal("GET", name, None) is not None


@pytest.mark.parametrize("names", ["*", "http://lab.example", "lab.example/", "a b", "::1"])
def test_a_malformed_name_is_refused(names: str) -> None:
    with pytest.raises(ConfigError, match="give names such as"):
        published_hosts("127.0.0.1", "127.0.0.1", 8000, names)

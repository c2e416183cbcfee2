"""Ports for the servers of tests that run beside each other."""

import random
import socket

# Below those that the system gives to clients, who could take one while its server is down.
_LOWEST, _HIGHEST = 10_000, 32_000
_random = random.SystemRandom()  # processes that test side by side may share a seed


def free_port() -> int:
    """Return a port of loopback that nobody listens to, likely another one each time."""
    while True:
        port = _random.randrange(_LOWEST, _HIGHEST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port

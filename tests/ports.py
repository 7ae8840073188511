"""Ports for programs that a test starts."""

from __future__ import annotations

import socket
from random import SystemRandom

RANGE = range(18_000, 32_000)
"""Below those that systems give to whoever asks for any port: no other test is given one of these meanwhile."""


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    while True:
        port = SystemRandom().choice(RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port

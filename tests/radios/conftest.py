"""What the tests of radios share: loopback addresses of their own, so that many may run at once."""

from __future__ import annotations

import os
from itertools import count

import pytest

_numbers = count()


@pytest.fixture
def loopback() -> str:
    """The first of a few hundred loopback addresses that no other test of this run uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    number = next(_numbers)
    return f"127.{20 + worker % 100}.{1 + number % 250}.2"

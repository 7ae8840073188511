"""Key establishment: one side's computation in Python and with libcrypto, both suites, side by side.

Also against what a hub needs: ten devices that join in one second. Without libcrypto, or with one that was built
without binary curves, only those rows are there.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.measure import Result, compare
from protocols.ids import Eui64
from protocols.se import libcrypto
from protocols.se.binary_curve import PURE_PYTHON, Arithmetic
from protocols.se.cbke import KeyPair, derive, shared_secret
from protocols.se.ecqv import CURVES, Authority, public_key
from protocols.se.key_establishment import Suite

ROUNDS = 20
NEEDED = 10.0
"""A second. A side has told of itself that it takes 10 s and more, so one of them has a hundred times what it needs."""
PROMISE = 0.08
"""Of libcrypto's rate."""


def one_side(suite: Suite, arithmetic: Arithmetic) -> Callable[[], float]:
    """Computations of a responder in a second: own ephemeral keys, the other's public keys, the shared keys."""
    curve = CURVES[suite]
    seed = bytes(range(curve.seed_size))
    authority = Authority(suite, curve.scalar(seed))
    ours, theirs = (authority.equip(Eui64(number), seed, seed[::-1]) for number in (1, 2))
    ephemeral = KeyPair.make(curve.scalar(seed[::-1]), curve.base).public.encode()

    def measured() -> float:
        started = time.perf_counter()
        for _ in range(ROUNDS):
            pair = KeyPair.make(curve.scalar(seed), curve.base, arithmetic)
            static = public_key(theirs.certificate, ours.authority_key, arithmetic)
            point = curve.read_point(ephemeral)
            derive(shared_secret(ours.private_key, pair, static, point, arithmetic))
        return ROUNDS / (time.perf_counter() - started)

    return measured


def needed() -> float:
    """What a hub needs."""
    return NEEDED


def run() -> list[Result]:
    """Two rows for each suite."""
    library = libcrypto.find()
    rows = []
    for suite, curve in CURVES.items():
        name, python = f"CBKE, {curve.name}: one side in Python", one_side(suite, PURE_PYTHON)
        if library is not None:
            quick = one_side(suite, library)
            rows.append(compare(f"{name} / libcrypto", python, quick, unit="sides/s", at_least=PROMISE, rounds=5))
        rows.append(compare(f"{name} / needed", python, needed, unit="sides/s", at_least=1.0, rounds=3))
    return rows

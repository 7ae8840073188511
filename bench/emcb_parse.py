"""A status response verified and parsed, against `hmac.digest` alone over the same bytes."""

from __future__ import annotations

import hmac
import json
import timeit
from pathlib import Path

from bench.measure import Result, compare
from protocols import emcb

CALLS = 20_000


def run() -> list[Result]:
    """The one row."""
    golden = json.loads((Path(__file__).parent.parent / "tests" / "golden" / "emcb.json").read_text())
    frame = bytes.fromhex(next(entry["frame"] for entry in golden["frames"] if "status of" in entry["name"]))
    raw_key = bytes.fromhex(golden["key"])
    key = emcb.SigningKey(raw_key)
    signed = frame[:-32]

    def ours() -> float:
        return CALLS / timeit.timeit(lambda: emcb.decode_response(frame, key), number=CALLS)

    def theirs() -> float:
        return CALLS / timeit.timeit(lambda: hmac.digest(raw_key, signed, "sha256"), number=CALLS)

    return [compare("EMCB status: verify + parse / hmac.digest", ours, theirs, unit="per s", at_least=0.40, rounds=15)]

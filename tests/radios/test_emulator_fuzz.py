"""Datagrams that nobody with a key made never move an emulated breaker."""

from __future__ import annotations

import hmac
import struct
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from radios.emulators.emcb_breaker import Breaker
from radios.emulators.emcb_meter import Meter
from radios.emulators.home import Home, load_for

KEY = bytes(range(32))
NOW_S = 1000.0
DATA_SIZES = {0x0000: 4, 0x00FF: 0, 0x0100: 0, 0x0200: 0, 0x8000: 4, 0x8100: 1, 0x8300: 25}


def request(sequence: int, code: int, data: bytes) -> bytes:
    body = b"ETNM" + struct.pack("<IH", sequence, code) + data
    return body + hmac.digest(KEY, body, "sha256")


def a_breaker() -> Breaker:
    load = load_for("kitchen", 1)
    meter = Meter(Home(1, 0.0, 1.0, NOW_S), load.demand, two_pole=False)
    return Breaker(
        device_id="30000c2a69113173",
        load="kitchen",
        keys=(KEY,),
        broadcast_keys=(bytes(32),),
        meter=meter,
        clock=lambda: NOW_S,
        randomness=Random(3),
    )


def check_ignored(datagram: bytes, broadcast: bool) -> None:
    breaker = a_breaker()
    before = (breaker.state, breaker.expected, breaker.leds, breaker.keys)
    assert breaker.receive(datagram, broadcast=broadcast) is None
    assert (breaker.state, breaker.expected, breaker.leds, breaker.keys) == before
    assert breaker.commands_applied == []
    assert sum(breaker.counters.values()) == 2  # received, and dropped for one reason


@settings(max_examples=300, deadline=None)
@given(datagram=st.binary(max_size=1600), broadcast=st.booleans())
def test_random_datagrams_change_nothing(datagram: bytes, broadcast: bool) -> None:
    check_ignored(datagram, broadcast)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), code=st.sampled_from(sorted(DATA_SIZES)))
def test_mutated_datagrams_change_nothing(data: st.DataObject, code: int) -> None:
    good = request(a_breaker().expected, code, bytes(DATA_SIZES[code]))
    assert a_breaker().receive(good, broadcast=False) is not None
    kind = data.draw(st.sampled_from(["flip", "cut", "grow", "elsewhere"]))
    if kind == "flip":
        place = data.draw(st.integers(0, len(good) * 8 - 1))
        changed = bytearray(good)
        changed[place // 8] ^= 1 << place % 8
        check_ignored(bytes(changed), False)
    elif kind == "cut":
        check_ignored(good[: data.draw(st.integers(0, len(good) - 1))], False)
    elif kind == "grow":
        check_ignored(good + data.draw(st.binary(min_size=1, max_size=64)), False)
    else:
        check_ignored(good, True)

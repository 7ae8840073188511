"""A client of demand response that knows 10,000 events: what it costs to ask it each second what is due."""

from __future__ import annotations

import random
import statistics
import time

from bench.measure import Result
from hub.smart_energy.drlc_client import ClientEvent, DrlcClient, DrlcPolicy
from hub.smart_energy.peer import Peer
from protocols.ids import Eui64
from protocols.se.drlc import PUNCTUAL, Criticality, DeviceClass, LoadControlEvent

EVENTS, CALLS, ROUNDS = 10_000, 3000, 5
PROMISE_US = 50.0
DAY_S, MINUTES = 86_400, 60
FIRST = 850_000_000


def client() -> DrlcClient:
    """With events that begin and end all day."""
    rng = random.Random(1)
    issuer = Peer(Eui64(1), 0x5E)
    events = []
    for number in range(EVENTS):
        start = FIRST + rng.randrange(DAY_S)
        event = LoadControlEvent(
            issuer_event_id=number,
            device_class=DeviceClass.WATER_HEATER,
            start_time=start,
            duration_min=MINUTES,
            criticality=Criticality.LEVEL_1,
            event_control=PUNCTUAL,
        )
        end = start + 60 * MINUTES
        events.append(ClientEvent(event=event, issuers=[issuer], classes=event.device_class, start=start, end=end))
    made = DrlcClient(DrlcPolicy(capacity=EVENTS), lambda most: most)
    made.load(events)
    return made


def ours() -> float:
    """Microseconds a call, over the part of a day in which events begin and others end."""
    at = client()
    at.due(FIRST + 2 * 60 * MINUTES)  # what has begun by then
    reports = 0
    started = time.perf_counter()
    for now in range(FIRST + 2 * 60 * MINUTES, FIRST + 2 * 60 * MINUTES + CALLS):
        reports += len(at.due(now))
    elapsed = time.perf_counter() - started
    assert reports > CALLS * EVENTS / DAY_S, reports
    return 1e6 * elapsed / CALLS


def run() -> list[Result]:
    """The one row."""
    took = statistics.median(ours() for _ in range(ROUNDS))
    ratio = took / PROMISE_US
    name = "DRLC client: due(now) with 10,000 events / promise"
    return [Result(name, took, PROMISE_US, "us", "<= 1.00", ratio <= 1.0, ratio)]

"""An initiator and a responder of key establishment opposite each other, for the tests."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from protocols.ids import Eui64
from protocols.se import key_establishment as wire
from protocols.se.base import SeCommand, SeVersion
from protocols.se.ecqv import CURVES, Authority, Credentials
from protocols.se.key_establishment import Suite
from protocols.se.key_exchange import (
    Compute,
    Established,
    Failed,
    Initiator,
    KeyExchange,
    Outcome,
    Own,
    Responder,
    Send,
    Step,
)

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "cbke.json").read_text())["exchanges"]
BOTH = (Suite.SECT163K1, Suite.SECT283K1)
EITHER = Suite.SECT163K1 | Suite.SECT283K1
METER, CENTRE, OTHER = Eui64(0x00137A0000000002), Eui64(0x0013A20040000001), Eui64(0x0013A20040000009)
each_suite = pytest.mark.parametrize("suite", BOTH, ids=lambda suite: CURVES[suite].name)
MESSAGES = range(6)
NAMES = ("initiate", "initiate response", "ephemeral", "ephemeral response", "confirm", "confirm response")
each_message = pytest.mark.parametrize("number", MESSAGES, ids=NAMES)

RNG = random.Random(163)


def authority(suite: Suite, start: int = 1, issuer: bytes = b"TESTSECA") -> Authority:
    return Authority(suite, CURVES[suite].scalar(random.Random(start).randbytes(44)), issuer)


def equip(ieee: Eui64, *suites: Suite, by: Callable[[Suite], Authority] = authority) -> tuple[Credentials, ...]:
    return tuple(by(suite).equip(ieee, RNG.randbytes(44), RNG.randbytes(44)) for suite in suites)


CREDENTIALS = {(ieee, suite): equip(ieee, suite)[0] for ieee in (METER, CENTRE, OTHER) for suite in BOTH}


def own(ieee: Eui64, *suites: Suite, version: SeVersion = SeVersion.V1_1) -> Own:
    credentials = tuple(CREDENTIALS[ieee, suite] for suite in suites)
    return Own(credentials=credentials, random=RNG.randbytes, version=version)


class Table:
    """An initiator and a responder opposite each other, and the air between them in the test's hands."""

    def __init__(self, initiator: Own, responder: Own, start: Suite = EITHER) -> None:
        self.now = 0.0
        self.u = Initiator(initiator, CENTRE)
        self.v = Responder(responder, METER)
        self.told: dict[KeyExchange, list[Outcome]] = {self.u: [], self.v: []}
        self.air: list[tuple[KeyExchange, SeCommand]] = []
        self.computing: list[tuple[KeyExchange, Compute]] = []
        self.sent: list[SeCommand] = []
        self.hold = False
        """Whether computations wait."""
        self.note(self.u, self.u.start(self.now, start))

    def note(self, side: KeyExchange, outcomes: Sequence[Outcome]) -> None:
        for one in outcomes:
            if isinstance(one, Send):
                self.sent.append(one.command)
                self.air.append((self.v if side is self.u else self.u, one.command))
            elif isinstance(one, Compute):
                self.computing.append((side, one))
            else:
                self.told[side].append(one)
        while self.computing and not self.hold:
            whose, work = self.computing.pop(0)
            self.note(whose, whose.computed(work.run(), self.now))

    def deliver(self, side: KeyExchange, command: SeCommand, payload: bytes | None = None) -> None:
        self.note(side, side.receive(command.COMMAND, command.encode() if payload is None else payload, self.now))

    def step(self) -> SeCommand:
        side, command = self.air.pop(0)
        self.deliver(side, command)
        return command

    def run(self) -> None:
        while self.air:
            self.step()

    def until(self, number: int) -> tuple[KeyExchange, SeCommand]:
        """Deliver all before the message of that number, and take it from the air."""
        for _ in range(number):
            self.step()
        [found] = self.air
        self.air.clear()
        return found

    def wait(self) -> None:
        """Until nothing is due any more."""
        for _ in range(8):
            due = [side.deadline for side in (self.u, self.v) if side.deadline is not None]
            if not due:
                return
            self.now = min(due)
            for side in (self.u, self.v):
                self.note(side, side.tick(self.now))
            self.run()
        raise AssertionError("timers without an end")

    def established(self, side: KeyExchange) -> Established:
        [found] = self.told[side]
        assert isinstance(found, Established), found
        return found

    def failed(self, side: KeyExchange) -> Failed:
        found = self.told[side][-1]
        assert isinstance(found, Failed), found
        return found

    def assert_same_key(self) -> None:
        ours, theirs = self.established(self.u), self.established(self.v)
        assert ours.link_key == theirs.link_key
        assert (self.u.step, self.v.step) == (Step.DONE, Step.DONE)


def table(*suites: Suite) -> Table:
    return Table(own(METER, *suites), own(CENTRE, *suites))


def initiate(suite: int, certificate: bytes, ephemeral_s: int = 10, confirm_s: int = 15) -> bytes:
    return wire.InitiateKeyEstablishmentRequest(Suite(suite), ephemeral_s, confirm_s, certificate).encode()


def refused(outcomes: Sequence[Outcome]) -> Failed:
    send, failed = outcomes
    assert isinstance(send, Send)
    assert isinstance(send.command, wire.TerminateByInitiator)
    assert isinstance(failed, Failed)
    assert send.command.status == failed.status
    return failed

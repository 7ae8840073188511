"""Key establishment between two machines: the profile's exchange, and every way in which one message can go wrong."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from protocols.errors import RangeError
from protocols.ids import Eui64
from protocols.se import key_establishment as wire
from protocols.se.base import SeCommand, SeVersion
from protocols.se.binary_curve import PURE_PYTHON, SECT163K1, Point
from protocols.se.ecqv import CURVES, Authority, Certificate2, Credentials
from protocols.se.key_establishment import Suite, TerminateStatus
from protocols.se.key_exchange import (
    ANSWER_S,
    SLACK_S,
    TERMINATE,
    TIMES_S,
    WAIT_S,
    Compute,
    Computed,
    Established,
    Failed,
    Initiator,
    KeyExchange,
    Outcome,
    Own,
    Responder,
    Retry,
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

_RNG = random.Random(163)


def authority(suite: Suite, start: int = 1, issuer: bytes = b"TESTSECA") -> Authority:
    return Authority(suite, CURVES[suite].scalar(random.Random(start).randbytes(44)), issuer)


def equip(ieee: Eui64, *suites: Suite, by: Callable[[Suite], Authority] = authority) -> tuple[Credentials, ...]:
    return tuple(by(suite).equip(ieee, _RNG.randbytes(44), _RNG.randbytes(44)) for suite in suites)


CREDENTIALS = {(ieee, suite): equip(ieee, suite)[0] for ieee in (METER, CENTRE, OTHER) for suite in BOTH}


def own(ieee: Eui64, *suites: Suite, version: SeVersion = SeVersion.V1_1) -> Own:
    credentials = tuple(CREDENTIALS[ieee, suite] for suite in suites)
    return Own(credentials=credentials, random=_RNG.randbytes, version=version)


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


# -- as it should be ---------------------------------------------------------------------------------------------------


@each_suite
def test_both_sides_get_the_same_key(suite: Suite) -> None:
    found = table(suite)
    found.run()
    found.assert_same_key()
    assert [type(one) for one in found.sent] == [
        wire.InitiateKeyEstablishmentRequest,
        wire.InitiateKeyEstablishmentResponse,
        wire.EphemeralDataRequest,
        wire.EphemeralDataResponse,
        wire.ConfirmKeyDataRequest,
        wire.ConfirmKeyDataResponse,
    ]
    ours, theirs = found.established(found.u), found.established(found.v)
    assert (ours.peer, theirs.peer) == (CENTRE, METER)
    assert ours.suite == theirs.suite == suite
    for told, ieee in ((ours, CENTRE), (theirs, METER)):
        static = CREDENTIALS[ieee, suite].private_key
        assert told.public_key.curve is CURVES[suite]
        assert told.public_key == PURE_PYTHON.combine((static, CURVES[suite].base))
    found.wait()
    assert (found.u.step, found.v.step) == (Step.DONE, Step.DONE)
    assert found.air == []


def test_each_exchange_has_a_key_of_its_own() -> None:
    keys = set()
    for _ in range(3):
        found = table(Suite.SECT163K1)
        found.run()
        keys.add(found.established(found.u).link_key)
    assert len(keys) == 3


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"suite {golden['suite']}")
def test_the_exchange_of_the_profile(golden: dict[str, dict[str, str]]) -> None:
    suite = Suite(int(str(golden["suite"])))
    sides = {}
    for side in ("initiator", "responder"):
        one = golden[side]
        parts = (str(golden["authority_key"]), one["certificate"], one["private_key"])
        ephemeral = int(one["ephemeral_private_key"], 16) % CURVES[suite].order  # that of suite 2 is larger

        def seed(size: int, ephemeral: int = ephemeral) -> bytes:
            return (ephemeral - 1).to_bytes(size, "big")

        sides[side] = Own(credentials=(Credentials.read(suite, *map(bytes.fromhex, parts)),), random=seed)
    u = Initiator(sides["initiator"], sides["responder"].ieee)
    v = Responder(sides["responder"], sides["initiator"].ieee)

    def send(outcomes: Sequence[Outcome]) -> SeCommand:
        first, *_ = outcomes
        if isinstance(first, Compute):
            side = v if v.step is Step.DERIVES else u
            [first] = side.computed(first.run(), 0)
        assert isinstance(first, Send)
        return first.command

    initiate = send(u.start(0))
    answer = send(v.receive(0, initiate.encode(), 0))
    assert isinstance(answer, wire.InitiateKeyEstablishmentResponse)
    assert answer.certificate.hex() == golden["responder"]["certificate"]
    ephemeral_u = send(u.receive(0, answer.encode(), 0))
    assert ephemeral_u.encode().hex() == golden["initiator"]["ephemeral_public_key"]
    ephemeral_v = send(v.receive(1, ephemeral_u.encode(), 0))
    assert ephemeral_v.encode().hex() == golden["responder"]["ephemeral_public_key"]
    mac_u = send(u.receive(1, ephemeral_v.encode(), 0))
    assert mac_u.encode().hex() == golden["mac_u"]
    mac_v, done = v.receive(2, mac_u.encode(), 0)
    assert isinstance(mac_v, Send)
    assert mac_v.command.encode().hex() == golden["mac_v"]
    [also] = u.receive(2, mac_v.command.encode(), 0)
    for found in (done, also):
        assert isinstance(found, Established)
        assert found.link_key.hex() == golden["link_key"]
        assert found.link_key.hex() not in repr(found)
        assert str(found.link_key) not in repr(found)


def test_the_best_suite_that_both_can_is_taken() -> None:
    for ours, asked, taken in (
        (BOTH, EITHER, Suite.SECT283K1),
        (BOTH, Suite.SECT163K1, Suite.SECT163K1),
        (BOTH[:1], EITHER, Suite.SECT163K1),
    ):
        found = Table(own(METER, *ours), own(CENTRE, *BOTH), asked)
        found.run()
        assert found.established(found.v).suite == taken
    alone = Table(own(METER, Suite.SECT163K1), own(CENTRE, *BOTH), Suite.SECT283K1)
    assert alone.air == []
    assert alone.failed(alone.u).status == TerminateStatus.UNSUPPORTED_SUITE
    assert alone.failed(alone.u).retry is Retry.OTHER_SUITE


def test_what_we_tell_of_ourselves() -> None:
    for suite in BOTH:
        found = table(suite)
        found.run()
        for command in found.sent[:2]:
            assert isinstance(command, wire.InitiateKeyEstablishmentRequest)
            assert (command.ephemeral_data_generate_s, command.confirm_key_generate_s) == TIMES_S[suite]
            assert command.suite == suite


# -- one message goes wrong --------------------------------------------------------------------------------------------


@each_suite
@each_message
def test_a_message_that_is_lost_ends_it_in_time(suite: Suite, number: int) -> None:
    found = table(suite)
    found.until(number)
    found.wait()
    longest = max(ANSWER_S, *TIMES_S[suite]) + SLACK_S
    assert found.now <= 2 * longest
    told = found.failed(found.u)
    assert told.retry is Retry.AFTER_WAIT
    if number == 5:
        # The responder has the key already when its last word is lost; the initiator's Terminate takes it back.
        assert isinstance(found.told[found.v][0], Established)
    if number == 0:
        assert found.told[found.v] == []
    else:
        assert isinstance(found.told[found.v][-1], Failed)
    assert any(isinstance(one, wire.TerminateByInitiator) for one in found.sent)
    again = table(suite)
    again.run()
    again.assert_same_key()


@each_message
def test_a_message_that_comes_twice_changes_nothing(number: int) -> None:
    found = table(Suite.SECT163K1)
    side, command = found.until(number)
    found.deliver(side, command)
    after = len(found.sent)
    found.deliver(side, command)
    if side is found.v:
        assert found.sent[after:] == found.sent[after - 1 : after], "the same answer"
    else:
        assert found.sent[after:] == []
    found.run()
    found.assert_same_key()


@each_message
def test_a_message_that_comes_twice_while_it_is_computed(number: int) -> None:
    found = table(Suite.SECT163K1)
    side, command = found.until(number)
    found.hold = True
    found.deliver(side, command)
    held = list(found.computing)
    if number in (0, 4, 5):
        assert held == []
        return
    found.deliver(side, command)
    assert found.computing == held, "computed once"
    found.hold = False
    found.note(side, [])
    found.run()
    found.assert_same_key()


@each_suite
@each_message
def test_a_message_that_is_cut_is_a_bad_message(suite: Suite, number: int) -> None:
    sizes = iter(range(0, 100))
    for size in sizes:
        found = table(suite)
        side, command = found.until(number)
        whole = command.encode()
        if size >= len(whole):
            break
        if size % 7 and size < len(whole) - 2:
            continue
        found.deliver(side, command, whole[:size])
        last = found.sent[-1]
        assert isinstance(last, wire.TerminateByInitiator)
        assert last.status == TerminateStatus.BAD_MESSAGE
        assert last.wait_s == WAIT_S
        assert last.suite == suite
        found.run()
        assert found.failed(found.u).status == TerminateStatus.BAD_MESSAGE
        assert not any(isinstance(one, Established) for one in found.told[found.u])


@each_message
def test_certificates_and_points_that_are_too_long_are_bad_messages(number: int) -> None:
    found = table(Suite.SECT163K1)
    side, command = found.until(number)
    found.deliver(side, command, command.encode() + b"\0")
    found.run()
    if number < 4:
        assert found.failed(found.u).status == TerminateStatus.BAD_MESSAGE
    else:
        found.assert_same_key()  # what a later revision adds behind a proof is passed over


@each_suite
@each_message
def test_any_changed_bit_keeps_the_sides_from_a_key(suite: Suite, number: int) -> None:
    rng = random.Random(number)
    for _ in range(4):
        found = table(suite)
        side, command = found.until(number)
        changed = bytearray(command.encode())
        # Behind the times, which only change how long is waited.
        place = rng.randrange(4 if number < 2 else 0, len(changed))
        changed[place] ^= 1 << rng.randrange(8)
        found.deliver(side, command, bytes(changed))
        found.run()
        assert not any(isinstance(one, Established) for one in found.told[found.u])
        assert found.u.step is Step.FAILED
        assert found.v.step in (Step.FAILED, Step.IDLE)
        assert isinstance(found.told[found.v][-1], Failed)


def test_a_wrong_proof_is_a_bad_key_confirm() -> None:
    for number, kind in ((4, wire.ConfirmKeyDataRequest), (5, wire.ConfirmKeyDataResponse)):
        found = table(Suite.SECT163K1)
        side, command = found.until(number)
        assert isinstance(command, kind)
        found.deliver(side, kind(bytes(16)))
        terminate = found.sent[-1]
        assert isinstance(terminate, wire.TerminateByInitiator)
        assert terminate.status == TerminateStatus.BAD_KEY_CONFIRM
        found.run()
        for one, by_peer in ((side, False), (found.u if side is found.v else found.v, True)):
            told = found.failed(one)
            assert (told.status, told.by_peer, told.retry) == (
                TerminateStatus.BAD_KEY_CONFIRM,
                by_peer,
                Retry.NEVER,
            )
            assert command.mac.hex() not in repr(told)


def test_a_proof_of_the_other_kind_is_none() -> None:
    found = table(Suite.SECT163K1)
    side, command = found.until(5)
    [mac_u] = [one for one in found.sent if type(one) is wire.ConfirmKeyDataRequest]
    assert isinstance(mac_u, wire.ConfirmKeyDataRequest)
    assert command != mac_u
    found.deliver(side, wire.ConfirmKeyDataResponse(mac_u.mac))
    assert found.failed(found.u).status == TerminateStatus.BAD_KEY_CONFIRM


def test_every_command_out_of_order_is_a_bad_message() -> None:
    whole = table(Suite.SECT163K1)
    whole.run()
    for number, (place, wrong) in itertools.product(MESSAGES, enumerate(whole.sent)):
        found = table(Suite.SECT163K1)
        side, _ = found.until(number)
        if (side is found.v) != wrong.TO_SERVER or place == number:
            continue
        if isinstance(wrong, wire.InitiateKeyEstablishmentRequest) and side is found.v:
            continue  # begins anew
        if wrong.encode() in [one.encode() for one in found.sent]:
            continue
        found.deliver(side, wrong)
        terminate = found.sent[-1]
        assert isinstance(terminate, wire.TerminateByInitiator), (number, place)
        assert terminate.status == TerminateStatus.BAD_MESSAGE
        if side is found.u or number:
            assert "out of order" in found.failed(side).reason


def test_nothing_comes_of_commands_before_an_exchange_and_behind_it() -> None:
    whole = table(Suite.SECT163K1)
    whole.run()
    ephemeral, confirm = whole.sent[2], whole.sent[4]
    fresh = Responder(own(CENTRE, Suite.SECT163K1), METER)
    for command in (ephemeral, confirm):
        [send] = fresh.receive(command.COMMAND, command.encode(), 0)
        assert isinstance(send, Send)
        assert isinstance(send.command, wire.TerminateByResponder)
        assert send.command.status == TerminateStatus.BAD_MESSAGE
        assert fresh.step is Step.IDLE
    [send] = whole.v.receive(ephemeral.COMMAND, ephemeral.encode(), 1)
    assert isinstance(send, Send)
    assert whole.v.step is Step.DONE
    assert whole.v.receive(9, b"", 1) == ()
    assert whole.u.receive(9, b"", 1) == ()


# -- suites and certificates -------------------------------------------------------------------------------------------


def initiate(suite: int, certificate: bytes, ephemeral_s: int = 10, confirm_s: int = 15) -> bytes:
    return wire.InitiateKeyEstablishmentRequest(Suite(suite), ephemeral_s, confirm_s, certificate).encode()


def refused(outcomes: Sequence[Outcome]) -> Failed:
    send, failed = outcomes
    assert isinstance(send, Send)
    assert isinstance(send.command, wire.TerminateByInitiator)
    assert isinstance(failed, Failed)
    assert send.command.status == failed.status
    return failed


def test_a_suite_that_is_none_or_more_than_one_or_not_ours() -> None:
    good = CREDENTIALS[METER, Suite.SECT163K1].certificate.encode()
    for suite, status in (
        (0, TerminateStatus.BAD_MESSAGE),
        (3, TerminateStatus.BAD_MESSAGE),
        (0x0101, TerminateStatus.BAD_MESSAGE),
        (2, TerminateStatus.UNSUPPORTED_SUITE),
        (4, TerminateStatus.UNSUPPORTED_SUITE),
        (0x8000, TerminateStatus.UNSUPPORTED_SUITE),
    ):
        side = Responder(own(CENTRE, Suite.SECT163K1), METER)
        assert refused(side.receive(0, initiate(suite, good), 0)).status == status
        assert side.receive(0, initiate(1, good), 0), "it may try again"
        assert side.step is Step.AWAITS_EPHEMERAL


def test_the_initiator_learns_which_suites_there_are() -> None:
    found = Table(own(METER, *BOTH), own(CENTRE, Suite.SECT163K1))
    found.run()
    told = found.failed(found.u)
    assert (told.status, told.by_peer, told.suites) == (TerminateStatus.UNSUPPORTED_SUITE, True, Suite.SECT163K1)
    assert told.retry is Retry.OTHER_SUITE
    again = Table(own(METER, *BOTH), own(CENTRE, Suite.SECT163K1), told.suites)
    again.run()
    again.assert_same_key()


def test_an_answer_in_another_suite_is_refused() -> None:
    side = Initiator(own(METER, *BOTH), CENTRE)
    side.start(0)
    certificate = CREDENTIALS[CENTRE, Suite.SECT163K1].certificate.encode()
    answer = wire.InitiateKeyEstablishmentResponse(Suite.SECT163K1, 10, 15, certificate)
    assert refused(side.receive(0, answer.encode(), 0)).status == TerminateStatus.UNSUPPORTED_SUITE


@each_suite
@pytest.mark.parametrize("version", [SeVersion.V1_0, SeVersion.V1_1, SeVersion.V1_2])
def test_a_certificate_for_another_or_of_another_authority(suite: Suite, version: SeVersion) -> None:
    late = suite == Suite.SECT283K1 or version >= SeVersion.V1_2
    invalid = TerminateStatus.INVALID_CERTIFICATE if late else TerminateStatus.BAD_MESSAGE
    [stranger] = equip(METER, suite, by=lambda suite: authority(suite, 2, b"STRANGER"))
    for ieee, certificate, status in (
        (METER, CREDENTIALS[OTHER, suite].certificate, invalid),
        (METER, stranger.certificate, TerminateStatus.UNKNOWN_ISSUER),
    ):
        v = Responder(own(CENTRE, suite, version=version), ieee)
        told = refused(v.receive(0, initiate(suite, certificate.encode()), 0))
        assert told.status == status
        assert not told.by_peer
        assert v.step is Step.FAILED
        u = Initiator(own(OTHER, suite, version=version), ieee)
        u.start(0)
        answer = wire.InitiateKeyEstablishmentResponse(suite, 10, 15, certificate.encode())
        assert refused(u.receive(0, answer.encode(), 0)).status == status


@each_suite
def test_a_certificate_whose_point_is_none_is_found_by_the_computation(suite: Suite) -> None:
    bad = replace(CREDENTIALS[METER, suite].certificate, point=b"\2" + bytes(CURVES[suite].field.size))
    side = Responder(own(CENTRE, suite, version=SeVersion.V1_2), METER)
    side.receive(0, initiate(suite, bad.encode()), 0)
    [compute] = side.receive(1, CURVES[suite].base.encode(), 0)
    assert isinstance(compute, Compute)
    assert refused(side.computed(compute.run(), 0)).status == TerminateStatus.INVALID_CERTIFICATE


def test_a_certificate_of_suite_2_that_is_not_for_this() -> None:
    good = CREDENTIALS[METER, Suite.SECT283K1].certificate
    assert isinstance(good, Certificate2)
    for bad in (replace(good, kind=1), replace(good, key_usage=0x80)):
        side = Responder(own(CENTRE, *BOTH, version=SeVersion.V1_0), METER)
        told = refused(side.receive(0, initiate(2, bad.encode()), 0))
        assert told.status == TerminateStatus.INVALID_CERTIFICATE
        assert told.retry is Retry.NEVER


def test_another_authority_of_the_same_name_ends_in_a_wrong_proof() -> None:
    impostor = Own(
        credentials=equip(METER, Suite.SECT163K1, by=lambda suite: authority(suite, 2)), random=_RNG.randbytes
    )
    found = Table(impostor, own(CENTRE, Suite.SECT163K1))
    found.run()
    assert found.failed(found.v).status == TerminateStatus.BAD_KEY_CONFIRM
    assert found.failed(found.u).by_peer


@each_suite
def test_ephemeral_keys_that_are_no_points(suite: Suite) -> None:
    curve = CURVES[suite]
    for bad in (
        b"\2" + bytes(curve.field.size),
        b"\2" + b"\xff" * curve.field.size,
        bytes(curve.point_size),
        b"\2" + bytes(curve.field.size - 1) + b"\1",
    ):
        for number in (2, 3):
            found = table(suite)
            side, command = found.until(number)
            found.deliver(side, command, bad)
            told = found.failed(side)
            assert told.status == TerminateStatus.BAD_MESSAGE
            assert "point" in told.reason


def test_credentials_of_two_devices_or_twice_of_one_suite_are_refused() -> None:
    for wrong in ((), (CREDENTIALS[METER, BOTH[0]], CREDENTIALS[CENTRE, BOTH[1]]), (CREDENTIALS[METER, BOTH[0]],) * 2):
        with pytest.raises(RangeError, match="credentials"):
            Own(credentials=wrong, random=_RNG.randbytes)
    assert own(METER, *BOTH).suites == EITHER


# -- time, ends, beginning anew ----------------------------------------------------------------------------------------


def test_the_other_side_gets_the_time_that_it_has_told() -> None:
    certificate = CREDENTIALS[METER, Suite.SECT163K1].certificate.encode()
    side = Responder(own(CENTRE, Suite.SECT163K1), METER)
    side.receive(0, initiate(1, certificate, 40, 60), 100.0)
    assert side.deadline == 100 + 40 + SLACK_S
    assert side.tick(144.9) == ()
    [compute] = side.receive(1, SECT163K1.base.encode(), 144.9)
    assert isinstance(compute, Compute)
    assert side.deadline == 144.9 + TIMES_S[Suite.SECT163K1][1] + SLACK_S
    side.computed(compute.run(), 145.0)
    assert side.deadline == 145 + 60 + SLACK_S
    assert side.tick(209.9) == ()
    told = refused(side.tick(210.0))
    assert told.status == TerminateStatus.NO_RESOURCES
    assert "confirmation" in told.reason
    assert side.deadline is None
    assert side.tick(1e9) == ()

    first = Initiator(own(METER, Suite.SECT163K1), CENTRE)
    first.start(7.0)
    assert first.deadline == 7 + ANSWER_S
    with pytest.raises(ValueError, match="once"):
        first.start(8.0)
    other = CREDENTIALS[CENTRE, Suite.SECT163K1].certificate.encode()
    [compute] = first.receive(0, wire.InitiateKeyEstablishmentResponse(Suite(1), 30, 50, other).encode(), 8.0)
    assert isinstance(compute, Compute)
    first.computed(compute.run(), 9.0)
    assert first.deadline == 9 + 30 + SLACK_S
    [compute] = first.receive(1, SECT163K1.base.encode(), 10.0)
    assert isinstance(compute, Compute)
    first.computed(compute.run(), 11.0)
    assert first.deadline == 11 + 50 + SLACK_S


def test_a_computation_that_comes_too_late_changes_nothing() -> None:
    found = table(Suite.SECT163K1)
    side, command = found.until(2)
    found.hold = True
    found.deliver(side, command)
    [(_, compute)] = found.computing
    late = compute.run()
    assert side.deadline is not None
    assert refused(side.tick(side.deadline)).status == TerminateStatus.NO_RESOURCES
    assert side.computed(late, 100) == ()
    assert "KeyPair" not in repr(late)
    assert "seed" not in repr(compute)


def test_a_device_that_lost_its_power_begins_anew_at_any_time() -> None:
    for number in range(1, 6):
        found = table(Suite.SECT163K1)
        found.until(number)
        again = Table(own(METER, Suite.SECT163K1), own(CENTRE, Suite.SECT163K1))
        again.v, again.told[found.v] = found.v, []
        again.air = [(again.v, command) for _, command in again.air]
        again.run()
        again.assert_same_key()


def test_a_computation_of_the_exchange_before_is_not_taken() -> None:
    found = table(Suite.SECT163K1)
    side, command = found.until(2)
    found.hold = True
    found.deliver(side, command)
    [(_, old)] = found.computing
    found.deliver(side, found.sent[0])
    found.deliver(side, command)
    assert side.computed(old.run(), 0) == ()
    assert side.step is Step.DERIVES


@each_message
@pytest.mark.parametrize("status", [*TerminateStatus][:6], ids=lambda status: status.name)
def test_the_other_side_ends_it_at_any_time_and_gets_no_answer(number: int, status: TerminateStatus) -> None:
    found = table(Suite.SECT163K1)
    side, _ = found.until(number)
    if side.step is Step.IDLE:
        assert side.receive(TERMINATE, bytes((status, 20, 1, 0)), 0) == ()
        return
    [told] = side.receive(TERMINATE, bytes((status, 20, 1, 0)), 0)
    assert isinstance(told, Failed)
    assert (told.status, told.by_peer, told.wait_s, told.suites) == (status, True, 20, Suite.SECT163K1)
    assert side.step is Step.FAILED
    assert side.receive(TERMINATE, bytes((status, 20, 1, 0)), 0) == ()


def test_a_terminate_that_is_cut_or_unknown_ends_it_too() -> None:
    for payload, status in ((b"", TerminateStatus.BAD_MESSAGE), (b"\x2a\5\1\0", TerminateStatus(0x2A))):
        found = table(Suite.SECT163K1)
        side, _ = found.until(1)
        [told] = side.receive(TERMINATE, payload, 0)
        assert isinstance(told, Failed)
        assert told.status == status
    assert told.retry is Retry.NEVER


def test_an_initiator_that_does_not_believe_the_last_word_takes_the_responders_key_back() -> None:
    found = table(Suite.SECT163K1)
    found.until(5)
    assert isinstance(found.told[found.v][-1], Established)
    found.deliver(found.u, wire.ConfirmKeyDataResponse(bytes(16)))
    found.run()
    assert found.failed(found.v).by_peer
    # But not for ever.
    later = table(Suite.SECT163K1)
    later.run()
    assert later.v.deadline is not None
    later.now = later.v.deadline
    later.v.tick(later.now)
    assert later.v.receive(TERMINATE, b"\2\5\1\0", later.now) == ()
    assert later.v.step is Step.DONE


def test_who_has_no_room_says_so() -> None:
    for side in (Responder(own(CENTRE, *BOTH), METER), Initiator(own(METER, *BOTH), CENTRE)):
        [send] = side.abort()
        assert isinstance(send, Send)
        assert isinstance(send.command, wire.TerminateByInitiator)
        assert send.command.status == TerminateStatus.NO_RESOURCES
        assert send.command.suite == EITHER
        assert isinstance(side, Initiator) == send.command.TO_SERVER
    found = table(Suite.SECT163K1)
    found.until(3)
    assert refused(found.v.abort()).retry is Retry.AFTER_WAIT


def test_a_fault_of_the_arithmetic_is_the_callers_to_see() -> None:
    class Broken:
        name = "broken"

        def combine(self, *terms: tuple[int, Point]) -> Point | None:
            raise RuntimeError("out of memory")

    side = Responder(replace(own(CENTRE, Suite.SECT163K1), arithmetic=Broken()), METER)
    side.receive(0, initiate(1, CREDENTIALS[METER, Suite.SECT163K1].certificate.encode()), 0)
    [compute] = side.receive(1, SECT163K1.base.encode(), 0)
    assert isinstance(compute, Compute)
    with pytest.raises(RuntimeError, match="memory"):
        compute.run()
    refused(side.abort())


async def test_the_computations_run_in_a_thread() -> None:
    found = table(Suite.SECT163K1)
    found.hold = True
    while found.air or found.computing:
        found.run()
        waiting, found.computing = found.computing, []
        for side, compute in waiting:
            found.note(side, side.computed(await asyncio.to_thread(compute.run), found.now))
    found.assert_same_key()


def fuzz(rng: random.Random) -> Iterator[tuple[int, bytes]]:
    for _ in range(60):
        yield rng.randrange(5), rng.randbytes(rng.choice((0, 3, 4, 16, 22, 52, 60)))


def test_random_bytes_raise_nothing_and_make_no_key() -> None:
    for start in range(20):
        rng = random.Random(start)
        found = table(Suite.SECT163K1)
        found.until(rng.randrange(5))
        for command, payload in fuzz(rng):
            for side in (found.u, found.v):
                found.note(side, side.receive(command, payload, found.now))
        assert not any(isinstance(one, Established) for told in found.told.values() for one in told)
    assert Computed(1, "secret").result == "secret"
    assert "secret" not in repr(Computed(1, "secret"))

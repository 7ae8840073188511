"""Key establishment that does not come about: suites, certificates, points, time, and who ends it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from protocols.errors import RangeError
from protocols.se import key_establishment as wire
from protocols.se.base import SeVersion
from protocols.se.binary_curve import SECT163K1, Point
from protocols.se.ecqv import CURVES, Certificate2
from protocols.se.key_establishment import Suite, TerminateStatus
from protocols.se.key_exchange import (
    ANSWER_S,
    SLACK_S,
    TERMINATE,
    TIMES_S,
    Compute,
    Computed,
    Established,
    Failed,
    Initiator,
    Own,
    Responder,
    Retry,
    Send,
    Step,
)
from tests.protocols.key_exchange_sides import (
    BOTH,
    CENTRE,
    CREDENTIALS,
    EITHER,
    METER,
    OTHER,
    RNG,
    Table,
    authority,
    each_message,
    each_suite,
    equip,
    initiate,
    own,
    refused,
    table,
)

# -- suites and certificates -------------------------------------------------------------------------------------------


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
        credentials=equip(METER, Suite.SECT163K1, by=lambda suite: authority(suite, 2)), random=RNG.randbytes
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
            Own(credentials=wrong, random=RNG.randbytes)
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

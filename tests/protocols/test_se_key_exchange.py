"""Key establishment between two machines: the profile's exchange, and each message going wrong in every way."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from protocols.se import key_establishment as wire
from protocols.se.base import SeCommand
from protocols.se.binary_curve import PURE_PYTHON
from protocols.se.ecqv import CURVES, Credentials
from protocols.se.key_establishment import Suite, TerminateStatus
from protocols.se.key_exchange import (
    ANSWER_S,
    SLACK_S,
    TIMES_S,
    WAIT_S,
    Compute,
    Established,
    Failed,
    Initiator,
    Outcome,
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
    GOLDEN,
    MESSAGES,
    METER,
    Table,
    each_message,
    each_suite,
    own,
    table,
)

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

"""Key establishment by the hub: two hubs, two radios that only encrypt, and real exchanges between them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from hub.events import DeviceAuthenticated
from hub.hub import Hub
from hub.zigbee import key_establishment
from hub.zigbee.attributes import ask
from hub.zigbee.link_keys import FILE_NAME
from hub.zigbee.model import InterviewStep, Side
from protocols.aps import ApsFrame, Security
from protocols.ids import Profile
from protocols.se import key_establishment as wire
from protocols.se import key_exchange
from protocols.se.key_establishment import Suite, TerminateStatus
from protocols.zcl.general import ReadAttributes, ReadAttributesResponse
from protocols.zcl.header import Direction, FrameType, ZclHeader
from protocols.zdo import IeeeAddressRequest, IeeeAddressResponse
from radios.api import DeviceLeft, FrameReceived, NoLinkKeyError, RadioLostError
from tests.hub.waiting import eventually
from tests.hub.zigbee_pair import (
    BOTH,
    CENTRE,
    GUEST,
    GUEST_SHORT,
    PRECONFIGURED,
    STRANGER,
    Pair,
    all_have_keys,
    authority,
    equip,
    has_keys,
)
from tests.hub.zigbee_pair import impatient as impatient
from tests.hub.zigbee_pair import pair as pair

ONE, TWO = BOTH
MESSAGES = [(True, 0), (False, 0), (True, 1), (False, 1), (True, 2), (False, 2)]
NAMES = ("initiate", "initiate response", "ephemeral", "ephemeral response", "confirm", "confirm response")


def established(centre: Hub, guest: Hub) -> bool:
    return all_have_keys([(centre, GUEST), (guest, CENTRE)])


def once(place: tuple[bool, int]) -> Callable[[bool, int], bool]:
    """The first message of a kind is lost."""
    left = [place]

    def lost(to_server: bool, command: int) -> bool:
        if left and left[0] == (to_server, command):
            left.clear()
            return True
        return False

    return lost


def hear(pair: Pair, command: int, payload: bytes, *, tsn: int = 0x77) -> None:
    """The trust centre's radio hears a command of the guest."""
    header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, tsn, command, True)
    frame = ApsFrame(
        profile=Profile.SMART_ENERGY, cluster=wire.CLUSTER, source_endpoint=0x5E, destination_endpoint=0x5E,
        payload=header.encode() + payload, source=GUEST_SHORT, destination=0,
    )  # fmt: skip
    pair.centre.events_waiting.put_nowait(FrameReceived(frame))


# -- exchanges that succeed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suites", [(ONE,), (TWO,), BOTH], ids=["suite 1", "suite 2", "both"])
async def test_a_router_and_its_trust_centre_establish_keys(pair: Pair, suites: tuple[Suite, ...]) -> None:
    pair.certify_both(*suites)
    async with pair.both() as (centre, guest), centre.bus.subscribe(DeviceAuthenticated) as told:
        await eventually(lambda: established(centre, guest))
        [ours], [theirs] = (
            centre.link_keys.established("centre").values(),
            guest.link_keys.established("guest").values(),
        )
        assert ours.key == theirs.key == pair.centre.keys[GUEST] == pair.guest.keys[CENTRE] != PRECONFIGURED
        assert ours.suite == theirs.suite == max(suites)
        assert ours.public_key != theirs.public_key
        assert [(way, command) for way, command, _ in pair.air.messages] == MESSAGES
        events: list[DeviceAuthenticated] = []
        await eventually(lambda: events.extend(told.drain()) or bool(events))  # the bus tells them a turn later
        assert [event.device_id for event in events] == [f"zigbee-{GUEST}"]
        device = centre.networks.device(f"zigbee-{GUEST}")
        assert (device.authenticated, device.has_key) == (True, True)
        # What is secret is asked for from now on, and the interviews end.
        await eventually(lambda: guest.household.members[CENTRE].interview is InterviewStep.DONE)
        assert (guest.networks.get("guest").trust_centre, guest.networks.get("guest").detail) == (CENTRE, "")
        assert centre.networks.get("centre").can.certificates


async def test_one_side_with_both_suites_and_one_with_the_first(pair: Pair) -> None:
    pair.certify("centre", equip(CENTRE, ONE))
    pair.certify("guest", equip(GUEST, ONE), equip(GUEST, TWO))
    async with pair.both() as (centre, guest):
        await eventually(lambda: established(centre, guest))
        assert centre.link_keys.established("centre")[GUEST].suite == ONE
        assert len(pair.sent(0, to_server=True)) == 1, "the attribute tells which suites there are"


async def test_two_devices_at_once(pair: Pair) -> None:
    pair.certify_both(ONE)
    pair.certify("other", equip(STRANGER, ONE))
    async with pair.trust_centre() as centre, pair.router() as guest, pair.router(name="other") as other:
        await centre.networks.add_device("centre", str(STRANGER), link_key=PRECONFIGURED.hex())
        await eventually(lambda: all_have_keys([(centre, GUEST), (centre, STRANGER), (guest, CENTRE), (other, CENTRE)]))
        assert pair.centre.keys[GUEST] == pair.guest.keys[CENTRE] != pair.centre.keys[STRANGER]


async def test_keys_outlive_a_restart_of_either_side_and_of_the_radio(pair: Pair) -> None:
    pair.certify_both(ONE)
    async with pair.both() as (centre, guest):
        await eventually(lambda: established(centre, guest))
        key = pair.centre.keys[GUEST]
        pair.centre.keys.clear()  # it forgets all when it is restarted
        pair.centre.events_waiting.put_nowait(RadioLostError("it was pulled out"))
        await eventually(lambda: pair.centre.keys.get(GUEST) == key)
    for radio in (pair.centre, pair.guest):
        radio.keys.clear()
    async with pair.both() as (centre, guest):
        await eventually(lambda: pair.centre.keys.get(GUEST) == pair.guest.keys.get(CENTRE) == key)
        assert established(centre, guest)
        await eventually(lambda: guest.household.members[CENTRE].is_active)
    assert len(pair.sent(0, to_server=True)) == 1
    assert (pair.folder / "centre" / FILE_NAME).stat().st_mode & 0o777 == 0o600


async def test_nothing_secret_goes_out_before_the_radio_has_its_keys_back(pair: Pair) -> None:
    pair.certify_both(ONE)
    async with pair.both() as (centre, guest):
        await eventually(lambda: established(centre, guest))
        network, member = centre.household.networks["centre"], centre.household.members[GUEST]
        await eventually(lambda: member.interview is InterviewStep.DONE)
        pair.centre.keys.clear()
        pair.centre.takes_keys.clear()
        opened = pair.centre.opened
        pair.centre.events_waiting.put_nowait(RadioLostError("it was pulled out"))
        await eventually(lambda: pair.centre.opened > opened and network.radio is not None)
        pair.centre.sent.clear()
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_CLIENT, 0x42, 0x02, True)
        event = network.frame(member, 0x5E, 0x0701, header, b"\0", profile=Profile.SMART_ENERGY)
        sending = asyncio.ensure_future(network.send(member, event))
        # What is not secret goes out meanwhile.
        await network.zdo_request(member, IeeeAddressRequest(GUEST_SHORT), IeeeAddressResponse)
        assert not sending.done()
        assert not [frame for frame in pair.centre.sent if frame.security is Security.LINK_KEY]
        pair.centre.takes_keys.set()
        await sending
        assert event.payload in [frame.payload for frame in pair.centre.sent]


async def test_another_key_to_join_with_ends_what_was_established(pair: Pair) -> None:
    pair.certify_both(ONE)
    async with pair.both() as (centre, guest):
        await eventually(lambda: established(centre, guest))
        await centre.networks.add_device("centre", str(GUEST), link_key="ff" * 16)
        assert pair.centre.keys[GUEST] == b"\xff" * 16
        assert centre.link_keys.established("centre") == {}
        await centre.networks.remove(f"zigbee-{GUEST}", force=True)
        assert GUEST not in pair.centre.keys


async def test_a_device_that_leaves_may_come_again_with_the_key_that_it_joined_with(pair: Pair) -> None:
    pair.certify_both(ONE)
    async with pair.both() as (centre, guest):
        await eventually(lambda: established(centre, guest))
        before = pair.centre.keys[GUEST]
        left = DeviceLeft(ieee=GUEST, rejoin=True)
        pair.centre.events_waiting.put_nowait(left)  # it comes back by itself, with the keys that it has
        await eventually(lambda: not centre.household.members[GUEST].is_active)
        assert (pair.centre.keys[GUEST], has_keys(centre, GUEST)) == (before, True)
        pair.centre.events_waiting.put_nowait(replace(left, rejoin=False))
        await eventually(lambda: pair.centre.keys[GUEST] == PRECONFIGURED)
        assert (centre.link_keys.established("centre"), has_keys(centre, GUEST)) == ({}, False)
        assert centre.networks.device(f"zigbee-{GUEST}").has_key


async def test_a_device_that_has_lost_its_keys_begins_anew(pair: Pair) -> None:
    pair.certify_both(ONE)
    async with pair.both() as (centre, guest):
        await eventually(lambda: established(centre, guest))
        before = pair.centre.keys[GUEST]
    (pair.folder / "guest" / FILE_NAME).unlink()
    async with pair.both() as (centre, guest):
        await eventually(lambda: pair.centre.keys[GUEST] != before)
        await eventually(lambda: pair.guest.keys[CENTRE] == pair.centre.keys[GUEST])


# -- what is lost ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("number", range(6), ids=NAMES)
async def test_a_message_that_is_lost_is_one_more_try(pair: Pair, number: int) -> None:
    pair.certify_both(ONE)
    pair.air.lost = once(MESSAGES[number])
    async with pair.both() as (centre, guest):
        await eventually(lambda: "are being established" in guest.networks.get("guest").detail)
        await eventually(lambda: established(centre, guest))
        await eventually(lambda: pair.centre.keys[GUEST] == pair.guest.keys[CENTRE] != PRECONFIGURED)
        assert len(pair.sent(0, to_server=True)) >= 2


@pytest.mark.usefixtures("impatient")
async def test_a_last_word_that_is_lost_takes_back_the_key(pair: Pair) -> None:
    pair.certify_both(ONE)
    pair.air.lost = lambda to_server, command: (to_server, command) == MESSAGES[5]
    async with pair.both() as (centre, _):
        await eventually(lambda: bool(pair.centre.given))
        await eventually(lambda: pair.centre.keys[GUEST] == PRECONFIGURED)
        await eventually(lambda: not has_keys(centre, GUEST))
        await eventually(lambda: (True, TerminateStatus.NO_RESOURCES) in pair.terminates())


async def test_the_trust_centre_restarts_in_the_middle(pair: Pair) -> None:
    pair.certify_both(ONE)
    pair.air.lost = once(MESSAGES[1])
    async with AsyncExitStack() as router:
        async with pair.trust_centre():
            guest = await router.enter_async_context(pair.router())
            await eventually(lambda: len(pair.sent(0, to_server=False)) == 1)
        async with pair.trust_centre() as centre:
            # It has never heard of an exchange, and says so.
            hear(pair, 1, bytes(22))
            await eventually(lambda: (False, TerminateStatus.BAD_MESSAGE) in pair.terminates())
            await eventually(lambda: established(centre, guest))


async def test_the_router_restarts_in_the_middle(pair: Pair) -> None:
    pair.certify_both(ONE)
    pair.air.lost = once(MESSAGES[3])
    async with pair.trust_centre() as centre:
        async with pair.router():
            await eventually(lambda: len(pair.sent(1, to_server=False)) == 1)
        async with pair.router() as guest:
            await eventually(lambda: established(centre, guest))


# -- what ends it ------------------------------------------------------------------------------------------------------


async def gives_up(pair: Pair, guest: Hub, caplog: pytest.LogCaptureFixture) -> None:
    await eventually(lambda: "none without another certificate" in caplog.text)
    assert not has_keys(guest, CENTRE)
    assert "no keys with the trust centre" in guest.networks.get("guest").detail
    assert len(pair.sent(0, to_server=True)) == 1
    assert pair.guest.keys == {CENTRE: PRECONFIGURED}
    assert pair.centre.keys == {GUEST: PRECONFIGURED}


async def test_another_authority_is_not_trusted_until_there_is_another_certificate(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.certify("centre", equip(CENTRE, ONE))
    pair.certify("guest", equip(GUEST, ONE, authority(ONE, 2, b"SOMEBODY")))
    async with pair.both() as (centre, guest):
        await gives_up(pair, guest, caplog)
        assert pair.terminates() == [(False, TerminateStatus.UNKNOWN_ISSUER)]
        found = await guest.certificates.install("guest", equip(GUEST, ONE).to_text())
        assert [one.issuer for one in found.certificates] == [b"TESTSECA"]
        await eventually(lambda: established(centre, guest))


async def test_an_authority_that_only_says_so_ends_with_the_proofs(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.certify("centre", equip(CENTRE, ONE))
    pair.certify("guest", equip(GUEST, ONE, authority(ONE, 2)))
    async with pair.both() as (_, guest):
        await gives_up(pair, guest, caplog)
        assert pair.terminates() == [(False, TerminateStatus.BAD_KEY_CONFIRM)]


@pytest.mark.parametrize(
    ("suite", "place", "status"),
    [(ONE, 4 + 22 + 7, TerminateStatus.BAD_MESSAGE), (TWO, 4 + 24 + 3 + 7, TerminateStatus.INVALID_CERTIFICATE)],
    ids=["suite 1", "suite 2"],
)
async def test_a_certificate_for_somebody_else(pair: Pair, suite: Suite, place: int, status: TerminateStatus) -> None:
    pair.certify_both(suite)

    def change(to_server: bool, command: int, payload: bytes) -> bytes:
        if not to_server or command:
            return payload
        return payload[:place] + bytes((payload[place] ^ 1,)) + payload[place + 1 :]

    pair.air.change = change
    async with pair.both() as (centre, guest):
        await eventually(lambda: (False, status) in pair.terminates())
        assert not has_keys(centre, GUEST)
        assert not has_keys(guest, CENTRE)


async def test_a_proof_that_the_router_does_not_believe_takes_back_the_key(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.certify_both(ONE)

    def change(to_server: bool, command: int, payload: bytes) -> bytes:
        return payload if to_server or command != 2 else bytes(16)

    pair.air.change = change
    async with pair.both() as (centre, guest):
        await eventually(lambda: (True, TerminateStatus.BAD_KEY_CONFIRM) in pair.terminates())
        await eventually(lambda: pair.centre.keys == {GUEST: PRECONFIGURED})
        await gives_up(pair, guest, caplog)
        assert centre.link_keys.established("centre") == {}
        assert not has_keys(centre, GUEST)


@pytest.mark.parametrize(
    ("status", "suites"),
    [
        (TerminateStatus.BAD_MESSAGE, [TWO, TWO]),
        (TerminateStatus.NO_RESOURCES, [TWO, TWO]),
        (TerminateStatus.UNSUPPORTED_SUITE, [TWO, ONE]),
        (TerminateStatus.UNKNOWN_ISSUER, [TWO]),
        (TerminateStatus.BAD_KEY_CONFIRM, [TWO]),
        (TerminateStatus.INVALID_CERTIFICATE, [TWO]),
    ],
)
async def test_what_a_router_does_after_a_terminate(
    pair: Pair, status: TerminateStatus, suites: list[Suite], caplog: pytest.LogCaptureFixture
) -> None:
    pair.certify_both(*BOTH)
    ended = wire.TerminateByResponder(status, 1, ONE | TWO).encode()
    times: list[float] = []

    def lost(to_server: bool, command: int) -> bool:
        if (to_server, command) != (True, 0):
            return False
        times.append(asyncio.get_running_loop().time())
        if len(times) > 1:
            return False
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_CLIENT, 0, 3, True)
        frame = ApsFrame(
            profile=Profile.SMART_ENERGY, cluster=wire.CLUSTER, source_endpoint=0x5E, destination_endpoint=0x5E,
            payload=header.encode() + ended, source=0, destination=GUEST_SHORT,
        )  # fmt: skip
        pair.guest.events_waiting.put_nowait(FrameReceived(frame))
        return True

    pair.air.lost = lost
    async with pair.both() as (centre, guest):
        if len(suites) == 1:
            await gives_up(pair, guest, caplog)
        else:
            await eventually(lambda: established(centre, guest))
        assert [Suite(payload[0]) for payload in pair.sent(0, to_server=True)] == suites
        if status in (TerminateStatus.BAD_MESSAGE, TerminateStatus.NO_RESOURCES):
            assert times[1] - times[0] >= 1, "the time that it has told"


async def test_a_radio_without_room_for_the_key_ends_it(pair: Pair) -> None:
    pair.certify_both(ONE)
    pair.centre.link_keys_refused = True
    async with pair.both() as (centre, guest):
        await eventually(lambda: (False, TerminateStatus.NO_RESOURCES) in pair.terminates())
        assert pair.sent(2, to_server=False) == []
        assert centre.link_keys.established("centre") == {}
        assert pair.centre.keys == {GUEST: PRECONFIGURED}
        pair.centre.link_keys_refused = False
        await eventually(lambda: established(centre, guest))


async def test_no_more_exchanges_at_once_than_there_is_room_for(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_establishment, "MAX_AT_ONCE", 1)
    monkeypatch.setattr(key_exchange, "SLACK_S", 30.0)
    pair.certify_both(ONE)
    pair.certify("other", equip(STRANGER, ONE))
    pair.air.lost = lambda to_server, command: (to_server, command) == MESSAGES[2]
    async with pair.trust_centre() as centre, pair.router():
        await eventually(lambda: len(pair.sent(1, to_server=True)) == 1)
        async with pair.router(name="other") as other:
            await eventually(lambda: (False, TerminateStatus.NO_RESOURCES) in pair.terminates())
            pair.air.lost = lambda to_server, command: False
            # The first begins anew, in place of what it had begun, and there is room again when it is done.
            hear(pair, 3, wire.TerminateByInitiator(TerminateStatus.BAD_MESSAGE, 0, ONE).encode())
            await eventually(lambda: all_have_keys([(centre, STRANGER), (other, CENTRE)]))


async def test_commands_that_belong_to_nothing(pair: Pair) -> None:
    pair.certify_both(ONE)
    async with pair.both() as (centre, guest):
        await eventually(lambda: established(centre, guest))
        key = pair.centre.keys[GUEST]
        await eventually(lambda: guest.household.members[CENTRE].interview is InterviewStep.DONE)
        before = len(pair.air.messages)
        # An answer to a router that has asked nothing is passed over: it may be a repeat.
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_CLIENT, 9, 2, True)
        frame = ApsFrame(
            profile=Profile.SMART_ENERGY, cluster=wire.CLUSTER, source_endpoint=0x5E, destination_endpoint=0x5E,
            payload=header.encode() + bytes(16), source=0, destination=GUEST_SHORT,
        )  # fmt: skip
        pair.guest.events_waiting.put_nowait(FrameReceived(frame))
        # A command that there is not gets a default response; a broken Initiate leaves the key that is there.
        hear(pair, 0x55, b"")
        hear(pair, 0, b"\1\0")
        await eventually(lambda: (False, TerminateStatus.BAD_MESSAGE) in pair.terminates())
        assert len(pair.air.messages) == before + 1
        assert pair.centre.keys[GUEST] == key
        assert established(centre, guest)


@pytest.mark.usefixtures("impatient")
async def test_each_side_tells_its_suites_and_takes_one_exchange_of_a_device_at_a_time(pair: Pair) -> None:
    pair.certify("centre", equip(CENTRE, ONE))
    pair.certify("guest", *(equip(GUEST, suite) for suite in BOTH))
    pair.air.lost = lambda to_server, command: (to_server, command) == MESSAGES[0]
    async with pair.both() as (centre, guest):
        await eventually(lambda: len(pair.sent(0, to_server=True)) == 1)
        network, member = centre.household.networks["centre"], centre.household.members[GUEST]
        await eventually(lambda: 0x5E in member.endpoints)
        question = ReadAttributes((wire.KEY_ESTABLISHMENT_SUITE,))
        for side in (Side.SERVER, Side.CLIENT):
            answer = await ask(network, member, 0x5E, wire.CLUSTER, question, side=side)
            assert isinstance(answer, ReadAttributesResponse)
            assert [record.value for record in answer.records] == [3]
        # The router is in an exchange with its trust centre: it begins no other one.
        credentials = centre.key_establishments["centre"].held.credentials[0]
        begin = wire.InitiateKeyEstablishmentRequest(ONE, 10, 15, credentials.certificate.encode())
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 0x21, begin.COMMAND, True)
        await eventually(lambda: CENTRE in guest.key_establishments["guest"].under_way)
        frame = ApsFrame(
            profile=Profile.SMART_ENERGY, cluster=wire.CLUSTER, source_endpoint=0x5E, destination_endpoint=0x5E,
            payload=header.encode() + begin.encode(), source=0, destination=GUEST_SHORT,
        )  # fmt: skip
        pair.guest.events_waiting.put_nowait(FrameReceived(frame))
        await eventually(lambda: (False, TerminateStatus.NO_RESOURCES) in pair.terminates())
        pair.air.lost = lambda to_server, command: False
        await eventually(lambda: established(centre, guest))


async def test_a_flood_in_a_devices_name_takes_no_key_away(pair: Pair) -> None:
    pair.certify_both(ONE)
    async with pair.both() as (centre, guest):
        await eventually(lambda: established(centre, guest))
        key, ours = pair.centre.keys[GUEST], centre.key_establishments["centre"]
        certificate = equip(GUEST, ONE).certificate.encode()
        for number in range(100):
            begin = wire.InitiateKeyEstablishmentRequest(ONE, number % 5, 15, certificate)
            hear(pair, 0, begin.encode(), tsn=2 * number)
            hear(pair, 1, bytes((2, *bytes(20), number)), tsn=2 * number + 1)
        await eventually(lambda: (False, TerminateStatus.BAD_MESSAGE) in pair.terminates())
        hear(pair, 3, wire.TerminateByInitiator(TerminateStatus.BAD_MESSAGE, 0, ONE).encode(), tsn=0xF0)
        await eventually(lambda: not ours.under_way)
        assert pair.centre.keys[GUEST] == pair.guest.keys[CENTRE] == key
        assert established(centre, guest)


@pytest.mark.usefixtures("impatient")
async def test_within_twenty_minutes_or_not_at_all(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(key_establishment, "JOIN_S", 0.5)
    pair.certify_both(ONE)
    pair.air.lost = lambda to_server, command: True
    async with pair.both() as (centre, guest):
        await eventually(lambda: "it is given up" in caplog.text)
        assert not has_keys(guest, CENTRE)
        assert centre.networks.device(f"zigbee-{GUEST}").authenticated is False


# -- without keys ------------------------------------------------------------------------------------------------------


async def test_the_key_that_a_device_has_joined_with_is_good_for_nothing_else(pair: Pair) -> None:
    pair.certify("centre", equip(CENTRE, ONE))
    async with pair.both() as (centre, _):
        await eventually(
            lambda: GUEST in centre.household.members and centre.household.members[GUEST].short is not None
        )
        network, member = centre.household.networks["centre"], centre.household.members[GUEST]
        before = network.counters["too_open"]
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 0x31, 0x01, False)
        frame = ApsFrame(
            profile=Profile.SMART_ENERGY, cluster=0x0701, source_endpoint=0x5E, destination_endpoint=0x5E,
            payload=header.encode() + bytes(5), source=GUEST_SHORT, destination=0, security=Security.LINK_KEY,
        )  # fmt: skip
        sent = len(pair.centre.sent)
        pair.centre.events_waiting.put_nowait(FrameReceived(frame))
        await eventually(lambda: network.counters["too_open"] == before + 1)
        assert not member.is_authenticated
        assert not [one for one in pair.centre.sent[sent:] if one.cluster == 0x0701]
        event = network.frame(member, 0x5E, 0x0701, header, bytes(5), profile=Profile.SMART_ENERGY)
        with pytest.raises(NoLinkKeyError, match="keys are not established"):
            await network.send(member, event)
        assert not member.failures


async def test_a_router_without_a_certificate_says_what_it_takes(pair: Pair) -> None:
    pair.certify("centre", equip(CENTRE, ONE))
    async with pair.both() as (centre, guest):
        await eventually(lambda: "hubctl certificate install FILE guest" in guest.networks.get("guest").detail)
        assert not pair.air.messages
        await guest.certificates.install("guest", equip(GUEST, ONE).to_text())
        await eventually(lambda: established(centre, guest))
        assert guest.networks.get("guest").detail == ""


async def test_without_a_certificate_the_trust_centre_has_devices_wait(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.certify("guest", equip(GUEST, ONE))
    async with pair.both() as (centre, guest):
        await eventually(lambda: (False, TerminateStatus.NO_RESOURCES) in pair.terminates() or "no keys" in caplog.text)
        status = await centre.certificates.status("centre")
        assert (status.installed, status.keys_by, status.certificates) == (False, "hub", ())
        await centre.certificates.install("centre", equip(CENTRE, ONE).to_text())
        await guest.key_establishments["guest"].certified()
        await eventually(lambda: established(centre, guest))


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
async def test_no_secret_is_told(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ours, theirs = [equip(CENTRE, suite) for suite in BOTH], [equip(GUEST, suite) for suite in BOTH]
    pair.certify("centre", *ours)
    pair.certify("guest", *theirs)
    pair.air.lost = once(MESSAGES[5])
    async with pair.both() as (centre, guest):
        await eventually(lambda: established(centre, guest))
        told = [
            caplog.text,
            repr(await centre.certificates.status("centre")),
            repr(centre.link_keys.established("centre")),
        ]
        told += [repr(centre.networks.device(f"zigbee-{GUEST}")), repr(centre.key_establishments["centre"].held)]
        secrets = {key for radio in (pair.centre, pair.guest) for _, key in radio.given} | {PRECONFIGURED}
        shown = {form for key in secrets for form in (key.hex(), repr(key)[2:-1], str(int.from_bytes(key, "big")))}
        for one in (*ours, *theirs):
            shown |= {str(one.private_key), f"{one.private_key:x}"}
    assert len(secrets) >= 2
    assert "keys with" in caplog.text
    assert not [secret for secret in shown for text in told if secret.lower() in text.lower()]

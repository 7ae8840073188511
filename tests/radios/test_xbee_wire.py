"""An XBee's frames as they are on the wire: how long they may be, who gets time to wake, answers that come too late."""

from __future__ import annotations

import asyncio

import pytest
from test_xbee_driver import opened_on, quick, until
from zigbee_contract import is_answer, read_model

from protocols.aps import ApsFrame, Delivery, Security
from protocols.xbee.frames import TransmitOption
from radios.api import DeviceJoined, FrameReceived, NoReplyError, NotSupportedError
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.xbee.driver import XbeeRadio
from tests.hub.waiting import eventually

__all__ = ["quick"]
TRANSMIT, TRANSMIT_STATUS, AT_RESPONSE, RECEIVED, REGISTER_STATUS = 0x11, 0x8B, 0x88, 0x91, 0xA4
OPTIONS_AT, FROM_END_DEVICE = 17, 0x40
"""Of a received frame."""


def transmissions(module: XbeeEmulator) -> list[bytes]:
    return [frame for frame in module.commands if frame[0] == TRANSMIT]


def options_of(module: XbeeEmulator) -> TransmitOption:
    """Of the last transmission."""
    return TransmitOption(transmissions(module)[-1][19])


# -- how long a frame may be -------------------------------------------------------------------------------------------


def frame_of(size: int, short: int, kind: str) -> ApsFrame:
    return ApsFrame(
        profile=0x0109,
        cluster=0,
        source_endpoint=0x5E,
        destination_endpoint=1,
        payload=bytes(size),
        destination=short,
        delivery=Delivery.BROADCAST if kind == "broadcast" else Delivery.UNICAST,
        security=Security.LINK_KEY if kind == "encrypted" else Security.NETWORK,
        ack=kind != "broadcast",
    )


@pytest.mark.parametrize(
    ("firmware", "kind", "limit", "said"),
    [
        ("3119", "encrypted", 119, "encrypted, this module carries 119 bytes, not 120"),
        ("3119", "open", 128, "this module carries 128 bytes, not 129"),
        ("3119", "broadcast", 66, "a broadcast, which cannot be fragmented, carries 66 bytes, not 67"),
        ("5132", "open", 128, "128 bytes"),
        ("5156", "encrypted", 246, "246 bytes"),
        ("5156", "open", 255, "255 bytes"),
        ("5156", "broadcast", 66, "66 bytes"),
    ],
)
async def test_the_longest_frame_goes_out_and_one_byte_more_never(
    quick: None, firmware: str, kind: str, limit: int, said: str
) -> None:
    config = XbeeConfig(firmware=firmware, devices=("smart-meter",), joined=(0,))
    async with XbeeEmulator(config) as module, opened_on(module) as radio:
        short = 0xFFFD if kind == "broadcast" else module.devices[0].short
        await radio.send(frame_of(limit, short, kind))
        assert len(transmissions(module)[-1]) == 20 + limit
        before = len(module.commands)
        with pytest.raises(NotSupportedError, match=said):
            await radio.send(frame_of(limit + 1, short, kind))
        assert len(module.commands) == before
        if kind == "encrypted":
            assert radio.capabilities.max_payload == limit


async def test_a_broadcast_is_never_encrypted_however_short(quick: None) -> None:
    async with XbeeEmulator(XbeeConfig()) as module, opened_on(module) as radio:
        before = len(module.commands)
        frame = ApsFrame(
            profile=0x0109, cluster=0x0701, source_endpoint=0x5E, destination_endpoint=0xFF, payload=b"\x00",
            destination=0xFFFD, delivery=Delivery.BROADCAST, security=Security.LINK_KEY, ack=False,
        )  # fmt: skip
        with pytest.raises(NotSupportedError, match="broadcast cannot be encrypted"):
            await radio.send(frame)
        assert len(module.commands) == before


# -- who gets time to wake ---------------------------------------------------------------------------------------------


class Old(XbeeEmulator):
    """Its firmware does not tell frame by frame who is an end device."""

    def _say(self, data: bytes) -> None:
        if data[0] == RECEIVED:
            data = data[:OPTIONS_AT] + bytes((data[OPTIONS_AT] & ~FROM_END_DEVICE,)) + data[OPTIONS_AT + 1 :]
        super()._say(data)


async def test_only_who_sleeps_gets_the_time_to_wake(quick: None) -> None:
    config = XbeeConfig(devices=("contact", "plug"), joined=(0, 1))
    async with XbeeEmulator(config) as module, opened_on(module) as radio:
        contact, plug = module.devices
        await radio.send(read_model(plug.short, 1))
        assert options_of(module) == TransmitOption(0)
        for device in (contact, plug):
            device.report_now(1, 0x0000, 0x0005)
            await until(radio, FrameReceived)
        await radio.send(read_model(contact.short, 2))
        assert options_of(module) == TransmitOption.EXTENDED_TIMEOUT
        await radio.send(read_model(plug.short, 3))
        assert options_of(module) == TransmitOption(0)


@pytest.mark.parametrize("made", [XbeeEmulator, Old])
async def test_a_sleeper_that_announces_itself_gets_it_at_once_and_encrypted_too(
    quick: None, made: type[XbeeEmulator]
) -> None:
    async with made(XbeeConfig(devices=("contact", "plug"))) as module, opened_on(module) as radio:
        module.table = {device.ieee: device.link_key or b"" for device in module.devices}
        await radio.permit_join(60)
        for device in module.devices:
            assert module.press(device)
            await until(radio, DeviceJoined)
        contact, plug = module.devices
        assert module.authenticate(contact.ieee)
        contact.is_authenticated = True  # at its side too: what it cannot read it does not confirm
        await radio.send(read_model(contact.short, 1, security=Security.LINK_KEY))
        assert options_of(module) == TransmitOption.EXTENDED_TIMEOUT | TransmitOption.APS_ENCRYPTION
        await radio.send(read_model(plug.short, 2))
        assert options_of(module) == TransmitOption(0)


async def test_a_router_with_the_address_of_a_sleeper_does_not_inherit_its_sleep(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = XbeeConfig(devices=("contact", "plug"), joined=(0,))
    async with XbeeEmulator(config) as module, opened_on(module) as radio:
        contact, plug = module.devices
        contact.report_now(1, 0x0000, 0x0005)
        await until(radio, FrameReceived)
        short = contact.short
        module.air.drop(contact.ieee)
        module.table = {plug.ieee: plug.link_key or b""}
        monkeypatch.setattr(module.random, "randint", lambda low, high: short if high == 0xFFF7 else high)
        await radio.permit_join(60)
        assert module.press(plug)
        await until(radio, DeviceJoined)
        assert plug.short == short
        await radio.send(read_model(short, 1))
        assert options_of(module) == TransmitOption(0)


# -- answers that come too late ----------------------------------------------------------------------------------------


class Slow(XbeeEmulator):
    """It holds back what it says of one kind."""

    def __init__(self, config: XbeeConfig) -> None:
        super().__init__(config)
        self.holds: int | None = None
        self.held: list[bytes] = []

    def _say(self, data: bytes) -> None:
        if data[0] == self.holds:
            self.held.append(data)
        else:
            super()._say(data)

    def let_go(self) -> None:
        """What was held comes now."""
        self.holds = None
        for data in self.held:
            self._say(data)


async def is_well(radio: XbeeRadio, module: XbeeEmulator) -> None:
    """The next question is answered, and by its own answer."""
    await radio.send(read_model(module.devices[0].short, 0x77))
    async with asyncio.timeout(5):
        async for event in radio.events():
            if is_answer(event, 0x77):
                return


@pytest.mark.parametrize("kind", [TRANSMIT_STATUS, AT_RESPONSE, REGISTER_STATUS])
async def test_an_answer_that_comes_too_late_is_counted_and_nothing_else(
    quick: None, monkeypatch: pytest.MonkeyPatch, kind: int
) -> None:
    monkeypatch.setattr("radios.xbee.driver.TRANSMIT_STATUS_S", 0.2)
    monkeypatch.setattr("radios.xbee.link.AT_S", 0.1)
    monkeypatch.setattr("radios.xbee.link.REGISTER_S", 0.2)
    async with Slow(XbeeConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        [plug] = module.devices
        module.holds = kind
        with pytest.raises(NoReplyError, match="did not answer"):
            if kind == TRANSMIT_STATUS:
                await radio.send(read_model(plug.short, 1))
            elif kind == AT_RESPONSE:
                await radio.at_command("VR")
            else:
                await radio.register_key(radio.network.ieee, bytes(15) + b"\x01")
        late = len(module.held)
        assert late
        module.let_go()
        await eventually(lambda: radio.counters["stray_answer"] == late)
        await is_well(radio, module)
        assert await radio.at_command("VR") == b"\x31\x19"
        assert radio.counters["stray_answer"] == late


async def test_a_late_answer_of_another_kind_with_the_same_number_settles_nothing(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radios.xbee.driver.TRANSMIT_STATUS_S", 1.0)
    async with Slow(XbeeConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        [plug] = module.devices
        module.holds = TRANSMIT_STATUS
        sending = asyncio.ensure_future(radio.send(read_model(plug.short, 1)))
        await eventually(lambda: bool(module.held))
        number = module.held[0][1]
        # As if an old question had had this number.
        module._say(bytes((AT_RESPONSE, number)) + b"VR\x00\x00\x00")
        await eventually(lambda: radio.counters["stray_answer"] == 1)
        assert not sending.done()
        module.let_go()
        await sending


async def test_nobody_hears_of_an_answer_whose_caller_has_gone(quick: None) -> None:
    async with Slow(XbeeConfig(devices=("plug",), joined=(0,))) as module, opened_on(module) as radio:
        module.holds = TRANSMIT_STATUS
        sending = asyncio.ensure_future(radio.send(read_model(module.devices[0].short, 1)))
        await eventually(lambda: bool(module.held))
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        module.let_go()
        await eventually(lambda: radio.counters["stray_answer"] == 1)
        await is_well(radio, module)

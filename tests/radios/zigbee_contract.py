"""What every Zigbee radio has to do against its emulator (`radios.api.ZigbeeRadio`), on whatever wire.

A radio's test module gives a fixture `opened` with a `Far`: the open radio, and its far side.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType

import pytest

from protocols import zdo
from protocols.aps import ApsFrame, Delivery, Security
from protocols.ids import Eui64
from protocols.zcl.general import ReadAttributes, ReadAttributesResponse
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from radios.api import (
    DeliveryError,
    DeviceJoined,
    DeviceLeft,
    FrameReceived,
    KeysBy,
    NetworkChanged,
    NoReplyError,
    NotSupportedError,
    RadioLostError,
    ZigbeeEvent,
    ZigbeeRadio,
)
from radios.emulators.device import EmulatedDevice

PATIENCE_S = 20.0
NOBODY = 0x4444


@dataclass
class Far:
    """An open radio, its emulator's devices, and what the far side can be made to do."""

    radio: ZigbeeRadio
    devices: dict[str, EmulatedDevice]
    press: Callable[[EmulatedDevice], bool]
    mute: Callable[[], None]
    reset: Callable[[], None]
    unplug: Callable[[], None]
    is_clean: bool = True
    """The wire loses and changes nothing."""
    is_router: bool = False
    """It is on the network of another one."""
    hasten: Callable[[], None] = lambda: None
    """Have the driver miss a mute stick several times as soon. On one wire of each radio the seconds are real."""

    def __post_init__(self) -> None:
        self.events: AsyncIterator[ZigbeeEvent] = aiter(self.radio.events())

    async def until(
        self, kind: type[ZigbeeEvent], wanted: Callable[[ZigbeeEvent], bool] = lambda _: True
    ) -> ZigbeeEvent:
        """The next event of a kind."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                event = await anext(self.events)
                if isinstance(event, kind) and wanted(event):
                    return event

    async def insist(self, act: Callable[[], Awaitable[object]]) -> None:
        """Do something until it is done: on a bad wire the caller repeats, the radio does not."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await act()
                    return
                except (NoReplyError, DeliveryError):
                    assert not self.is_clean

    async def joined(self, kind: str) -> EmulatedDevice:
        """A device that has joined, as the radio told it."""
        device = self.devices[kind]
        await self.insist(lambda: self.radio.permit_join(60))
        while not device.is_joined:
            self.press(device)
            await asyncio.sleep(0.05)
        if self.is_clean:
            event = await self.until(DeviceJoined)
            assert isinstance(event, DeviceJoined)
            assert (event.ieee, event.short, event.mac_capability) == (device.ieee, device.short, device.capability)
        return device


def hastening(monkeypatch: pytest.MonkeyPatch, module: ModuleType, *names: str) -> Callable[[], None]:
    """For `Far.hasten`: times of a driver's module become a fifth."""

    def hasten() -> None:
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name) / 5)

    return hasten


def read_model(short: int, tsn: int, **more: object) -> ApsFrame:
    """A question to the Basic cluster."""
    header = ZclHeader(FrameType.GENERAL, Direction.TO_SERVER, tsn, ReadAttributes.COMMAND, True)
    return ApsFrame(
        profile=0x0104,
        cluster=0,
        source_endpoint=1,
        destination_endpoint=1,
        payload=header.encode() + ReadAttributes((5,)).encode(),
        destination=short,
        **more,  # type: ignore[arg-type]
    )


def is_answer(event: ZigbeeEvent, tsn: int) -> bool:
    """Whether an event is the answer to `read_model`."""
    if not isinstance(event, FrameReceived) or event.frame.cluster != 0 or event.frame.profile != 0x0104:
        return False
    header, _ = parse_header(event.frame.payload)
    return header.tsn == tsn and header.command == ReadAttributesResponse.COMMAND


class ZigbeeContract:
    """Derive from it, and give `opened`."""

    async def test_it_says_what_it_is_and_where(self, opened: Far) -> None:
        network = opened.radio.network
        assert 11 <= network.channel <= 26
        assert network.ieee
        assert network.is_coordinator is not opened.is_router
        assert network.is_operational
        assert network.model
        assert network.firmware

    async def test_a_device_joins_and_is_told_once(self, opened: Far) -> None:
        device = await opened.joined("plug")
        if opened.is_clean:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await opened.until(DeviceJoined)
        assert device.is_joined

    async def test_a_frame_arrives_and_its_answer_comes_back_once(self, opened: Far) -> None:
        device = await opened.joined("plug")
        frame = read_model(device.short, 0x21)
        await opened.insist(lambda: opened.radio.send(frame))
        if not opened.is_clean:
            return
        event = await opened.until(FrameReceived, lambda one: is_answer(one, 0x21))
        assert isinstance(event, FrameReceived)
        assert event.frame.source == device.short
        _, payload = parse_header(event.frame.payload)
        assert ReadAttributesResponse.decode(payload).records[0].value == device.model
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await opened.until(FrameReceived, lambda one: is_answer(one, 0x21))

    async def test_device_objects_are_reached(self, opened: Far) -> None:
        device = await opened.joined("plug")
        request = ApsFrame(
            profile=0,
            cluster=zdo.ActiveEndpointsRequest.CLUSTER,
            source_endpoint=0,
            destination_endpoint=0,
            payload=zdo.encode_zdo(7, zdo.ActiveEndpointsRequest(device.short)),
            destination=device.short,
        )
        await opened.insist(lambda: opened.radio.send(request))
        if opened.is_clean:
            event = await opened.until(FrameReceived, lambda one: one.frame.cluster == 0x8005)  # type: ignore[union-attr]
            assert isinstance(event, FrameReceived)
            _, answer = zdo.decode_zdo(0x8005, event.frame.payload)
            assert isinstance(answer, zdo.ActiveEndpointsResponse)
            assert answer.endpoints == (1,)

    async def test_a_frame_to_nobody_fails_by_name(self, opened: Far) -> None:
        if not opened.radio.capabilities.acks:
            pytest.skip("this firmware does not tell whether a frame arrived")
        with pytest.raises((DeliveryError, NoReplyError)) as caught:
            await opened.radio.send(read_model(NOBODY, 1))
        if opened.is_clean:
            assert isinstance(caught.value, DeliveryError)
            assert caught.value.status.isupper()
            assert caught.value.code

    async def test_a_device_without_power_fails_by_name(self, opened: Far) -> None:
        if not opened.radio.capabilities.acks:
            pytest.skip("this firmware does not tell whether a frame arrived")
        device = await opened.joined("plug")
        device.set_power(False)
        with pytest.raises((DeliveryError, NoReplyError)):
            await opened.radio.send(read_model(device.short, 2))

    async def test_many_frames_at_once_all_end(self, opened: Far) -> None:
        device = await opened.joined("plug")
        sends = [opened.radio.send(read_model(device.short, 0x40 + number)) for number in range(40)]
        async with asyncio.timeout(3 * PATIENCE_S):
            results = await asyncio.gather(*sends, return_exceptions=True)
        failed = [result for result in results if isinstance(result, BaseException)]
        if opened.is_clean:
            assert failed == []
        assert all(isinstance(result, NoReplyError | DeliveryError) for result in failed)

    async def test_what_it_cannot_is_refused_before_anything_is_sent(self, opened: Far) -> None:
        can = opened.radio.capabilities
        frame = read_model(NOBODY, 3)
        if not can.aps_encryption:
            with pytest.raises(NotSupportedError):
                await opened.radio.send(read_model(NOBODY, 3, security=Security.LINK_KEY))
        long = ApsFrame(
            profile=0x0104,
            cluster=0,
            source_endpoint=1,
            destination_endpoint=1,
            payload=bytes(can.max_payload + 1),
            destination=NOBODY,
            security=Security.LINK_KEY if can.aps_encryption else Security.NETWORK,
        )
        with pytest.raises(NotSupportedError):
            await opened.radio.send(long)
        if can.keys_by is not KeysBy.HUB:
            with pytest.raises(NotSupportedError):
                await opened.radio.set_link_key(Eui64(0x0013A20040AABBCC), bytes(16))
        if not can.at_commands:
            with pytest.raises(NotSupportedError):
                await opened.radio.at_command("NJ")
        if not can.broadcast_send:
            with pytest.raises(NotSupportedError):
                await opened.radio.send(read_model(0xFFFC, 4, delivery=Delivery.BROADCAST, ack=False))
        assert frame.payload

    async def test_a_device_that_leaves_is_told(self, opened: Far) -> None:
        device = await opened.joined("plug")
        if opened.is_router:
            with pytest.raises(NotSupportedError, match="trust centre"):
                await opened.radio.remove(Eui64(device.ieee))
        elif opened.is_clean:
            await opened.radio.remove(Eui64(device.ieee))
            event = await opened.until(DeviceLeft)
            assert event == DeviceLeft(Eui64(device.ieee), False)

    async def test_the_channels_are_measured_and_changed(self, opened: Far) -> None:
        if not opened.is_clean:
            pytest.skip("answers get lost on this wire")
        if not opened.radio.capabilities.energy_scan:
            for act in (opened.radio.energy_scan((11,)), opened.radio.set_channel(25)):
                with pytest.raises(NotSupportedError):
                    await act
            return
        found = await opened.radio.energy_scan((11, 15, 26))
        assert set(found) == {11, 15, 26}
        assert all(0 <= level <= 255 for level in found.values())
        await opened.radio.set_channel(25)
        assert opened.radio.network.channel == 25

    async def test_a_restart_of_the_stick_is_no_end(self, opened: Far) -> None:
        if not opened.is_clean:
            pytest.skip("the stick's own words get lost on this wire")
        device = await opened.joined("plug")
        opened.reset()
        await opened.until(NetworkChanged)
        await opened.radio.send(read_model(device.short, 0x55))
        await opened.until(FrameReceived, lambda one: is_answer(one, 0x55))

    async def test_a_mute_stick_is_lost_within_ten_seconds(self, opened: Far) -> None:
        opened.hasten()
        opened.mute()
        with pytest.raises(RadioLostError):
            async with asyncio.timeout(10.0):
                async for _ in opened.events:
                    pass

    async def test_an_unplugged_stick_is_lost_at_once(self, opened: Far) -> None:
        opened.unplug()
        with pytest.raises(RadioLostError):
            async with asyncio.timeout(3.0):
                async for _ in opened.events:
                    pass
        with pytest.raises(RadioLostError):
            await opened.radio.send(read_model(NOBODY, 9))

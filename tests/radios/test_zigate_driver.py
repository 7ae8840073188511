"""The ZiGate driver: the contract against the emulated stick, on clean and hostile wires and all firmware."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from zigbee_contract import Far, ZigbeeContract, hastening, read_model

from protocols.aps import ApsFrame
from protocols.zcl.header import Direction, FrameType, ZclHeader
from protocols.zigate.address import Address, AddressMode
from protocols.zigate.responses import ApsAck, ApsConfirm, ApsConfirmFailed, Version
from protocols.zigate.status import SerialStatus, StackStatus
from radios.api import (
    DeliveryError,
    DeliveryFailed,
    NetworkChanged,
    NotSupportedError,
    OptionError,
    PipeError,
    RadioConfig,
    RadioLostError,
)
from radios.emulators.stream import StreamFaults
from radios.emulators.zigate import ZigateConfig, ZigateEmulator
from radios.zigate import driver as zigate
from radios.zigate import link
from radios.zigate.delivery import Flight, Flights, not_sent
from radios.zigate.driver import DRIVER, ZigateRadio
from radios.zigate.firmware import firmware_of
from radios.zigate.options import parse_options

WIRES = {
    "clean pty": ZigateConfig(),
    "clean tcp": ZigateConfig(tcp_port=0),
    "one byte at a time": ZigateConfig(faults=StreamFaults(one_byte=True)),
    "noise": ZigateConfig(faults=StreamFaults(noise=0.5)),
    "delay": ZigateConfig(faults=StreamFaults(delay=0.05)),
    "lossy": ZigateConfig(faults=StreamFaults(loss=0.2)),
    "lost statuses": ZigateConfig(lost_status=0.3),
    "3.0f": ZigateConfig(firmware="3.0f"),
    "3.1a": ZigateConfig(firmware="3.1a"),
    "3.1d": ZigateConfig(firmware="3.1d"),
    "3.1e": ZigateConfig(firmware="3.1e"),
    "3.21": ZigateConfig(firmware="3.21"),
    "v2-3.22": ZigateConfig(firmware="v2-3.22"),
}
LOSSY = frozenset(("lossy", "lost statuses"))


def config(pipe: str, **options: object) -> RadioConfig:
    return RadioConfig(name="han", driver="zigate", pipe=pipe, options=options)


@asynccontextmanager
async def opened_on(stick: ZigateEmulator, **options: object) -> AsyncIterator[ZigateRadio]:
    async with DRIVER.open(config(stick.pipe_url, **options), None) as radio:
        yield radio


class TestZigate(ZigbeeContract):
    """The contract."""

    @pytest.fixture(params=WIRES)
    async def opened(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Far]:
        monkeypatch.setattr("radios.zigate.link.STATUS_S", 0.4)
        if request.param in LOSSY:
            monkeypatch.setattr("radios.zigate.driver.ACKNOWLEDGED_S", 0.6)
            monkeypatch.setattr("radios.zigate.link.ANSWER_S", 0.4)
            monkeypatch.setattr("radios.zigate.link.BARRIER_S", 0.3)

        names = ("QUIET_S", "MUTE_S", "LOOK_S") if request.param != "clean pty" else ()
        async with ZigateEmulator(WIRES[request.param]) as stick, opened_on(stick) as radio:
            yield Far(
                radio,
                {device.kind: device for device in stick.devices},
                stick.press,
                stick.mute,
                stick.reset,
                stick.kill,
                is_clean=request.param not in LOSSY,
                hasten=hastening(monkeypatch, link, *names),
            )


async def test_a_network_is_formed_where_there_is_none_and_as_it_was_asked_for() -> None:
    async with (
        ZigateEmulator(ZigateConfig(factory_new=True)) as stick,
        opened_on(stick, channels=[25], extended_pan_id="12ab34cd56ef7890") as radio,
    ):
        assert (radio.network.channel, radio.network.extended_pan_id) == (25, 0x12AB34CD56EF7890)


async def test_a_running_network_is_never_left_for_the_configuration(caplog: pytest.LogCaptureFixture) -> None:
    async with ZigateEmulator(ZigateConfig()) as stick:
        before = stick.air.extended_pan_id
        async with opened_on(stick, channels=[11], extended_pan_id="12ab34cd56ef7890") as radio:
            assert (radio.network.channel, radio.network.extended_pan_id) == (20, before)
        assert "left as it is" in caplog.text
        assert 0x0012 not in {code for code, _ in stick.commands}


async def test_erasing_forms_a_new_network() -> None:
    async with ZigateEmulator(ZigateConfig()) as stick, opened_on(stick) as radio:
        before = radio.network.pan_id
        await radio.erase()
        assert radio.network.channel in range(11, 27)
        assert radio.network.pan_id != before


async def test_settings_of_the_stick_reach_it() -> None:
    async with ZigateEmulator(ZigateConfig()) as stick, opened_on(stick, led=False, certification="FCC") as radio:
        assert (stick.led, stick.region) == (False, 2)
        await radio.set_led(True)
        await radio.set_certification("CE")
        assert await radio.set_tx_power(3) == 3
        await radio.set_time(800_000_000)
        assert (stick.led, stick.region) == (True, 1)


async def test_a_setting_that_the_firmware_refuses_is_said_and_is_no_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("protocols.zigate.commands.SetLed.CODE", 0x0FFF)  # a command that no firmware knows
    async with ZigateEmulator(ZigateConfig()) as stick, opened_on(stick, led=True) as radio:
        assert "refuses option led: UNHANDLED_COMMAND" in caplog.text
        stick.reset()
        async with asyncio.timeout(10):
            async for event in radio.events():
                if isinstance(event, NetworkChanged):
                    break
        assert radio.network.channel == 20


async def test_firmware_without_raw_mode_refuses_by_name_what_it_has_no_command_for() -> None:
    async with ZigateEmulator(ZigateConfig(firmware="3.0f", devices=("plug",))) as stick, opened_on(stick) as radio:
        before = len(stick.commands)
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 1, 0x01, True)
        frame = ApsFrame(
            profile=0x0104,
            cluster=0x0502,
            source_endpoint=1,
            destination_endpoint=1,
            payload=header.encode(),
            destination=0x1234,
        )
        with pytest.raises(NotSupportedError, match=r"command 0x01 of cluster 0x0502"):
            await radio.send(frame)
        with pytest.raises(NotSupportedError, match="10 attributes"):
            await radio.send(replace(frame, payload=b"\x00\x02\x00" + bytes(range(22))))
        with pytest.raises(NotSupportedError, match="no such frame"):
            await radio.send(replace(frame, payload=b"\x00"))
        assert len(stick.commands) == before


async def test_a_port_where_nobody_answers_is_said_to_be_the_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zigate, "VERSION_S", 0.2)
    monkeypatch.setattr("radios.zigate.link.BARRIER_S", 0.1)
    async with ZigateEmulator(ZigateConfig()) as stick:
        stick.mute()
        with pytest.raises(RadioLostError, match="is it this port"):
            async with opened_on(stick):
                pass


async def test_a_port_is_used_by_one_program_at_a_time() -> None:
    async with ZigateEmulator(ZigateConfig()) as stick, opened_on(stick):
        with pytest.raises(PipeError, match="another program"):
            async with opened_on(stick):
                pass


async def test_more_frames_than_slots_wait_their_turn() -> None:
    async with ZigateEmulator(ZigateConfig(devices=("plug",))) as stick, opened_on(stick) as radio:
        await radio.permit_join(60)
        plug = stick.device("plug")
        stick.press(plug)
        stick.air.delay_s = 0.05
        await asyncio.gather(*(radio.send(read_model(plug.short, number)) for number in range(24)))
        assert Counter(radio.counters)["stack_errors"] == 0


async def test_options_are_checked_by_name() -> None:
    for options, says in (
        ({"chanels": [11]}, "channels"),
        ({"channels": [10]}, "11 to 26"),
        ({"channels": []}, "11 to 26"),
        ({"extended_pan_id": "xyz"}, "16 hex digits"),
        ({"led": 1}, "true or false"),
        ({"tx_power": 300}, "0 to 255"),
        ({"certification": "EU"}, "CE"),
    ):
        with pytest.raises(OptionError, match=says):
            parse_options(config("pty:/dev/null", **options))


@pytest.mark.parametrize(
    ("major", "installer", "name", "in_flight"),
    [
        (3, 0x030F, "3.0f", 2),
        (3, 0x031D, "3.1d", 2),
        (3, 0x031E, "3.1e", 4),
        (4, 0x0323, "3.23", 4),
        (5, 0x03A0, "3.a0", 2),
    ],
)
def test_a_version_says_what_can_be_done(major: int, installer: int, name: str, in_flight: int) -> None:
    found = firmware_of(Version(major, installer))
    assert (found.name, found.in_flight) == (name, in_flight)
    assert found.has_raw is (installer >= 0x031A)
    assert found.is_v2 is (major == 5)


# -- deliveries --------------------------------------------------------------------------------------------------------

PLUG = Address(AddressMode.SHORT, 0x1234)


def flight(*, ack: bool = True) -> Flight:
    return Flight(short=0x1234, endpoint=1, cluster=6, is_acknowledged=ack)


async def test_confirmations_in_any_order_end_in_the_same_way() -> None:
    for early in (True, False):
        flights, one = Flights(), flight()
        flights.begin(one)
        ack = ApsAck(StackStatus.SUCCESS, 0x1234, 1, 6, 9)
        if early:
            assert flights.take(ack)
            flights.numbered(one, 9)
        else:
            flights.numbered(one, 9)
            assert flights.take(ApsConfirm(StackStatus.SUCCESS, 1, 1, PLUG, 9))
            assert not one.done.done()
            assert flights.take(ack)
        assert one.done.result() is None


async def test_what_is_of_another_frame_is_not_taken_for_ours() -> None:
    flights, one = Flights(), flight()
    flights.begin(one)
    flights.numbered(one, 9)
    assert not flights.take(ApsAck(StackStatus.SUCCESS, 0x1234, 1, 6, 10))
    assert not flights.take(ApsAck(StackStatus.SUCCESS, 0x9999, 1, 6, 9))
    assert not flights.take(ApsConfirm(StackStatus.SUCCESS, 1, 2, PLUG, 9))
    assert not one.done.done()


async def test_a_frame_that_was_not_delivered_says_why() -> None:
    flights, one = Flights(), flight()
    flights.begin(one)
    flights.numbered(one, 9)
    flights.take(ApsConfirmFailed(StackStatus.MAC_NO_ACK, 1, 1, PLUG, 9))
    with pytest.raises(DeliveryError, match="MAC_NO_ACK") as caught:
        one.done.result()
    assert caught.value.code == 0xE9


SILENCES = frozenset((0xA7, 0xA9, 0xD0, 0xD1, 0xE9, 0xF0))


@pytest.mark.parametrize("status", [status for status in StackStatus if status])
async def test_only_a_silence_of_the_far_end_speaks_of_it(status: StackStatus) -> None:
    flights, one = Flights(), flight()
    flights.begin(one)
    flights.numbered(one, 9)
    flights.take(ApsConfirmFailed(status, 1, 1, PLUG, 9))
    with pytest.raises(DeliveryError) as caught:
        one.done.result()
    assert caught.value.is_silence is (status in SILENCES)
    assert not_sent(int(status)).is_silence is (status in SILENCES)


@pytest.mark.parametrize("status", SerialStatus)
def test_what_the_stick_refuses_by_itself_is_no_silence(status: SerialStatus) -> None:
    assert not not_sent(int(status)).is_silence


async def test_what_failed_later_is_told_only_where_it_is_a_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [0xE1, 0xF0]

    async def outcome(_: object) -> int:
        return outcomes.pop(0)

    config = ZigateConfig(firmware="3.1d", devices=("plug",), joined=(0,))
    async with ZigateEmulator(config) as stick, opened_on(stick) as radio:
        monkeypatch.setattr(stick.air, "send", outcome)
        for number in (1, 2):
            await radio.send(read_model(stick.devices[0].short, number))
        async with asyncio.timeout(10):
            async for event in radio.events():
                if isinstance(event, DeliveryFailed):
                    break
        assert event == DeliveryFailed(stick.devices[0].short, "MAC_TRANSACTION_EXPIRED", 0xF0)
        assert radio.counters["not_sent"] == 1


async def test_without_acknowledgement_the_first_hop_is_the_end() -> None:
    flights, one = Flights(), flight(ack=False)
    flights.begin(one)
    flights.numbered(one, 9)
    flights.take(ApsConfirm(StackStatus.SUCCESS, 1, 1, PLUG, 9))
    assert one.done.done()


@pytest.mark.parametrize("firmware", ["3.0f", "3.1a", "3.1d"])
async def test_firmware_that_confirms_nothing_tells_later_what_failed(firmware: str) -> None:
    async with ZigateEmulator(ZigateConfig(firmware=firmware, devices=("plug",))) as stick, opened_on(stick) as radio:
        await radio.permit_join(60)
        [device] = stick.devices
        assert stick.press(device)
        device.set_power(False)
        await radio.send(read_model(device.short, 5))
        async with asyncio.timeout(10):
            async for event in radio.events():
                if isinstance(event, DeliveryFailed):
                    break
        assert event.short == device.short
        assert event.code
        assert event.status.isupper()


async def test_a_stick_without_room_is_asked_again_and_a_frame_is_refused_when_it_stays_so() -> None:
    async with ZigateEmulator(ZigateConfig(devices=("plug",), joined=(0,))) as stick, opened_on(stick) as radio:
        [device] = stick.devices
        stick.overflow(2)
        await radio.send(read_model(device.short, 1))
        assert radio.counters["backed_off"] == 2
        stick.overflow(100)
        with pytest.raises(DeliveryError, match="the stick did not send it"):
            await radio.send(read_model(device.short, 2))
        stick.overflow(0)
        await radio.send(read_model(device.short, 3))

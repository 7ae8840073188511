"""Emulated Smart Energy devices over the air: a display, load control, a thermostat, a meter, and a utility's end."""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from se_room import NOON, POOL_PUMP, Room, cancel, event

from radios.emulators import zcl
from radios.emulators.devices import make
from radios.emulators.errors import EmulatorError
from radios.emulators.se_devices import Display, EnergyServiceInterface, LoadControl, SmartMeter
from radios.emulators.se_payloads import (
    UNSIGNED,
    DisplayMessage,
    LoadControlEvent,
    PublishPrice,
    ReportEventStatus,
)
from tests.hub.waiting import eventually

# -- layouts -----------------------------------------------------------------------------------------------------------


def test_payloads_are_laid_out_as_the_standard_says() -> None:
    golden = bytes.fromhex("34120000ff0f00000000003c0001ffff0080008080ff03")
    assert event(0x1234, 60, event_control=3) == golden
    assert LoadControlEvent.unpack(golden).pack() == golden
    assert len(cancel(1)) == 12
    report = ReportEventStatus(issuer_event_id=1, event_status=1, event_status_time=NOON)
    assert (len(report.pack()) + 1, len(report.pack() + UNSIGNED)) == (18, 60)
    price = PublishPrice(
        issuer_event_id=7, current_time=NOON, duration_in_minutes=60, price=2375, rate_label="PEAK", price_control=1
    )
    assert len(price.pack()) == 42 + 4
    assert PublishPrice.unpack(price.pack()) == price
    for size in (34 + 4, 40 + 4):  # r14, and SE 1.0
        assert PublishPrice.unpack(price.pack()[:size]) == replace(price, price_control=0)
    with pytest.raises(struct.error):
        PublishPrice.unpack(price.pack()[:40])
    assert PublishPrice.unpack(price.pack() + bytes(5)) == price
    message = DisplayMessage(message_id=3, duration_in_minutes=5, message="Spanish Inquisition")
    assert len(message.pack()) == 12 + 19
    assert DisplayMessage.unpack(message.pack()) == message


# -- clients in general ------------------------------------------------------------------------------------------------


async def test_a_display_looks_for_its_servers_once_it_is_authenticated_and_asks_them() -> None:
    room = Room("display")
    interface, display = room.interface, room.device
    assert isinstance(display, Display)
    await eventually(lambda: display.clock.is_set and bool(interface.commands(0x0703, 0)))
    await eventually(lambda: bool(interface.commands(0x0700, 0)))
    assert interface.commands(0x0700, 0)[0] == b"\x01"
    assert abs(display.clock.now - room.utc()) < 1.1
    assert all(frame.encrypted for frame in interface.heard if frame.profile == 0x0109)
    assert set(display.servers) == {0x000A, 0x0700, 0x0703}
    room.air.close()


async def test_keys_are_established_before_anything_is_asked() -> None:
    room = Room("display")
    room.air.drop(room.device.ieee)
    interface, display = room.interface, room.device
    interface.heard.clear()
    assert not display.is_authenticated
    room.air.permit(60)
    assert room.air.join(display)
    await eventually(lambda: bool(interface.commands(0x0703, 0)))
    asked = [struct.unpack_from("<H", frame.payload, 6)[0] for frame in interface.heard if frame.cluster == 0x0006]
    assert asked[0] == 0x0800
    room.air.close()


async def test_a_client_takes_nothing_in_clear_and_answers_what_is_no_command() -> None:
    room = Room("display")
    interface = room.interface
    message = DisplayMessage(message_id=1, duration_in_minutes=60, message="no").pack()
    interface.say(0x0703, 0, message, encrypted=False)
    tsn = interface.say(0x0703, 0x44, b"")
    interface.say(0x0703, 0, message[:9])
    await eventually(lambda: len([f for f in interface.heard if f.cluster == 0x0703 and f.payload[2] == 0x0B]) == 3)
    told = [frame.payload for frame in interface.heard if frame.cluster == 0x0703 and frame.payload[2] == 0x0B]
    assert told[0][3:] == bytes((0, zcl.NOT_AUTHORIZED))
    assert told[1] == bytes((0x10, tsn, 0x0B, 0x44, zcl.UNSUP_CLUSTER_COMMAND))
    assert told[2][3:] == bytes((0, zcl.MALFORMED))
    assert room.device.shown()["message"] is None
    room.air.close()


async def test_attributes_of_a_client_are_read_and_written_towards_it() -> None:
    room = Room("load-control")
    interface = room.interface
    read = zcl.frame(9, zcl.READ, struct.pack("<HH", 1, 3), quiet=False)
    interface._to(0x5E, 0x0A, 0x0109, 0x0701, read)
    write = zcl.frame(10, zcl.WRITE, struct.pack("<HBB", 1, 0x20, 61), quiet=False)
    interface._to(0x5E, 0x0A, 0x0109, 0x0701, write)
    configure = zcl.frame(11, zcl.CONFIGURE, bytes(8), quiet=False)
    interface._to(0x5E, 0x0A, 0x0109, 0x0701, configure)
    await eventually(lambda: len([f for f in interface.heard if f.cluster == 0x0701 and not f.payload[0] & 3]) == 3)
    told = [frame.payload for frame in interface.heard if frame.cluster == 0x0701 and not frame.payload[0] & 3]
    assert told[0] == bytes.fromhex("100901") + bytes.fromhex("010000201e") + bytes.fromhex(
        "0300002188 00".replace(" ", "")
    )
    assert told[1] == bytes((0x10, 10, zcl.WRITE_RESPONSE, zcl.INVALID_VALUE, 1, 0))
    assert told[2] == bytes((0x10, 11, 0x0B, zcl.CONFIGURE, zcl.UNSUP_GENERAL_COMMAND))
    room.air.close()


# -- prices and messages -----------------------------------------------------------------------------------------------


async def test_a_price_is_shown_acknowledged_and_replaced_by_a_newer_one() -> None:
    room = Room("display")
    interface, display = room.interface, room.device
    assert isinstance(display, Display)
    await eventually(lambda: display.clock.is_set)

    def publish(number: int, price: int, *, control: int = 0, start: int = 0, minutes: int = 600) -> int:
        made = PublishPrice(
            issuer_event_id=number, current_time=room.utc(), duration_in_minutes=minutes, price=price,
            trailing_digits_and_tier=0x42, start_time=start, price_control=control, rate_label="PEAK",
        )  # fmt: skip
        return interface.say(0x0700, 0, made.pack(), quiet=False)

    tsn = publish(5, 2375, control=1)
    await eventually(lambda: bool(interface.commands(0x0700, 2)))
    [acknowledgement] = [f for f in interface.heard if f.cluster == 0x0700 and f.payload[2] == 2]
    assert acknowledgement.payload[:3] == bytes((0x11, tsn, 2))
    provider, number, at, control = struct.unpack("<IIIB", acknowledgement.payload[3:])
    assert (provider, number, control) == (0xFFFFFFFF, 5, 1)
    assert abs(at - room.utc()) < 3000
    assert display.price.current is not None
    assert (display.price.current.price.amount, display.price.current.price.tier) == (0.2375, 2)
    publish(4, 999)  # an older one
    assert display.price.current.price.price == 2375
    publish(6, 1000)
    assert display.price.current.price.price == 1000
    publish(7, 3, start=room.utc() - 3600, minutes=10)
    await eventually(lambda: any(f.payload[3:] == bytes((0, zcl.FAILURE)) for f in interface.heard))
    room.air.close()


async def test_a_message_that_asks_for_it_is_confirmed_after_a_while_or_by_hand() -> None:
    room = Room("display")
    interface, display = room.interface, room.device
    assert isinstance(display, Display)
    await eventually(lambda: display.clock.is_set)
    with pytest.raises(EmulatorError, match="no message is shown"):
        display.messaging.confirm()
    first = DisplayMessage(message_id=11, message_control=0x88, duration_in_minutes=0xFFFF, message="Peak from 5 pm")
    interface.say(0x0703, 0, first.pack())
    assert display.shown()["message"] == "Peak from 5 pm"
    await eventually(lambda: bool(interface.commands(0x0703, 1)))
    number, at = struct.unpack("<II", interface.commands(0x0703, 1)[0])
    assert number == 11
    assert abs(at - room.utc()) < 3000
    display.messaging.confirms_by_itself = False
    interface.say(
        0x0703, 0, DisplayMessage(message_id=12, message_control=0x80, duration_in_minutes=600, message="B").pack()
    )
    assert display.messaging.confirm() == 12
    await eventually(lambda: len(interface.commands(0x0703, 1)) == 2)
    interface.say(0x0703, 1, struct.pack("<IB", 12, 0x80))
    await eventually(lambda: len(interface.commands(0x0703, 1)) == 3)  # the cancellation
    interface.say(0x0703, 1, struct.pack("<IB", 99, 0))
    await eventually(lambda: any(f.payload[3:] == bytes((1, zcl.NOT_FOUND)) for f in interface.heard))
    assert [known.state for known in display.messaging.messages] == ["replaced", "cancelled"]
    interface.say(0x0703, 0, DisplayMessage(message_id=13, duration_in_minutes=600, message="C").pack())
    interface.say(0x0703, 3, bytes(4))
    assert display.shown()["message"] is None
    room.air.close()


async def test_a_message_waits_for_its_start_and_ends() -> None:
    room = Room("display")
    interface, display = room.interface, room.device
    assert isinstance(display, Display)
    await eventually(lambda: display.clock.is_set)
    soon = DisplayMessage(message_id=1, start_time=room.utc() + 120, duration_in_minutes=2, message="soon")
    interface.say(0x0703, 0, soon.pack())
    [known] = display.messaging.messages
    assert known.state == "waiting"
    await eventually(lambda: known.state == "shown")
    await eventually(lambda: known.state == "ended")
    room.air.close()


async def test_before_it_knows_the_time_a_display_goes_by_the_time_that_a_price_carries() -> None:
    room = Room("display", knows_time=False, speed=1.0)
    display = room.device
    assert isinstance(display, Display)
    later = PublishPrice(issuer_event_id=1, current_time=NOON, start_time=NOON + 600, duration_in_minutes=60, price=1)
    room.interface.say(0x0700, 0, later.pack())
    running = PublishPrice(issuer_event_id=2, current_time=NOON, start_time=NOON - 60, duration_in_minutes=5, price=2)
    room.interface.say(0x0700, 0, running.pack())
    cut = PublishPrice(
        issuer_event_id=3, current_time=NOON, start_time=NOON + 1200, duration_in_minutes=0xFFFF, price=3
    )
    room.interface.say(0x0700, 0, cut.pack())
    room.interface.say(0x0703, 0, DisplayMessage(message_id=1, duration_in_minutes=60, message="now").pack())
    assert display.price.current is not None
    assert display.price.current.price.price == 2
    display.clock.set(NOON)
    assert display.price.current.price.price == 2
    spans = [(round(known.start) - NOON, known.end - NOON) for known in display.price.prices]
    assert [start for start, _ in spans] == [600, -60, 1200]
    assert [round(end) for _, end in spans[:2]] == [1200, 240]
    assert display.shown()["message"] == "now"
    room.air.close()


# -- the meter ---------------------------------------------------------------------------------------------------------


async def test_a_meter_counts_what_it_is_told_to() -> None:
    room = Room("smart-meter")
    device, interface = room.device, room.interface
    assert isinstance(device, SmartMeter)
    meter = device.meter
    meter.use_tier(2)
    meter.stand_still(5000)
    assert sum(meter.tiers_delivered) == pytest.approx(5000, abs=1)
    meter.rise(3600)
    meter.export(1800)
    before = list(meter.tiers_delivered)
    await eventually(lambda: meter.delivered_wh > 5050)
    meter.tick()
    assert meter.power_w == 1800
    assert meter.received_wh == pytest.approx((meter.delivered_wh - 5000) / 2, rel=0.05)
    assert [now > then for now, then in zip(meter.tiers_delivered, before, strict=True)] == [False, True, False, False]
    meter.export(0)
    meter.stand_still(7000)
    meter.tick()
    assert (meter.delivered_wh, meter.power_w) == (7000, 0)
    for ask, said in (
        (lambda: meter.stand_still(-1), "from 0 to"),
        (lambda: meter.rise(float("nan")), "from 0 to"),
        (lambda: meter.export(1e9), "from 0 to"),
        (lambda: meter.use_tier(5), "from 1 to 4, or 0"),
    ):
        with pytest.raises(EmulatorError, match=said):
            ask()
    meter.follow_home()
    read = zcl.frame(9, zcl.READ, struct.pack("<HHHH", 0x0102, 0x0107, 0x0300, 0x0108), to_client=False)
    interface._to(0x5E, 0x0A, 0x0109, 0x0702, read)
    await eventually(lambda: any(frame.cluster == 0x0702 for frame in interface.heard))
    [told] = [frame.payload[3:] for frame in interface.heard if frame.cluster == 0x0702]
    assert told[:4] == bytes.fromhex("02010025")
    assert told[-3:] == bytes.fromhex("080186")
    room.air.close()


# -- the utility's end -------------------------------------------------------------------------------------------------


async def test_an_interface_on_the_air_serves_a_display_a_meter_and_load_control(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("radios.emulators.se_endpoint.SEARCH_AGAIN_S", 0.1)
    room = Room("display", has_servers=False, knows_time=False, speed=600.0)
    display = room.device
    assert isinstance(display, Display)
    esi = make("esi", 2, 1, room.home)
    box, meter = make("load-control", 3, 1, room.home), make("smart-meter", 4, 1, room.home)
    assert isinstance(esi, EnergyServiceInterface)
    assert isinstance(box, LoadControl)
    for device in (esi, box, meter):
        room.enter(device)
    await eventually(lambda: display.clock.is_set and box.clock.is_set)
    assert abs(display.clock.now - esi.utc()) < 600
    await eventually(lambda: set(display.servers) == {0x000A, 0x0700, 0x0703, 0x0702} and 0x0701 in box.servers)
    assert {server.short for server in display.servers.values()} == {esi.short, meter.short}
    await eventually(lambda: len(esi.price.subscribers) == len(esi.drlc.subscribers) == 1)
    price = PublishPrice(issuer_event_id=5, current_time=0, duration_in_minutes=600, price=12, price_control=1)
    assert esi.price.create(price) == 1
    assert (
        esi.messaging.create(
            DisplayMessage(message_id=6, message_control=0x80, duration_in_minutes=600, message="hello")
        )
        == 1
    )
    event = LoadControlEvent(issuer_event_id=7, device_class=POOL_PUMP, duration_in_minutes=10)
    assert esi.drlc.create(event) == 1
    await eventually(lambda: esi.price.shown()[0]["acknowledged"] == [f"0x{display.short:04x}/10"])
    await eventually(lambda: esi.messaging.shown()[0]["confirmed"] == [f"0x{display.short:04x}/10"])
    await eventually(lambda: [status for _, status, _ in esi.drlc.events[0].heard] == [1, 2, 3])
    await eventually(lambda: display.shown()["meter_kwh"] is not None)
    for device in (esi, box, meter, display):
        json.dumps(device.shown())
    room.air.close()


async def test_an_interface_answers_what_clients_ask_or_says_that_there_is_nothing() -> None:
    room = Room("esi", has_servers=False)
    esi, interface = room.device, room.interface
    assert isinstance(esi, EnergyServiceInterface)
    interface.heard.clear()

    def ask(cluster: int, command: int, payload: bytes) -> int:
        interface.tsn = (interface.tsn + 1) & 0xFF
        body = zcl.frame(interface.tsn, command, payload, is_cluster=True, to_client=False)
        interface._to(0x01, 0x0A, 0x0109, cluster, body)
        return interface.tsn

    def answers(cluster: int) -> list[bytes]:
        return [frame.payload for frame in interface.heard if frame.cluster == cluster]

    questions = ((0x0700, 0, b"\x01"), (0x0700, 1, bytes(5)), (0x0703, 0, b""), (0x0701, 1, bytes(5)))
    for cluster, command, payload in questions:
        interface.heard.clear()
        tsn = ask(cluster, command, payload)
        await eventually(lambda cluster=cluster: bool(answers(cluster)))  # type: ignore[misc]
        assert answers(cluster) == [bytes((0x18, tsn, 0x0B, command, zcl.NOT_FOUND))]
    for number in (1, 2):
        start = int(esi.utc()) + 90_000 * number
        esi.drlc.create(
            LoadControlEvent(issuer_event_id=number, device_class=1, start_time=start, duration_in_minutes=5)
        )
        esi.price.create(
            PublishPrice(
                issuer_event_id=number, current_time=0, start_time=0 if number == 1 else start,
                duration_in_minutes=60, price=7,
            )
        )  # fmt: skip
    esi.messaging.create(DisplayMessage(message_id=9, duration_in_minutes=60, message="x"))
    await asyncio.sleep(0)
    for cluster, command, payload, count, size in (
        (0x0700, 0, b"\x01", 1, 42), (0x0700, 1, bytes(5), 2, 42), (0x0700, 1, bytes(4) + b"\x01", 1, 42),
        (0x0703, 0, b"", 1, 13), (0x0701, 1, bytes(5), 2, 23),
    ):  # fmt: skip
        await eventually(lambda: not room.air._timers)
        interface.heard.clear()
        tsn = ask(cluster, command, payload)
        await eventually(lambda cluster=cluster, count=count: len(answers(cluster)) == count)  # type: ignore[misc]
        assert tsn in [answer[1] for answer in answers(cluster)]
        assert [(answer[0], answer[2], len(answer)) for answer in answers(cluster)] == [(0x19, 0, 3 + size)] * count
    room.air.close()


async def test_an_interface_takes_the_time_from_who_holds_the_network() -> None:
    room = Room("esi")
    esi = room.device
    assert isinstance(esi, EnergyServiceInterface)
    room.interface.utc = lambda: NOON + 90_000_000
    assert abs(esi.utc() - NOON) < 90_000
    await eventually(lambda: esi.utc() > NOON + 80_000_000)
    room.air.close()


async def test_what_an_interface_cannot_send_is_refused_by_name() -> None:
    room = Room("esi", has_servers=False)
    esi = room.device
    assert isinstance(esi, EnergyServiceInterface)
    event = LoadControlEvent(issuer_event_id=1, device_class=1, duration_in_minutes=5)
    esi.drlc.create(event)
    with pytest.raises(EmulatorError, match="already"):
        esi.drlc.create(event)
    with pytest.raises(EmulatorError, match="limits"):
        esi.drlc.create(LoadControlEvent(issuer_event_id=2, device_class=1, duration_in_minutes=1441))
    with pytest.raises(EmulatorError, match="1 to 54 bytes"):
        esi.messaging.create(DisplayMessage(message_id=1, duration_in_minutes=1, message="x" * 55))
    with pytest.raises(EmulatorError, match="no message"):
        esi.messaging.cancel(None)
    room.air.close()


# -- hostile bytes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["display", "load-control", "se-thermostat", "esi", "smart-meter"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(control=st.integers(0, 0x1F), command=st.integers(0, 0x0D), payload=st.binary(max_size=70))
def test_no_encrypted_frame_breaks_a_device(kind: str, control: int, command: int, payload: bytes) -> None:
    async def hear() -> None:
        room = Room(kind)
        for cluster in (0x000A, 0x0700, 0x0701, 0x0702, 0x0703):
            room.interface._to(0x5E, 0x0A, 0x0109, cluster, bytes((control & ~4, 1, command)) + payload)
        room.interface._to(0, 0, 0, 0x8006, payload)
        room.device.tick()
        json.dumps(room.device.shown())
        room.air.close()

    asyncio.run(hear())

"""What clients ask the hub as energy service interface, over the air: prices, the last message; numbers of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from test_rest_zigbee import Service
from test_se_esi import event, price
from test_xbee_roles import answers, served

from hub.zigbee.model import NetworkState
from protocols.se.base import SeCommand
from protocols.se.drlc import GetScheduledEvents
from protocols.se.messaging import CancelMessage, DisplayMessage, GetLastMessage
from protocols.se.price import CommandOptions, GetCurrentPrice, GetScheduledPrices, PublishPrice
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from radios.emulators.device import EmulatedDevice
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.hub.waiting import eventually


@asynccontextmanager
async def asked(folder: Path) -> AsyncIterator[tuple[Service, EmulatedDevice]]:
    """The hub, and a device that only asks: it has no clients that anything is sent to."""
    async with (
        XbeeEmulator(XbeeConfig(devices=("smart-meter",), joined=(0,))) as module,
        served(module, folder, "esi_coordinator") as home,
    ):
        await eventually(lambda: home.hub.networks.get("han").state is NetworkState.UP)
        yield home, module.devices[0]


async def heard(device: EmulatedDevice, question: SeCommand, tsn: int, count: int) -> list[tuple[ZclHeader, bytes]]:
    """What a question is answered with."""
    header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, tsn, question.COMMAND, True)
    before = len(answers(device, question.CLUSTER))
    device.say(0x0A, question.CLUSTER, header.encode() + question.encode(), to_endpoint=0x5E)
    await eventually(lambda: len(answers(device, question.CLUSTER)) >= before + count)
    found = answers(device, question.CLUSTER)[before:]
    assert all(frame.encrypted and frame.destination_endpoint == 0x0A for frame in found)
    return [parse_header(frame.payload) for frame in found]


async def test_all_that_answers_one_question_carries_its_number(tmp_path: Path) -> None:
    async with asked(tmp_path) as (home, device):
        energy = home.hub.smart_energy
        for number, hours in ((1, 0), (2, 2), (3, 4)):
            start = energy.now() + 3600 * hours if hours else 0
            await energy.publish_price(None, replace(price(number), start_time=start))
        for number in (11, 12):
            await energy.create_event(None, event(home.hub, number, start_time=energy.now() + 7200 * number))
        found = await heard(device, GetScheduledPrices(0, 0), 0x41, 3)
        assert [(header.tsn, header.command) for header, _ in found] == [(0x41, PublishPrice.COMMAND)] * 3
        assert sorted(PublishPrice.decode(body).issuer_event_id for _, body in found) == [1, 2, 3]
        found = await heard(device, GetScheduledPrices(0, 2), 0x42, 2)
        assert sorted(PublishPrice.decode(body).issuer_event_id for _, body in found) == [1, 2]
        events = await heard(device, scheduled_events(), 0x43, 2)
        assert [header.tsn for header, _ in events] == [0x43] * 2


def scheduled_events() -> SeCommand:
    return GetScheduledEvents(start_time=0, number_of_events=0)


async def test_the_current_price_and_the_last_message_are_what_holds_now(tmp_path: Path) -> None:
    async with asked(tmp_path) as (home, device):
        energy = home.hub.smart_energy
        await energy.publish_price(None, price(1))
        await energy.publish_price(None, replace(price(2), start_time=energy.now() + 7200))
        [(header, body)] = await heard(device, GetCurrentPrice(CommandOptions.RECEIVER_ON_WHEN_IDLE), 0x51, 1)
        told = PublishPrice.decode(body)
        assert (header.tsn, header.direction, told.issuer_event_id) == (0x51, Direction.TO_CLIENT, 1)
        assert (told.price, told.rate_label) == (2500, "peak")
        assert abs(told.current_time - energy.now()) <= 2
        assert told.start_time == energy.services["han"].prices.prices[1].start
        for number, text in ((1, "first"), (2, "Grüße")):
            made = DisplayMessage(message_id=number, control=0, duration_min=10, message=text)
            await energy.send_message(None, made)
        [(header, body)] = await heard(device, GetLastMessage(), 0x52, 1)
        last = DisplayMessage.decode(body)
        assert (header.tsn, last.message_id, last.message) == (0x52, 2, "Grüße")
        assert last.start_time == energy.services["han"].messages.messages[2].start
        await energy.cancel_message(None, 2, confirm=False)
        # It has had the message that was taken away, so it hears of that too.
        found = {header.command: (header.tsn, body) for header, body in await heard(device, GetLastMessage(), 0x53, 2)}
        tsn, body = found[DisplayMessage.COMMAND]
        assert (tsn, DisplayMessage.decode(body).message) == (0x53, "first")
        assert CancelMessage.decode(found[CancelMessage.COMMAND][1]).message_id == 2


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("price", {"price": 0.25, "duration_min": 60}, "issuer_event_id"),
        ("message", {"text": "Hello", "duration_min": 60}, "message_id"),
        ("drlc", {"device_classes": ["ev"], "duration_min": 60}, "issuer_event_id"),
    ],
)
async def test_numbers_that_the_hub_gives_are_the_time_and_larger_than_all_before(
    tmp_path: Path, path: str, body: dict[str, object], name: str
) -> None:
    async with asked(tmp_path) as (home, _):
        before = home.hub.smart_energy.now()
        numbers = []
        for _ in range(3):
            code, made = await home.ask("POST", f"/events/{path}", body)
            assert code == 201, made
            numbers.append(made[name])
        assert before <= numbers[0] <= home.hub.smart_energy.now()
        assert numbers == sorted(set(numbers))
        high = 4_000_000_000
        assert (await home.ask("POST", f"/events/{path}", {**body, name: high}))[0] == 201
        code, made = await home.ask("POST", f"/events/{path}", body)
        assert (code, made[name]) == (201, high + 1)

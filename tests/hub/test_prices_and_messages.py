"""Prices and messages at both sides: what is taken, what holds, what takes whose place."""

from __future__ import annotations

import pytest

from hub.errors import InvalidError, RefusedError
from hub.smart_energy.esi import EnergyService
from hub.smart_energy.heard import HeardCommand
from hub.smart_energy.messages import MAX_MESSAGES, MessageClient, MessageServer, Shown
from hub.smart_energy.peer import Peer
from hub.smart_energy.price_client import MAX_PRICES, PriceClient
from hub.smart_energy.price_server import PriceServer, amount_of
from protocols.aps import ApsFrame
from protocols.ids import Eui64
from protocols.se.base import SeVersion
from protocols.se.messaging import CLUSTER as MESSAGING_CLUSTER
from protocols.se.messaging import (
    CancelMessage,
    ConfirmationControl,
    DisplayMessage,
    ExtendedMessageControl,
    Importance,
    MessageConfirmation,
    MessageControl,
    message_control,
)
from protocols.se.price import PriceControl, PublishPrice
from protocols.zcl.header import Direction, FrameType, ZclHeader
from protocols.zcl.status import Status

T, HOUR = 850_000_000, 3600
ESI, OTHER, DISPLAY = Peer(Eui64(1), 0x5E), Peer(Eui64(2), 10), Peer(Eui64(3), 10)


def price(number: int = 1, start: int = T, minutes: int = 60, **more: object) -> PublishPrice:
    fields: dict[str, object] = {
        "provider_id": 7,
        "issuer_event_id": number,
        "current_time": 0,
        "unit_of_measure": 0,
        "currency": 978,
        "price_trailing_digit_and_tier": 0x41,
        "number_of_price_tiers_and_register_tier": 0x31,
        "start_time": start,
        "duration_min": minutes,
        "price": 1000 + number,
        **more,
    }
    return PublishPrice(**fields)  # type: ignore[arg-type]


# -- prices ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"minutes": 0}, "duration_min"),
        ({"start": 0xFFFFFFFF}, "start_time"),
        ({"start": T - HOUR}, "start_time"),
        ({"price_ratio": 0}, "price_ratio"),
        ({"generation_price_ratio": 0}, "generation_price_ratio"),
        ({"rate_label": "thirteen long"}, "rate_label"),
        ({"price_trailing_digit_and_tier": 0x44}, "price_tier"),
    ],
)
def test_what_is_wrong_with_a_price_is_named(changed: dict[str, object], field: str) -> None:
    server = PriceServer()
    with pytest.raises(InvalidError) as caught:
        server.create(price(**changed), T)  # type: ignore[arg-type]
    assert (caught.value.field, server.prices) == (field, {})


def test_a_newer_price_cuts_the_one_before_and_what_is_cut_does_not_come_back() -> None:
    server = PriceServer()
    first = server.create(price(1, T, 240), T)
    server.create(price(2, T + HOUR), T)
    assert (first.start, first.end) == (T, T + HOUR)
    assert [one.number for one in server.current(T)] == [1]
    assert [one.number for one in server.current(T + HOUR)] == [2]
    assert server.current(T + 2 * HOUR) == []
    assert server.prices[1].command(T + 60).duration_min == 60
    with pytest.raises(RefusedError, match="price 2 overlaps it and is newer"):
        server.create(price(0, T + HOUR), T)
    with pytest.raises(RefusedError, match="a price 2 already"):
        server.create(price(2, T + 9 * HOUR), T)
    server.create(price(5, T, 600), T)  # all of both
    assert list(server.prices) == [5]


def test_numbers_are_free_at_the_end_of_what_had_them() -> None:
    prices, messages = PriceServer(), MessageServer()
    prices.create(price(1), T)
    with pytest.raises(RefusedError, match="a price 1 already"):
        prices.create(price(1, T + 2 * HOUR), T + HOUR - 1)
    assert prices.create(price(1, T + HOUR), T + HOUR).start == T + HOUR
    messages.create(message(1), T, 60)
    messages.create(message(2), T, 60)
    messages.create(message(3, minutes=0xFFFF), T, 60)
    for number in (1, 3):
        with pytest.raises(RefusedError, match=f"a message {number} already"):
            messages.create(message(number), T, 60)
        messages.cancel(number)
    with pytest.raises(RefusedError, match="a message 1 already"):
        messages.create(message(1), T + HOUR - 1, 60)
    for number, now in ((3, T), (1, T + HOUR)):  # one without an end is over when it is cancelled
        again = messages.create(message(number), now, 60)
        assert not again.cancelled
        assert messages.last(now) is again


def test_commodities_and_providers_do_not_meet() -> None:
    server = PriceServer()
    for number, unit, provider in ((1, 0, 7), (2, 1, 7), (3, 0, 8)):
        server.create(price(number, unit_of_measure=unit, provider_id=provider), T)
    assert [one.number for one in server.current(T)] == [3, 2, 1]


def test_prices_are_asked_for_by_their_end_and_sent_with_their_start() -> None:
    server = PriceServer()
    server.create(price(1, 0), T)
    server.create(price(2, T + 5 * HOUR, 0xFFFF), T)
    assert [one.number for one in server.scheduled(0, 0, T)] == [1, 2]
    assert [one.number for one in server.scheduled(0, 1, T)] == [1]
    assert [one.number for one in server.scheduled(T + HOUR, 0, T)] == [2]
    command = server.prices[2].command(T + 60)
    assert (command.current_time, command.start_time, command.duration_min) == (T + 60, T + 5 * HOUR, 0xFFFF)
    assert amount_of(command) == pytest.approx(0.1002)
    assert server.next_time(T) == T + 5 * HOUR
    assert [one.number for one in server.begun(T)] == [1]
    assert server.begun(T + 60) == []
    assert [one.number for one in server.begun(T + 6 * HOUR)] == [2]


def test_who_has_a_price_and_who_said_so() -> None:
    server = PriceServer()
    made = server.create(price(1), T)
    assert server.missing(DISPLAY, T) == [made]
    assert server.acknowledge(DISPLAY, 8, 1, T) is None
    assert server.acknowledge(DISPLAY, 7, 1, T + 3) is made
    assert (made.acknowledged, server.missing(DISPLAY, T)) == ({DISPLAY: T + 3}, [])
    assert (server.clear(T), server.cancel_all(), server.prices) == (0, 1, {})


def test_a_client_keeps_the_newest_and_tells_when_it_changes() -> None:
    client = PriceClient()
    taken = client.receive(price(2, 0, 60, price_control=PriceControl.ACKNOWLEDGE), ESI, T)
    assert taken.is_new
    assert taken.acknowledgement is not None
    assert (taken.acknowledgement.issuer_event_id, taken.acknowledgement.acknowledge_time) == (2, T)
    assert client.due(T)
    assert not client.due(T + 60)
    assert client.receive(price(2, 0, 60), OTHER, T + 1).status is Status.DUPLICATE_EXISTS
    assert client.prices[7, 2].servers == [ESI, OTHER]
    assert not client.receive(price(1, T, 30), ESI, T + 2).is_new  # an older one
    assert client.receive(price(9, T - HOUR), ESI, T).status is Status.FAILURE
    assert client.receive(price(3, T + 1800), ESI, T + 3).is_new
    assert client.next_time(T + 60) == T + 1800
    assert [one.price.issuer_event_id for one in client.active(T + 60).values()] == [2]
    assert [one.price.issuer_event_id for one in client.active(T + 1800).values()] == [3]
    assert client.due(T + 1800)
    assert client.due(T + 1800 + HOUR)
    assert client.active(T + 1800 + HOUR) == {}
    again = PriceClient()
    again.load(client.prices.values())
    assert again.prices == client.prices


def test_a_client_remembers_prices_for_a_day_and_forgets_the_oldest_where_there_is_no_room() -> None:
    client = PriceClient()
    assert client.receive(price(1, T, 60), ESI, T).is_new
    assert client.receive(price(2, T + 2 * HOUR, 60), ESI, T + 2 * HOUR).is_new
    assert [number for _, number in client.prices] == [1, 2]
    assert client.active(T + 90 * 60) == {}  # what it remembers does not hold
    assert client.receive(price(3, T + 26 * HOUR, 60), ESI, T + 26 * HOUR).is_new
    assert [number for _, number in client.prices] == [2, 3]
    for number in range(4, 4 + MAX_PRICES):
        assert client.receive(price(number, T + 24 * HOUR + 60 * number, 1), ESI, T + 24 * HOUR + 60 * number).is_new
    assert len(client.prices) == MAX_PRICES


# -- messages ----------------------------------------------------------------------------------------------------------


def message(
    number: int = 1, text: str = "Hello", start: int = 0, minutes: int = 60, *, confirm: bool = False
) -> DisplayMessage:
    return DisplayMessage(
        message_id=number,
        control=message_control(Importance.LOW, confirm=confirm),
        start_time=start,
        duration_min=minutes,
        message=text,
    )


@pytest.mark.parametrize(
    ("made", "field", "said"),
    [
        (message(text=""), "message", "0 bytes"),
        (message(text="ä" * 31), "message", "1 to 60 bytes"),
        (message(text="\udcff"), "message", "not UTF-8"),
        (message(minutes=0), "duration_min", "1 to 65534"),
        (message(start=0xFFFFFFFF), "start_time", "2136"),
        (message(start=T - HOUR), "start_time", "reaches past now"),
    ],
)
def test_what_is_wrong_with_a_message_is_named(made: DisplayMessage, field: str, said: str) -> None:
    with pytest.raises(InvalidError, match=said) as caught:
        MessageServer().create(made, T, 60)
    assert caught.value.field == field


def test_the_last_message_is_what_clients_get() -> None:
    server = MessageServer()
    assert server.last(T) is None
    server.create(message(1), T, 60)
    later = server.create(message(2, start=T + HOUR), T, 60)
    assert server.last(T) is later  # also before it begins
    assert server.missing(DISPLAY, T) == [later]
    with pytest.raises(RefusedError, match="a message 2 already"):
        server.create(message(2), T, 60)
    server.cancel(2, confirm=True)
    assert server.cancel(77) is None
    last = server.last(T)
    assert last is not None
    assert (last.number, last.command().start_time) == (1, T)
    assert server.last(T + HOUR) is None
    assert server.clear(T) == 1


def test_a_message_that_began_after_another_takes_its_place() -> None:
    server = MessageServer()
    server.create(message(1, start=T + 600), T, 60)
    server.create(message(2), T, 60)
    assert server.replaced(T) == set()
    assert server.replaced(T + 600) == {2}
    server.cancel(1)
    assert server.replaced(T + 600) == set()


def test_one_confirmation_of_each_client_counts() -> None:
    server = MessageServer()
    made = server.create(message(1, confirm=True), T, 60)
    for time in (T + 5, T + 9):
        assert server.confirm(DISPLAY, MessageConfirmation(message_id=1, confirmation_time=time)) is made
    assert made.confirmed == {DISPLAY: T + 5}
    assert server.confirm(DISPLAY, MessageConfirmation(message_id=2, confirmation_time=T)) is None


def test_a_client_shows_one_message_at_a_time() -> None:
    client = MessageClient()
    assert client.receive(message(1), ESI, T) is Status.SUCCESS
    assert client.receive(message(2, start=T + 600, confirm=True), ESI, T) is Status.SUCCESS
    assert client.active is client.messages[1]
    assert client.next_time(T) == T + 600
    assert client.due(T + 600)
    assert (client.active, client.messages[1].state) == (client.messages[2], Shown.REPLACED)
    assert client.receive(message(2, start=T + 600), OTHER, T + 601) is Status.DUPLICATE_EXISTS
    assert client.due(T + 600 + HOUR)
    assert client.active is None
    told, servers = client.confirm(2, T + 2 * HOUR)  # over, and still to be confirmed
    assert (told.message_id, told.confirmation_time, servers) == (2, T + 2 * HOUR, [ESI, OTHER])
    with pytest.raises(ValueError, match="2"):
        client.confirm(2, T)
    with pytest.raises(KeyError):
        client.confirm(3, T)
    assert client.receive(message(9, start=T - 2 * HOUR), ESI, T) is Status.FAILURE


def test_a_message_is_taken_away_and_that_may_have_to_be_confirmed() -> None:
    client = MessageClient()
    client.receive(message(1), ESI, T)
    assert client.cancel(CancelMessage(message_id=5), T) is Status.NOT_FOUND
    assert client.cancel(CancelMessage(message_id=1, control=0x80), T) is Status.SUCCESS
    assert client.messages[1].waits_for_person
    assert client.confirm(1, T + 1)[0].message_id == 1
    assert client.cancel(CancelMessage(message_id=1), T) is Status.NOT_FOUND


def test_all_messages_are_taken_away_at_a_time() -> None:
    client = MessageClient()
    client.receive(message(1), ESI, T)
    client.cancel_all(T + 60, T)
    assert (client.active is not None, client.next_time(T)) == (True, T + 60)
    assert client.due(T + 60)
    assert client.active is None
    client.receive(message(2), ESI, T + 90)
    client.cancel_all(0, T + 91)
    assert client.active is None


def test_somebody_has_confirmed_it_elsewhere() -> None:
    client = MessageClient()
    client.receive(message(1, confirm=True), ESI, T)
    again = message(1, confirm=True)
    confirmed = DisplayMessage(
        message_id=1, control=again.control, duration_min=60, message="Hello",
        extended_control=ExtendedMessageControl.CONFIRMED,
    )  # fmt: skip
    client.receive(confirmed, ESI, T + 5)
    assert not client.messages[1].waits_for_person


def test_messages_are_bounded() -> None:
    client, server = MessageClient(), MessageServer()
    for number in range(MAX_MESSAGES + 5):
        client.receive(message(number), ESI, T)
        server.create(message(number), T, 60)
    assert len(client.messages) == len(server.messages) == MAX_MESSAGES
    assert client.active is client.messages[MAX_MESSAGES + 4]
    for one in (MessageClient(), MessageServer()):
        one.load((client if isinstance(one, MessageClient) else server).messages.values())  # type: ignore[arg-type]
        assert len(one.messages) == MAX_MESSAGES


def test_a_client_is_told_of_a_message_that_was_taken_away_once_or_when_it_has_forgotten() -> None:
    server = MessageServer()
    made = server.create(message(1), T, 80)
    made.delivered |= {DISPLAY}
    assert server.unheard(DISPLAY, T) == []
    server.cancel(1, confirm=True)
    assert [one.withdrawal() for one in server.unheard(DISPLAY, T)] == [
        CancelMessage(message_id=1, control=int(MessageControl.CONFIRMATION))
    ]
    made.withdrawn |= {DISPLAY}
    assert server.unheard(DISPLAY, T) == []
    assert server.unheard(DISPLAY, T, again=True) == [made]
    assert made.end is not None
    assert server.unheard(DISPLAY, made.end, again=True) == []


def test_a_message_until_changed_is_shown_until_another_one_or_a_cancel_comes() -> None:
    client = MessageClient()
    assert client.receive(message(1, minutes=0xFFFF), ESI, T) is Status.SUCCESS
    assert client.next_time(T) is None
    client.due(T + 10 * 365 * 24 * HOUR)
    assert client.active is client.messages[1]
    # What comes later has an end of its own, and the first one does not come back.
    client.receive(message(2, minutes=5), ESI, T + HOUR)
    assert (client.active, client.messages[1].state) == (client.messages[2], Shown.REPLACED)
    client.due(T + HOUR + 300)
    assert client.active is None
    server = MessageServer()
    made = server.create(message(3, minutes=0xFFFF), T, 60)
    assert made.end is None
    assert server.last(T + 10 * 365 * 24 * HOUR) is made
    server.cancel(3)
    assert server.last(T) is None


def test_a_price_until_changed_holds_until_another_one_begins() -> None:
    client = PriceClient()
    client.receive(price(1, minutes=0xFFFF), ESI, T)
    [known] = client.active(T + 10 * 365 * 24 * HOUR).values()
    assert (known.price.issuer_event_id, known.end, client.next_time(T)) == (1, None, None)
    client.receive(price(2, start=T + 2 * HOUR, minutes=60), ESI, T)
    assert known.end == T + 2 * HOUR
    assert [one.price.issuer_event_id for one in client.active(T + 2 * HOUR - 1).values()] == [1]
    assert [one.price.issuer_event_id for one in client.active(T + 2 * HOUR).values()] == [2]
    assert client.active(T + 3 * HOUR) == {}


def test_five_prices_at_a_server_and_as_many_at_a_client_hold_one_after_the_other() -> None:
    server, client = PriceServer(), PriceClient()
    for number in range(1, 6):
        server.create(price(number, start=T + number * HOUR), T)
    sent = [one.command(T) for one in server.scheduled(0, 0, T)]
    assert [one.issuer_event_id for one in sent] == [1, 2, 3, 4, 5]
    assert [client.receive(one, ESI, T).status for one in sent] == [Status.SUCCESS] * 5
    for number in range(1, 6):
        [active] = client.active(T + number * HOUR + 5).values()
        assert active.price.issuer_event_id == number


def test_bytes_of_a_message_that_are_no_text_come_back_as_they_came() -> None:
    wire = message(1, text="Hello").encode().replace(b"Hello", b"H\xe4llo")
    found = DisplayMessage.decode(wire)
    assert found.message == "H\udce4llo"
    assert found.encode() == wire
    client = MessageClient()
    assert client.receive(found, ESI, T) is Status.SUCCESS
    assert client.active is not None
    assert client.active.message.encode() == wire


def test_a_reader_may_have_said_yes_or_no() -> None:
    said = MessageConfirmation(
        message_id=1, confirmation_time=T, confirmation_control=ConfirmationControl.YES, response="gladly"
    )
    assert said.encode()[8:] == b"\x02\x06gladly"
    for control in (ConfirmationControl.NO, ConfirmationControl.YES):
        wire = T.to_bytes(4, "little") * 2 + bytes((control, 0))
        assert MessageConfirmation.decode(wire).confirmation_control is control
    old = said.cut(SeVersion.V1_1)
    assert (len(old.encode()), MessageConfirmation.decode(old.encode()).confirmation_control) == (8, None)


def test_every_confirmation_is_told_also_of_a_message_that_is_not_ours() -> None:
    service = EnergyService("han", lambda: T, lambda *_: None, lambda *_: None, lambda *_: None)
    [cluster] = service.servers([MESSAGING_CLUSTER])
    heard: list[HeardCommand] = []
    service.commands.add(heard.append)
    service.messages.create(message(1, confirm=True), T, 60)
    for number, status in ((1, Status.SUCCESS), (1, Status.SUCCESS), (99, Status.NOT_FOUND)):
        told = MessageConfirmation(message_id=number, confirmation_time=T)
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 7, told.COMMAND)
        frame = ApsFrame(
            profile=0x0109, cluster=MESSAGING_CLUSTER, source_endpoint=DISPLAY.endpoint, destination_endpoint=0x5E,
            payload=header.encode() + told.encode(), source=1, source_ieee=DISPLAY.ieee,
        )  # fmt: skip
        assert cluster.command(header, told.encode(), frame, 0.0).status is status
        assert heard[-1] == HeardCommand("han", DISPLAY, told, status)
    assert len(heard) == 3

"""Our clients of Smart Energy without a network: what is taken and answered, and what is kept."""

from __future__ import annotations

from collections.abc import Coroutine

import pytest

from hub.errors import NotFoundError
from hub.smart_energy import kept_client
from hub.smart_energy.premises import EnergyClient
from hub.zigbee.servers.base import Answer
from protocols.aps import ApsFrame
from protocols.ids import Eui64
from protocols.se import drlc, messaging, price
from protocols.se.base import SeCommand
from protocols.se.drlc import PUNCTUAL, Criticality, DeviceClass, EventControl, LoadControlEvent
from protocols.se.messaging import DisplayMessage, MessageControl
from protocols.se.price import PublishPrice
from protocols.zcl.header import Direction, FrameType, ZclHeader
from protocols.zcl.status import Status

NOW = 850_000_000
SERVER = Eui64(0x00124B0014D90101)
CLUSTERS = (price.CLUSTER, drlc.CLUSTER, messaging.CLUSTER)


class Client:
    """A client whose reports are not sent, and whose clock stands."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now
        self.changes: list[tuple[str, int, str]] = []
        self.ours = EnergyClient("han", lambda: self.now, self._spawn, self._changed, lambda most: most // 2)
        self._hosted = {server.cluster: server for server in self.ours.hosted(CLUSTERS)}
        self.spawned: list[str] = []

    def _spawn(self, work: Coroutine[None, None, None], label: str) -> None:
        work.close()
        self.spawned.append(label)

    def _changed(self, radio: str, kind: str, number: int, what: str) -> None:
        assert radio == "han"
        self.changes.append((kind, number, what))

    def hear(self, command: SeCommand, *, direction: Direction = Direction.TO_CLIENT) -> Answer:
        header = ZclHeader(FrameType.CLUSTER, direction, 7, command.COMMAND)
        frame = ApsFrame(
            profile=0x0109, cluster=command.CLUSTER, source_endpoint=0x0A, destination_endpoint=0x5E,
            payload=header.encode() + command.encode(), source=0, source_ieee=SERVER,
        )  # fmt: skip
        return self._hosted[command.CLUSTER].command(header, command.encode(), frame, 0.0)


def event(number: int = 1, **more: object) -> LoadControlEvent:
    fields: dict[str, object] = {
        "issuer_event_id": number,
        "device_class": DeviceClass.EV,
        "duration_min": 60,
        "criticality": Criticality.LEVEL_1,
        "event_control": PUNCTUAL,
        **more,
    }
    return LoadControlEvent(**fields)  # type: ignore[arg-type]


MESSAGE = DisplayMessage(message_id=9, control=int(MessageControl.CONFIRMATION), duration_min=10, message="Hello")
PRICE = PublishPrice(
    provider_id=0xFFFFFFFF, rate_label="x", issuer_event_id=0xFFFFFFFE, current_time=NOW, unit_of_measure=0,
    currency=978, price_trailing_digit_and_tier=0x41, number_of_price_tiers_and_register_tier=0x10,
    duration_min=60, price=2500,
)  # fmt: skip


def test_nothing_is_taken_before_the_clock_is_set_and_all_is_asked_for_then(monkeypatch: pytest.MonkeyPatch) -> None:
    client, asked = Client(now=0), []
    monkeypatch.setattr(client.ours, "ask", lambda: asked.append(client.now))
    for command in (event(), MESSAGE, PRICE):
        assert client.hear(command) == Answer(Status.FAILURE)
    client.ours.due()
    assert asked == client.changes == []
    client.now = NOW
    client.ours.due()
    client.ours.due()
    assert asked == [NOW]
    assert client.hear(event()).silent  # its report answers


def test_commands_for_a_server_are_not_ours() -> None:
    client = Client()
    for command in (event(), MESSAGE, PRICE):
        answer = client.hear(command, direction=Direction.TO_SERVER)
        assert answer.status is Status.UNSUP_CLUSTER_COMMAND
    assert client.changes == []


def test_what_a_client_has_comes_back_as_it_was() -> None:
    client = Client()
    randomized = EventControl.RANDOMIZE_START | EventControl.RANDOMIZE_END
    client.hear(event(1, device_class=DeviceClass.POOL_PUMP, event_control=randomized))
    client.hear(event(2, start_time=NOW + 1800, device_class=DeviceClass.EV | DeviceClass.HVAC))
    client.hear(MESSAGE)
    client.hear(PRICE)
    client.hear(
        drlc.CancelLoadControlEvent(issuer_event_id=2, device_class=DeviceClass.HVAC, effective_time=NOW + 1900)
    )
    client.ours.opt_out(1)
    other = Client()
    for kind, part in client.ours.kept.items():
        kept_client.restore(other.ours.kept[kind], kept_client.to_text(part))
    assert other.ours.drlc.events == client.ours.drlc.events
    assert other.ours.drlc.events[1].start_delay_s > 0
    assert other.ours.drlc.events[2].cancel_at == NOW + 1900
    assert other.ours.prices.prices == client.ours.prices.prices
    assert other.ours.messages.messages == client.ours.messages.messages


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"events": [{"wire": "00"}]}', '{"events": [{"wire": "zz"}]}'])
def test_what_cannot_be_read_back_is_a_value_error_and_changes_nothing(text: str) -> None:
    client = Client()
    client.hear(event())
    with pytest.raises(ValueError):
        kept_client.restore(client.ours.drlc, text)
    assert list(client.ours.drlc.events) == [1]


def test_an_event_that_is_over_is_nobodys() -> None:
    client = Client()
    client.hear(event())
    client.now += 3600
    client.ours.due()
    assert client.changes[-1] == ("drlc", 1, "completed")
    with pytest.raises(NotFoundError):
        client.ours.opt_out(1)


async def test_reports_that_answer_nothing_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    client, waits = Client(), []
    monkeypatch.setattr("hub.smart_energy.premises.PAUSES_S", ())

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("hub.smart_energy.premises.asyncio.sleep", sleep)
    works: list[Coroutine[None, None, None]] = []
    client.ours._spawn = lambda work, _label: works.append(work)
    client.hear(event())
    for work in works:
        await work
    assert waits == [0.0, 2.5]  # received, then started

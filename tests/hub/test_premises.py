"""Our clients of Smart Energy without a network: what is taken and answered, and what is kept."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace

import pytest

from hub.errors import NotFoundError
from hub.smart_energy import kept_client
from hub.smart_energy.peer import Peer
from hub.smart_energy.premises import EnergyClient
from hub.zigbee.servers.base import Answer
from protocols.aps import ApsFrame
from protocols.ids import Eui64
from protocols.se import drlc, messaging, price
from protocols.se.base import SeCommand, SeVersion
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

    def __init__(self, now: int = NOW, version: SeVersion = SeVersion.V1_0) -> None:
        self.now = now
        self.changes: list[tuple[str, int, str]] = []
        self.ours = EnergyClient("han", lambda: self.now, self._spawn, self._changed, lambda most: most // 2, version)
        self._hosted = {server.cluster: server for server in self.ours.hosted(CLUSTERS)}
        self.spawned: list[str] = []

    def _spawn(self, work: Coroutine[None, None, None], label: str) -> None:
        work.close()
        self.spawned.append(label)

    def _changed(self, radio: str, kind: str, number: int, what: str) -> None:
        assert radio == "han"
        self.changes.append((kind, number, what))

    def general(self, cluster: int, command: int, payload: bytes) -> bytes:
        """A general command's answer, from its first byte."""
        header = ZclHeader(FrameType.GENERAL, Direction.TO_CLIENT, 7, command)
        return self._hosted[cluster].general(header, payload, 80, 0.0).responses[0].payload

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
    client.hear(event(3, device_class=DeviceClass.IRRIGATION_PUMP))
    client.hear(drlc.CancelLoadControlEvent(issuer_event_id=3, device_class=DeviceClass.IRRIGATION_PUMP))
    other = Client()
    for kind, part in client.ours.kept.items():
        kept_client.restore(other.ours.kept[kind], kept_client.to_text(part))
    assert other.ours.drlc.events == client.ours.drlc.events
    assert list(other.ours.drlc.past) == [3]
    assert other.ours.drlc.past == client.ours.drlc.past
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


def test_an_interface_reads_and_writes_what_the_load_control_client_is() -> None:
    client = Client()
    read = b"\0\0\1\0\2\0\3\0"
    before = bytes.fromhex("0000 00 20 00  0100 00 20 1e  0200 00 20 1e  0300 00 21 ff0f")
    assert client.general(drlc.CLUSTER, 0x00, read) == before
    written = bytes.fromhex("0000 20 05  0100 20 00  0300 21 0004")
    assert client.general(drlc.CLUSTER, 0x02, written) == b"\0"
    assert client.changes == [("drlc", 0, "settings")] * 3
    after = bytes.fromhex("0000 00 20 05  0100 00 20 00  0200 00 20 1e  0300 00 21 0004")
    assert client.general(drlc.CLUSTER, 0x00, read) == after
    too_much = bytes.fromhex("0200 20 3d")
    assert client.general(drlc.CLUSTER, 0x02, too_much) == bytes((Status.INVALID_VALUE, 2, 0))
    # From now on only electric vehicles of group 5 are meant, and their starts are not drawn.
    assert client.hear(event(1, device_class=DeviceClass.HVAC)) == Answer()
    assert client.hear(event(2, utility_enrollment_group=6)) == Answer()
    assert client.hear(event(3, utility_enrollment_group=5, event_control=EventControl.RANDOMIZE_START)).silent
    assert (list(client.ours.drlc.events), client.ours.drlc.events[3].start_delay_s) == ([3], 0)
    other = Client()
    kept_client.restore(other.ours.drlc, kept_client.to_text(client.ours.drlc))
    assert other.ours.drlc.policy == client.ours.drlc.policy


def test_prices_are_asked_for_once_a_day_when_none_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    client, asked = Client(), []
    monkeypatch.setattr(client.ours, "ask", lambda clusters: asked.append((client.now, clusters)))
    client.ours.due()
    client.now += 80_000
    client.hear(replace(PRICE, start_time=client.now))
    client.now += 86_399
    client.ours.due()
    assert asked == []
    client.now += 1
    client.ours.due()
    client.ours.due()
    assert asked == [(client.now, (price.CLUSTER,))]
    client.now += 86_400
    client.ours.due()
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("version", "transmission", "status"),
    [
        (SeVersion.V1_0, 2, Status.SUCCESS),
        (SeVersion.V1_2, 0, Status.SUCCESS),
        (SeVersion.V1_2, 1, Status.SUCCESS),
        (SeVersion.V1_2, 2, Status.INVALID_FIELD),
        (SeVersion.V1_2, 3, Status.SUCCESS),
    ],
)
def test_a_message_for_inter_pan_alone_is_refused_from_se_1_2_on(
    version: SeVersion, transmission: int, status: Status
) -> None:
    client = Client(version=version)
    assert client.hear(replace(MESSAGE, control=transmission)).status is status
    assert bool(client.ours.messages.messages) is (status is Status.SUCCESS)


def test_what_is_for_others_is_taken_note_of_without_a_report() -> None:
    client = Client()
    client.ours.drlc.policy = replace(client.ours.drlc.policy, device_class=DeviceClass.POOL_PUMP)
    assert client.hear(event()) == Answer(Status.SUCCESS)
    assert client.spawned == client.changes == []
    client.ours.drlc.policy = replace(client.ours.drlc.policy, device_class=DeviceClass.EV, utility_enrollment_group=3)
    assert client.hear(event(utility_enrollment_group=4)) == Answer(Status.SUCCESS)
    assert client.spawned == client.changes == []
    assert client.hear(event(utility_enrollment_group=3)).silent
    assert set(client.spawned) == {f"report of event 1 to {Peer(SERVER, 0x0A)}"}


def heard_by(client: Client) -> list[tuple[SeCommand, Status]]:
    found: list[tuple[SeCommand, Status]] = []
    client.ours.commands.add(lambda heard: found.append((heard.command, heard.status)))
    return found


CANCEL = drlc.CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.EV)


@pytest.mark.parametrize(
    ("commands", "statuses"),
    [
        ([event(), event()], [Status.SUCCESS, Status.DUPLICATE_EXISTS]),
        ([event(criticality=Criticality(0))], [Status.INVALID_FIELD]),
        ([event(start_time=NOW - 3600)], [Status.INVALID_FIELD]),
        ([event(device_class=DeviceClass(0))], [Status.SUCCESS]),  # it is not for us, and says so to nobody
        ([CANCEL, event(), CANCEL], [Status.NOT_FOUND, Status.SUCCESS, Status.SUCCESS]),
        ([event(), replace(CANCEL, effective_time=NOW + 9999)], [Status.SUCCESS, Status.INVALID_FIELD]),
        ([event(device_class=DeviceClass.HVAC), CANCEL], [Status.SUCCESS, Status.INVALID_FIELD]),
        ([drlc.CancelAllLoadControlEvents(drlc.AT_ONCE)], [Status.SUCCESS]),
        ([PRICE, PRICE], [Status.SUCCESS, Status.DUPLICATE_EXISTS]),
        ([replace(PRICE, start_time=NOW - 3600)], [Status.FAILURE]),
        ([MESSAGE, MESSAGE], [Status.SUCCESS, Status.DUPLICATE_EXISTS]),
        ([messaging.CancelMessage(message_id=9)], [Status.NOT_FOUND]),
    ],
)  # fmt: skip
def test_whoever_listens_hears_each_command_and_what_became_of_it(
    commands: list[SeCommand], statuses: list[Status]
) -> None:
    client = Client()
    found = heard_by(client)
    for command in commands:
        client.hear(command)
    assert [status for _, status in found] == statuses
    assert [type(command) for command, _ in found] == [type(command) for command in commands]


def test_a_command_is_told_before_what_changes_by_it_and_by_nobody_who_has_left() -> None:
    client, order = Client(), list[str]()
    leave = client.ours.commands.add(lambda heard: order.append(f"{heard.radio} {heard.sender}"))
    client.ours._changed = lambda *change: order.append(str(change[3]))
    client.hear(MESSAGE)
    assert order == [f"han {SERVER}/10", "shown"]
    leave()
    client.hear(MESSAGE)
    assert order == [f"han {SERVER}/10", "shown"]


def test_a_listener_that_fails_costs_the_device_nothing(caplog: pytest.LogCaptureFixture) -> None:
    client, found = Client(), list[Status]()

    def fails(_: object) -> None:
        raise RuntimeError("a fault")

    client.ours.commands.add(fails)
    client.ours.commands.add(lambda heard: found.append(heard.status))
    assert client.hear(event()).silent
    assert found == [Status.SUCCESS]
    assert "a LoadControlEvent of" in caplog.text


def test_what_is_forgotten_is_reported_to_nobody_and_comes_again() -> None:
    client = Client()
    for command in (event(), event(2, start_time=NOW + 60), MESSAGE, PRICE):
        client.hear(command)
    client.ours.due()
    client.spawned.clear()
    for kind in ("drlc", "price", "message"):
        client.ours.clear(kind)
        assert client.changes[-1] == (kind, 0, "cleared")
    client.now += 7200
    client.ours.due()
    assert client.spawned == []
    assert client.changes[-1] == ("price", 0, "none")
    assert not client.ours.drlc.events
    assert not client.ours.drlc.past
    assert not client.ours.messages.messages
    assert client.hear(event()).silent
    assert list(client.ours.drlc.events) == [1]


def test_that_no_price_holds_any_more_is_told() -> None:
    client = Client()
    client.hear(PRICE)
    client.ours.due()
    client.now += 3600
    client.ours.due()
    client.ours.due()
    assert [what for _, _, what in client.changes] == ["received", "active", "none"]


def test_a_message_that_was_taken_off_the_display_stands_there_until_that_is_confirmed() -> None:
    client = Client()
    messages = client.ours.messages
    control = MessageControl.CONFIRMATION | 0x0C
    cancel = messaging.CancelMessage(message_id=9, control=int(control))
    client.hear(MESSAGE)
    assert [one.number for one in messages.on_display] == [9]
    client.hear(cancel)
    other = Client()
    kept_client.restore(other.ours.messages, kept_client.to_text(messages))
    for one in (client, other):
        assert [(known.number, known.cancel_control) for known in one.ours.messages.on_display] == [(9, 0x8C)]
    client.ours.confirm(9, NOW - 5)
    assert messages.messages[9].confirmed_at == NOW - 5
    assert messages.on_display == []
    # One that was not shown yet leaves nothing on the display.
    client.hear(replace(MESSAGE, message_id=10, start_time=NOW + 60))
    client.hear(replace(cancel, message_id=10))
    assert messages.on_display == []
    # Nor does one whose cancel nobody is to confirm, although it was to be confirmed itself.
    client.hear(replace(MESSAGE, message_id=11))
    client.hear(messaging.CancelMessage(message_id=11))
    assert messages.on_display == []

"""tshark decodes all that we can say: every Smart Energy command, the general ones of the ZCL, the device object's.

Frames go through `radios.trace`, as in a running hub. tshark is the judge but where it is wrong itself: `FAULTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_se import EVENT, PRICE
from test_se import GOLDEN as SMART_ENERGY
from test_zcl_general import GOLDEN as GENERAL
from test_zdo import GOLDEN as DEVICE_OBJECT

from protocols.aps import ApsFrame, Delivery
from protocols.errors import CodecError
from protocols.ids import Profile
from protocols.se import drlc, key_establishment, messaging, metering, prepayment, tariff, tunneling
from protocols.se.base import SeCommand, SeVersion
from protocols.se.key_establishment import Suite
from protocols.zcl.header import Direction, FrameType, ZclHeader
from protocols.zdo import encode_zdo
from radios.trace import Trace
from tests.analyser import Packet, decode, needs_tshark

pytestmark = needs_tshark

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAN, OWN, THERE = 0x4321, 0x0000, 0x1A2B
EVERY = sorted(
    {
        kind
        for module in (drlc, key_establishment, messaging, metering, prepayment, tariff, tunneling)
        for kind in module.COMMANDS.known.values()
    },
    key=lambda kind: (kind.CLUSTER, kind.TO_SERVER, kind.COMMAND),
)
LONGEST = 90
"""Bytes of a sample: lists and texts of several items, in one packet of the air."""
BYTES: dict[str, Callable[[int], int]] = {
    "zeros": lambda place: 0x00,
    "ones": lambda place: 0x01,
    "all bits": lambda place: 0xFF,
    "steps": lambda place: (7 * place + 1) & 0x1F,
    "high": lambda place: 0x80 | (place & 0x0F),
}
"""What samples are made of: the least, the greatest, unused and invalid values, short and long lists."""
HEADERS = 28
"""Before the payload of ZCL: MAC 9, network 8, APS 8, ZCL 3."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What tshark 4.0 gets wrong of some commands."""

    kinds: tuple[type[SeCommand], ...]
    reason: str
    """What the standard says, and what tshark does."""
    first: int = LONGEST
    """From this byte of the payload on it may leave some."""
    gives_up: bool = False
    """It calls what has no such fields malformed."""
    without: str = ""
    """Only of commands that have not got this field."""

    def excuses(self, command: SeCommand, packet: Packet) -> bool:
        """Whether this is what is wrong."""
        if not isinstance(command, self.kinds) or (self.without and getattr(command, self.without) is not None):
            return False
        left = all(place - HEADERS >= self.first for place in packet.left)
        return left and (self.gives_up or not packet.malformed)


FAULTS = (
    Fault(
        (metering.ScheduleSnapshot,),
        "SE 1.2, D.3: any number of schedules of 13 bytes follow; it reads the first and leaves the others",
        first=6 + 13,
    ),
    Fault(
        (metering.MirrorReportAttributeResponse,),
        "SE 1.2, D.3: any number of flags of 4 bytes follow; it reads the first and leaves the others",
        first=1 + 4,
    ),
    Fault(
        (prepayment.SelectAvailableEmergencyCredit,),
        "the draft of SE 1.1 has two names behind it, which it does not know",
        first=4 + 1,
    ),
    Fault(
        (prepayment.ChangeDebt,),
        "SE 1.2, D.7: the percentage at the end has two bytes, 0.01 %; it reads one (a label may be before it)",
        first=4 + 1 + 4 + 1 + 1 + 4 + 2 + 1 + 4 + 1,
    ),
    Fault(
        (tunneling.TransferDataToServer, tunneling.TransferDataToClient),
        "what goes through a tunnel is the tunnel's own protocol; it takes some bytes for that of British meters",
        first=2,
    ),
    Fault(
        (tunneling.RequestTunnel, tunneling.RequestTunnelResponse),
        "1.0 and 1.1 end before the longest transfer; it knows 1.2 alone, and misses two bytes",
        gives_up=True,
        without="max_incoming_transfer",
    ),
    Fault(
        (tariff.PublishBlockPeriod,),
        "SE 1.1 ends before the type of the tariff; it knows 1.2 alone, and misses two bytes",
        gives_up=True,
        without="tariff_type",
    ),
)
"""Values that it shows wrongly without leaving a byte are not asked for: a load adjustment of -10 % as "Not Used", the
end of fast polling in another epoch, the bits of a confirmation."""
FAULTS_OF_OBJECTS = {
    "NwkAddressResponse DEVICE_NOT_FOUND": "as some devices answer: without addresses; read here, and never sent",
    "MgmtLqiResponse NOT_SUPPORTED": "a status alone, as devices answer that have no table; it wants the table",
    "MgmtBindResponse SUCCESS": "the mode of a group's address is read into no field of its own",
}
FAULTS_OF_GENERAL = {"DiscoverAttributesResponse": "whether discovery is complete is read into no field of its own"}


def samples(kind: type[SeCommand]) -> Iterator[SeCommand]:
    """A command with all kinds of values, the longest of each."""
    if issubclass(kind, key_establishment.InitiateKeyEstablishmentRequest):
        for suite, size in ((Suite.SECT163K1, 48), (Suite.SECT283K1, 74)):
            yield kind(suite, 5, 10, bytes(range(size)))
        return
    for byte in BYTES.values():
        for size in range(LONGEST, -1, -1):
            wire = bytes(byte(place) for place in range(size))
            try:
                found = kind.decode(wire)
                if found.encode() == wire:
                    yield found
                    break
            except CodecError:
                continue


def said(command: SeCommand, tsn: int) -> ApsFrame:
    """A command in its frame."""
    direction = Direction.TO_SERVER if command.TO_SERVER else Direction.TO_CLIENT
    header = ZclHeader(FrameType.CLUSTER, direction, tsn & 0xFF, command.COMMAND, True)
    return ApsFrame(
        profile=Profile.SMART_ENERGY, cluster=command.CLUSTER, source_endpoint=0x5E, destination_endpoint=0x0A,
        destination=THERE, payload=header.encode() + command.encode(),
    )  # fmt: skip


def judged(frames: list[ApsFrame], folder: Path) -> list[Packet]:
    """What tshark makes of frames that we send."""
    path = folder / "han.pcap"
    with Trace(path, lambda: NOW, is_zigbee=True) as trace:
        for frame in frames:
            trace.aps("tx", frame, OWN, PAN)
    found = decode(path)
    assert len(found) == len(frames)
    return found


def test_every_smart_energy_command_of_every_revision_is_decoded_to_its_last_byte(tmp_path: Path) -> None:
    commands: list[SeCommand] = [command for command, _ in SMART_ENERGY]
    for kind in EVERY:
        for sample in samples(kind):
            commands += {sample.cut(version): None for version in SeVersion}
    assert {type(command) for command in commands} >= set(EVERY)
    packets = judged([said(command, number) for number, command in enumerate(commands)], tmp_path)
    wrong, seen = [], set()
    for number, (command, packet) in enumerate(zip(commands, packets, strict=True)):
        about = f"{command!r}: {packet.layers}, {packet.malformed}"
        assert packet.layers[:4] == ("wpan", "zbee_nwk", "zbee_aps", "zbee_zcl"), about
        assert packet.command == (command.COMMAND, command.TO_SERVER), about
        assert int(packet.values["zbee_aps.cluster"], 0) == command.CLUSTER, about
        assert int(packet.values["zbee_zcl.cmd.tsn"], 0) == number & 0xFF
        if packet.malformed or packet.left:
            fault = next((one for one in FAULTS if one.excuses(command, packet)), None)
            seen.add(fault)
            if fault is None:
                wrong.append(f"{about}: bytes {[place - HEADERS for place in packet.left]} are left")
    assert wrong == []
    assert seen == set(FAULTS), "a fault that it has no more is none to allow for"


def test_a_judge_who_sees_everything_as_right_would_be_none(tmp_path: Path) -> None:
    frame = said(EVENT, 1)
    cut = ApsFrame(
        profile=frame.profile, cluster=frame.cluster, source_endpoint=1, destination_endpoint=1, destination=1,
        payload=frame.payload[:-3],
    )  # fmt: skip
    longer = ApsFrame(
        profile=frame.profile, cluster=frame.cluster, source_endpoint=1, destination_endpoint=1, destination=1,
        payload=frame.payload + b"\x11\x22",
    )  # fmt: skip
    fine, short, more = judged([frame, cut, longer], tmp_path)
    assert (fine.malformed, fine.left) == ((), ())
    assert short.malformed
    assert more.left == tuple(HEADERS + len(frame.payload) - 3 + place for place in (0, 1))


def test_values_are_what_we_meant(tmp_path: Path) -> None:
    event = replace(EVENT, start_time=86_400, cooling_set_point=2600, heating_set_point=-150, duty_cycle=50)
    report = drlc.ReportEventStatus(
        issuer_event_id=7, status=drlc.EventStatus.OPTED_OUT, status_time=86_400,
        criticality_applied=drlc.Criticality.LEVEL_3, load_adjustment_applied=-20,
    )  # fmt: skip
    shown = messaging.DisplayMessage(message_id=9, control=0x84, duration_min=90, message="Off at 6")
    drlc_event, price, message, reported = judged([said(one, 1) for one in (event, PRICE, shown, report)], tmp_path)
    expected: list[tuple[Packet, str, dict[str, int | str]]] = [
        (
            drlc_event,
            "drlc",
            {
                "issuer_id": 0x1234, "device_class": 0x0FFF, "start_time": 86_400,
                "duration_in_minutes": 60, "criticality_level": 1, "cooling_temperature_set_point": 2600,
                "heating_temperature_set_point": -150, "duty_cycle": 50, "randomize_start_time": 1,
            },
        ),
        (
            price,
            "price",
            {
                "provider_id": PRICE.provider_id, "rate_label": "peak", "currency": 978, "tier": 2, "trailing_digit": 4,
                "duration_in_minutes": 60, "price": 123456, "generation_price.ratio": 0xFF,
            },
        ),
        (
            message,
            "msg",
            {
                "message.id": 9, "message": "Off at 6", "message.ctrl.importance": 1, "message.ctrl.confirm": 1,
                "message.duration": 90,
            },
        ),
        (
            reported,
            "drlc",
            {
                "report_event.issuer_id": 7, "report_event.event_status": 4,
                "report_event.criticality_level_applied": 4,
                "report_event.average_load_adjustment_percentage_applied": -20,
            },
        ),
    ]  # fmt: skip
    for packet, cluster, values in expected:
        for name, value in values.items():
            told = packet.values[f"zbee_zcl_se.{cluster}.{name}"]
            assert (int(told, 0) if isinstance(value, int) else told) == value, name


def test_general_commands_are_decoded_to_their_last_byte(tmp_path: Path) -> None:
    frames = [
        ApsFrame(
            profile=Profile.HOME_AUTOMATION, cluster=0xFC00, source_endpoint=1, destination_endpoint=1,
            destination=THERE,
            payload=ZclHeader(FrameType.GENERAL, Direction.TO_SERVER, 7, command.COMMAND).encode() + command.encode(),
        )
        for _, command, _ in GENERAL
    ]  # fmt: skip
    for (_, command, _), packet in zip(GENERAL, judged(frames, tmp_path), strict=True):
        if type(command).__name__ not in FAULTS_OF_GENERAL:
            assert (packet.malformed, packet.left) == ((), ()), f"{command!r}"
        assert int(packet.values["zbee_zcl.cmd.id"], 0) == command.COMMAND


def test_device_object_commands_are_decoded_to_their_last_byte(tmp_path: Path) -> None:
    frames = [
        ApsFrame(
            profile=Profile.ZDO, cluster=command.CLUSTER, source_endpoint=0, destination_endpoint=0, destination=THERE,
            payload=encode_zdo(9, command),
        )
        for _, command in DEVICE_OBJECT
    ]  # fmt: skip
    for (_, command), packet in zip(DEVICE_OBJECT, judged(frames, tmp_path), strict=True):
        status = getattr(command, "status", None)
        if f"{type(command).__name__} {status.name if status is not None else ''}" not in FAULTS_OF_OBJECTS:
            assert (packet.malformed, packet.left) == ((), ()), f"{command!r}"
        assert "zbee_zdp" in packet.layers


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {"zbee_nwk.dst": "0x1a2b", "zbee_nwk.src": "0x0000", "zbee_aps.delivery": "0x00", "zbee_aps.dst": "10"}),
        ({"destination": 0xFFFD, "ack": False}, {"wpan.dst16": "0xffff", "zbee_nwk.dst": "0xfffd"}),
        (
            {"destination": 0x0003, "delivery": Delivery.GROUP},
            {"zbee_nwk.dst": "0xfffd", "zbee_aps.group": "0x0003", "zbee_aps.delivery": "0x03"},
        ),
        ({"radius": 3, "counter": 77}, {"zbee_nwk.radius": "3", "zbee_aps.counter": "77", "zbee_aps.ack_req": "1"}),
    ],
)
def test_addresses_are_in_their_places(tmp_path: Path, changed: dict[str, object], expected: dict[str, str]) -> None:
    fields: dict[str, object] = {
        "profile": 0x0109, "cluster": 0x0701, "source_endpoint": 0x5E, "destination_endpoint": 10,
        "destination": THERE, "payload": said(EVENT, 1).payload, **changed,
    }  # fmt: skip
    [packet] = judged([ApsFrame(**fields)], tmp_path)  # type: ignore[arg-type]
    assert {name: packet.values[name] for name in expected} == expected
    assert (packet.malformed, packet.left) == ((), ())

"""What happens in Zigbee networks, as the websocket tells it; a part of web/schema.py, whose rules hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hub import events
from hub.zigbee import model
from web.schema_base import Count, EventMessage, time
from web.schema_zigbee import Network, PlacedAttribute, Topology, attributes, hex16, network, topology


class NetworkChangedMessage(EventMessage, frozen=True, tag="network_changed", kw_only=True):
    """A network came up, went down, opened or closed for joining, or moved; it replaces what was known."""

    network: Network


class DeviceAnnouncedMessage(EventMessage, frozen=True, tag="device_announced", kw_only=True):
    """A device said that it is there. Not `accepted`: the network takes only devices that were added by hand."""

    radio: str
    device_id: str
    short: str
    is_new: bool
    accepted: bool


class DeviceAuthenticatedMessage(EventMessage, frozen=True, tag="device_authenticated", kw_only=True):
    """Keys are established with a device."""

    radio: str
    device_id: str


class SmartEnergyChangedMessage(EventMessage, frozen=True, tag="smart_energy_changed", kw_only=True):
    """A demand response event (`drlc`), a price or a message is not what it was; `id` is its number."""

    radio: str
    kind: str
    id: int
    what: str


class InterviewProgressMessage(EventMessage, frozen=True, tag="interview_progress", kw_only=True):
    """A step of a device's interview: `done` of the `total` questions that are known so far."""

    radio: str
    device_id: str
    step: model.InterviewStep
    state: model.StepState
    done: Count
    total: Count
    detail: str


class AttributesReportedMessage(EventMessage, frozen=True, tag="attributes_reported", kw_only=True):
    """A device told attributes: by report, or in answer to a read (`source`)."""

    device_id: str
    attributes: list[PlacedAttribute]


class GestureMadeMessage(EventMessage, frozen=True, tag="gesture_made", kw_only=True):
    """A person did something with a remote; `value`: degrees of a rotation, the side of a cube, percent of a step."""

    device_id: str
    gesture: str
    value: float | None


class DeviceLeftMessage(EventMessage, frozen=True, tag="device_left", kw_only=True):
    """A device left its network; it is kept until a person removes it."""

    radio: str
    device_id: str
    rejoin: bool


class TopologyScannedMessage(EventMessage, frozen=True, tag="topology_scanned", kw_only=True):
    """A scan of who hears whom went on, or ended (`finished`)."""

    topology: Topology


class IdentifyRequestedMessage(EventMessage, frozen=True, tag="identify_requested", kw_only=True):
    """Somebody on the air asks the hub to show itself for `duration_s`; 0: stop."""

    radio: str
    endpoint: int
    duration_s: Count


ZigbeeMessage = (
    NetworkChangedMessage
    | DeviceAnnouncedMessage
    | DeviceAuthenticatedMessage
    | SmartEnergyChangedMessage
    | InterviewProgressMessage
    | AttributesReportedMessage
    | GestureMadeMessage
    | DeviceLeftMessage
    | TopologyScannedMessage
    | IdentifyRequestedMessage
)


def _network_changed(event: events.NetworkChanged, seq: int) -> ZigbeeMessage:
    return NetworkChangedMessage(seq=seq, time=time(event.time), network=network(event.network, event.time))


def _device_announced(event: events.DeviceAnnounced, seq: int) -> ZigbeeMessage:
    return DeviceAnnouncedMessage(
        seq=seq,
        time=time(event.time),
        radio=event.radio,
        device_id=event.device_id,
        short=hex16(event.short),
        is_new=event.is_new,
        accepted=event.accepted,
    )


def _device_authenticated(event: events.DeviceAuthenticated, seq: int) -> ZigbeeMessage:
    return DeviceAuthenticatedMessage(seq=seq, time=time(event.time), radio=event.radio, device_id=event.device_id)


def _smart_energy_changed(event: events.SmartEnergyChanged, seq: int) -> ZigbeeMessage:
    return SmartEnergyChangedMessage(
        seq=seq, time=time(event.time), radio=event.radio, kind=event.kind, id=event.number, what=event.what
    )


def _interview_progress(event: events.InterviewProgress, seq: int) -> ZigbeeMessage:
    return InterviewProgressMessage(
        seq=seq,
        time=time(event.time),
        radio=event.radio,
        device_id=event.device_id,
        step=event.step,
        state=event.state,
        done=event.done,
        total=event.total,
        detail=event.detail,
    )


def _attributes_reported(event: events.AttributesReported, seq: int) -> ZigbeeMessage:
    return AttributesReportedMessage(
        seq=seq, time=time(event.time), device_id=event.device_id, attributes=attributes(event.attributes)
    )


def _gesture_made(event: events.GestureMade, seq: int) -> ZigbeeMessage:
    return GestureMadeMessage(
        seq=seq, time=time(event.time), device_id=event.device_id, gesture=event.gesture, value=event.value
    )


def _device_left(event: events.DeviceLeft, seq: int) -> ZigbeeMessage:
    return DeviceLeftMessage(
        seq=seq, time=time(event.time), radio=event.radio, device_id=event.device_id, rejoin=event.rejoin
    )


def _topology_scanned(event: events.TopologyScanned, seq: int) -> ZigbeeMessage:
    return TopologyScannedMessage(seq=seq, time=time(event.time), topology=topology(event.topology))


def _identify_requested(event: events.IdentifyRequested, seq: int) -> ZigbeeMessage:
    return IdentifyRequestedMessage(
        seq=seq, time=time(event.time), radio=event.radio, endpoint=event.endpoint, duration_s=event.duration_s
    )


MAKERS: Mapping[type[events.HubEvent], Callable[..., ZigbeeMessage]] = {
    events.NetworkChanged: _network_changed,
    events.DeviceAnnounced: _device_announced,
    events.DeviceAuthenticated: _device_authenticated,
    events.SmartEnergyChanged: _smart_energy_changed,
    events.InterviewProgress: _interview_progress,
    events.AttributesReported: _attributes_reported,
    events.GestureMade: _gesture_made,
    events.DeviceLeft: _device_left,
    events.TopologyScanned: _topology_scanned,
    events.IdentifyRequested: _identify_requested,
}
"""How each Zigbee event is told; each takes the event and its number."""

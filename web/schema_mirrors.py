"""Mirrors of sleepy meters in JSON, and what the websocket says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from hub import events
from hub.smart_energy import mirror as model
from web.schema_base import Count, EventMessage, Time, time, time_or_none


class Mirror(Struct, frozen=True, kw_only=True):
    """A meter (`device_id`, `device_endpoint`) and the `endpoint` of ours that keeps its values.

    `meter`: electric, gas, water ... ; empty while the meter has not said so. `heard_at`: when it told something last.
    """

    radio: str
    endpoint: int
    device_id: str
    device_endpoint: int
    meter: str
    attributes: Count
    heard_at: Time | None


class MirrorList(Struct, frozen=True, kw_only=True):
    """The mirrors of a network; `room`: how many more there can be."""

    mirrors: list[Mirror]
    room: Count


class MirrorChangedMessage(EventMessage, frozen=True, tag="mirror_changed", kw_only=True):
    """A meter is mirrored (`made`), or is no more (`removed`)."""

    radio: str
    endpoint: int
    device_id: str
    what: str


def mirror(found: model.Mirror) -> Mirror:
    """A mirror as interfaces see it."""
    return Mirror(
        radio=found.radio,
        endpoint=found.endpoint,
        device_id=found.device_id,
        device_endpoint=found.device_endpoint,
        meter=found.meter,
        attributes=found.attributes,
        heard_at=time_or_none(found.heard_at),
    )


def _changed(event: events.MirrorChanged, seq: int) -> MirrorChangedMessage:
    return MirrorChangedMessage(
        seq=seq,
        time=time(event.time),
        radio=event.radio,
        endpoint=event.endpoint,
        device_id=event.device_id,
        what=event.what,
    )


MAKERS: Mapping[type[events.HubEvent], Callable[..., MirrorChangedMessage]] = {events.MirrorChanged: _changed}
"""How each event is told; each takes the event and its number."""

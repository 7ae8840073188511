"""Events, prices and messages as rows of the database, and back. What cannot be read back is a `ValueError`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from hub.smart_energy.drlc_server import ServerEvent, Told
from hub.smart_energy.messages import ServerMessage
from hub.smart_energy.peer import Peer, peer_from
from hub.smart_energy.price_server import ServerPrice
from hub.smart_energy.signatures import Signature
from hub.store import Statement
from protocols.errors import CodecError
from protocols.se.drlc import DeviceClass, EventStatus, LoadControlEvent
from protocols.se.messaging import DisplayMessage
from protocols.se.price import PublishPrice

DRLC, PRICE, MESSAGE = "drlc", "price", "message"
"""Kinds of items."""
TARIFF = "tariff"
"""Kind of the row with the tariff of a network."""

Item = ServerEvent | ServerPrice | ServerMessage
T = TypeVar("T")
_State = Mapping[str, Any]


def to_text(item: Item) -> str:
    """The state of an item."""
    match item:
        case ServerEvent():
            state: dict[str, object] = {
                "wire": item.event.encode().hex(),
                "start": item.start,
                "classes": int(item.classes),
                "groups": [[group, int(classes)] for group, classes in item.groups.items()],
                "cancelled": item.cancelled,
                "superseded_by": item.superseded_by,
                "taken": int(item.taken),
                "narrowed": sorted(map(str, item.narrowed)),
                "told": {
                    str(peer): [[told.status, told.time, told.received, told.signature] for told in rows]
                    for peer, rows in item.told.items()
                },
            }
        case ServerPrice():
            state = {
                "wire": item.price.encode().hex(),
                "start": item.start,
                "end": item.end,
                "is_told": item.is_told,
                "acknowledged": {str(peer): time for peer, time in item.acknowledged.items()},
            }
        case ServerMessage():
            state = {
                "wire": item.message.encode().hex(),
                "start": item.start,
                "end": item.end,
                "cancelled": item.cancelled,
                "cancel_wants_confirmation": item.cancel_wants_confirmation,
                "confirmed": {str(peer): time for peer, time in item.confirmed.items()},
                "withdrawn": sorted(map(str, item.withdrawn)),
            }
    state["delivered"] = sorted(map(str, item.delivered))
    return json.dumps(state)


def event_from(text: str) -> ServerEvent:
    """A load control event as it was."""

    def made(state: _State) -> ServerEvent:
        return ServerEvent(
            event=LoadControlEvent.decode(bytes.fromhex(state["wire"])),
            start=int(state["start"]),
            classes=DeviceClass(state["classes"]),
            groups={int(group): DeviceClass(classes) for group, classes in state.get("groups", ())},
            cancelled=bool(state["cancelled"]),
            superseded_by=state["superseded_by"],
            taken=DeviceClass(state.get("taken", 0)),
            delivered=_peers(state),
            narrowed={peer_from(text) for text in state.get("narrowed", state["delivered"])},
            told={
                peer_from(peer): [
                    Told(EventStatus(status), int(time), int(received), *map(Signature, signature))
                    for status, time, received, *signature in rows  # before 0.2 without the last
                ]
                for peer, rows in state["told"].items()
            },
        )

    return _read(text, made)


def price_from(text: str) -> ServerPrice:
    """A price as it was."""

    def made(state: _State) -> ServerPrice:
        return ServerPrice(
            price=PublishPrice.decode(bytes.fromhex(state["wire"])),
            start=int(state["start"]),
            end=None if state["end"] is None else int(state["end"]),
            delivered=_peers(state),
            acknowledged=_times(state["acknowledged"]),
            is_told=bool(state["is_told"]),
        )

    return _read(text, made)


def message_from(text: str) -> ServerMessage:
    """A message as it was."""

    def made(state: _State) -> ServerMessage:
        return ServerMessage(
            message=DisplayMessage.decode(bytes.fromhex(state["wire"])),
            start=int(state["start"]),
            end=None if state["end"] is None else int(state["end"]),
            cancelled=bool(state["cancelled"]),
            cancel_wants_confirmation=bool(state["cancel_wants_confirmation"]),
            delivered=_peers(state),
            confirmed=_times(state["confirmed"]),
            withdrawn=_peers(state, "withdrawn"),
        )

    return _read(text, made)


def kind_of(item: Item) -> str:
    """Which kind an item is of."""
    return DRLC if isinstance(item, ServerEvent) else PRICE if isinstance(item, ServerPrice) else MESSAGE


def row(radio: str, kind: str, number: int, state: str) -> Statement:
    """Keep a state in place of the one before."""
    return "INSERT OR REPLACE INTO se_item (radio, kind, id, state) VALUES (?, ?, ?, ?)", [(radio, kind, number, state)]


def gone(radio: str, kind: str, numbers: Iterable[int]) -> Statement:
    """Forget items."""
    return "DELETE FROM se_item WHERE radio = ? AND kind = ? AND id = ?", [(radio, kind, one) for one in numbers]


def _read(text: str, made: Callable[[_State], T]) -> T:
    try:
        return made(json.loads(text))
    except (KeyError, TypeError, CodecError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _peers(state: _State, name: str = "delivered") -> set[Peer]:
    return {peer_from(text) for text in state.get(name, ())}


def _times(found: Mapping[str, int]) -> dict[Peer, int]:
    return {peer_from(text): int(time) for text, time in found.items()}

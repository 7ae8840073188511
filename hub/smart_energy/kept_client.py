"""What servers have told us, as rows of the database, and back. What cannot be read back is a `ValueError`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hub.smart_energy.client_clusters import POLICY_ATTRIBUTES
from hub.smart_energy.drlc_client import ClientEvent, DrlcClient, Report, State
from hub.smart_energy.messages import ClientMessage, MessageClient, Shown
from hub.smart_energy.peer import Peer, peer_from
from hub.smart_energy.price_client import ClientPrice, PriceClient
from protocols.errors import CodecError
from protocols.se.drlc import CancelControl, DeviceClass, EventStatus, LoadControlEvent, ReportEventStatus
from protocols.se.messaging import DisplayMessage
from protocols.se.price import PublishPrice

Client = DrlcClient | PriceClient | MessageClient
_State = Mapping[str, Any]


def to_text(client: Client) -> str:
    """All that a client has."""
    match client:
        case DrlcClient():
            state: dict[str, object] = {
                "events": [_event(one) for one in client.events.values()],
                "past": [_event(one) for one in client.past.values()],
                "unheard": [[str(one.issuer), one.status.encode().hex()] for one in client.unheard],
                "policy": {name: int(getattr(client.policy, name)) for name in POLICY_ATTRIBUTES.values()},
            }
        case PriceClient():
            state = {"prices": [_price(one) for one in client.prices.values()]}
        case MessageClient():
            state = {
                "messages": [_message(one) for one in client.messages.values()],
                "cancel_all_at": client.cancel_all_at,
            }
    return json.dumps(state)


def restore(client: Client, text: str) -> None:
    """Give a client what it had."""
    try:
        state: _State = json.loads(text)
        match client:
            case DrlcClient():
                events = [_event_from(row) for row in state["events"]]
                client.load(events, [_event_from(row) for row in state.get("past", ())])
                client.unheard = [
                    Report(peer_from(issuer), ReportEventStatus.decode(bytes.fromhex(wire)))
                    for issuer, wire in state.get("unheard", ())
                ]
                policy = state.get("policy", {})  # rows of before have none of these
                for name in POLICY_ATTRIBUTES.values() & policy.keys():
                    setattr(client.policy, name, (DeviceClass if name == "device_class" else int)(policy[name]))
            case PriceClient():
                client.load([_price_from(row) for row in state["prices"]])
            case MessageClient():
                client.load([_message_from(row) for row in state["messages"]])
                client.cancel_all_at = state["cancel_all_at"]
    except (KeyError, TypeError, CodecError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def _event(one: ClientEvent) -> dict[str, object]:
    return {
        "wire": one.event.encode().hex(),
        "issuers": list(map(str, one.issuers)),
        "classes": int(one.classes),
        "start": one.start,
        "end": one.end,
        "start_delay_s": one.start_delay_s,
        "end_delay_s": one.end_delay_s,
        "state": one.state,
        "last_status": int(one.last_status),
        "is_out": one.is_out,
        "took_part": one.took_part,
        "came_back": one.came_back,
        "successors": sorted(one.successors),
        "extended_until": one.extended_until,
        "cancel_at": one.cancel_at,
        "cancel_classes": int(one.cancel_classes),
        "cancel_control": int(one.cancel_control),
        "cancelled_end": one.cancelled_end,
        "ended_at": one.ended_at,
    }


def _event_from(row: _State) -> ClientEvent:
    return ClientEvent(
        event=LoadControlEvent.decode(bytes.fromhex(row["wire"])),
        issuers=_peers(row["issuers"]),
        classes=DeviceClass(row["classes"]),
        start=row["start"],
        end=row["end"],
        start_delay_s=row["start_delay_s"],
        end_delay_s=row["end_delay_s"],
        state=State(row["state"]),
        last_status=EventStatus(row["last_status"]),
        is_out=row["is_out"],
        took_part=row["took_part"],
        came_back=row["came_back"],
        successors=set(row["successors"]),
        extended_until=row["extended_until"],
        cancel_at=row["cancel_at"],
        cancel_classes=DeviceClass(row["cancel_classes"]),
        cancel_control=CancelControl(row["cancel_control"]),
        cancelled_end=row["cancelled_end"],
        ended_at=row.get("ended_at"),
    )


def _price(one: ClientPrice) -> dict[str, object]:
    return {
        "wire": one.price.encode().hex(),
        "servers": list(map(str, one.servers)),
        "start": one.start,
        "end": one.end,
    }


def _price_from(row: _State) -> ClientPrice:
    return ClientPrice(
        price=PublishPrice.decode(bytes.fromhex(row["wire"])),
        servers=_peers(row["servers"]),
        start=row["start"],
        end=row["end"],
    )


def _message(one: ClientMessage) -> dict[str, object]:
    return {
        "wire": one.message.encode().hex(),
        "servers": list(map(str, one.servers)),
        "start": one.start,
        "end": one.end,
        "state": one.state,
        "cancel_wants_confirmation": one.cancel_wants_confirmation,
        "cancel_control": one.cancel_control,
        "confirmed_at": one.confirmed_at,
    }


def _message_from(row: _State) -> ClientMessage:
    return ClientMessage(
        message=DisplayMessage.decode(bytes.fromhex(row["wire"])),
        servers=_peers(row["servers"]),
        start=row["start"],
        end=row["end"],
        state=Shown(row["state"]),
        cancel_wants_confirmation=row["cancel_wants_confirmation"],
        cancel_control=row.get("cancel_control"),
        confirmed_at=row["confirmed_at"],
    )


def _peers(texts: list[str]) -> list[Peer]:
    return [peer_from(text) for text in texts]

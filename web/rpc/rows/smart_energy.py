"""Smart Energy requests and responses: demand response, messages, prices (CPX2-SE, Appendix A)."""

from __future__ import annotations

from dataclasses import replace

from web.roles import Role
from web.rpc.declare import Chapter, Param, RequestRow, ResponseRow
from web.rpc.rows.shared import (
    CLUSTER_HERE,
    DEVICES,
    FOUND,
    INVALID_FIELD,
    MADE,
    OPTIONAL,
    OUR_ENDPOINT,
    PEER,
    PEER_ENDPOINT,
    RECORD_ENDPOINT,
    SE_FROM,
    SUCCESS,
    status,
)
from web.rpc.types import SERVER_OR_CLIENT, list_of, record

_D, _M, _P = Chapter.DRLC, Chapter.MESSAGING, Chapter.PRICE
_FROM = replace(SE_FROM, default=CLUSTER_HERE.default)
_ENDPOINT = replace(RECORD_ENDPOINT, default=CLUSTER_HERE.default)
_SIDE = Param("server_or_client", SERVER_OR_CLIENT, "side of the cluster; the one there is, if none is given", OPTIONAL)
_SENT = (_FROM, CLUSTER_HERE)
_RECEIVED = (PEER, PEER_ENDPOINT, OUR_ENDPOINT, CLUSTER_HERE)
_ACTIVE = (OUR_ENDPOINT, CLUSTER_HERE)
_CANCELLED = status({SUCCESS: "success"})
_MADE = status(MADE, has_message=True)
_ALL_CANCELLED = status({SUCCESS: "success", INVALID_FIELD: "invalid field"})


def _record(name: str, meaning: str) -> Param:
    return Param("record", record(name), meaning)


def _maybe(name: str, meaning: str) -> Param:
    return Param("record", record(name), meaning, OPTIONAL)


def _events(name: str, meaning: str) -> Param:
    return Param("events_record_list", list_of(name), meaning)


def _active(name: str, meaning: str) -> Param:
    return Param("record_list", list_of(name), meaning)


DRLC_REQUESTS = (
    RequestRow(
        "get_DRLC_events",
        _D,
        "Tells the valid events of our DRLC cluster.",
        (RECORD_ENDPOINT, _SIDE),
        response="get_DRLC_events_response",
        role=Role.VIEWER,
        is_quick=True,
    ),
    RequestRow(
        "create_DRLC_event",
        _D,
        "Makes an event and sends it to every device with a DRLC client.",
        (SE_FROM, _record("LoadControlEventRecord", "the event")),
        response="create_DRLC_event_response",
    ),
    RequestRow(
        "cancel_DRLC_event",
        _D,
        "Cancels an event and tells every device with a DRLC client.",
        (SE_FROM, _record("CancelLoadControlEventRecord", "which one, and how")),
        response="cancel_DRLC_event_response",
    ),
    RequestRow(
        "cancel_all_DRLC_events",
        _D,
        "Cancels all events and tells every device with a DRLC client.",
        (SE_FROM, _record("CancelAllLoadControlEventsRecord", "how")),
        response="cancel_all_DRLC_events_response",
    ),
    RequestRow(
        "get_scheduled_DRLC_events",
        _D,
        "Asks DRLC servers for the events that they have.",
        (SE_FROM, _maybe("GetScheduledEventsRecord", "which ones; all if none is given")),
        response="get_scheduled_DRLC_events_response",
    ),
    RequestRow(
        "clear_DRLC_events",
        _D,
        "Forgets the events that we have received. Their servers keep them.",
        (SE_FROM,),
        response="clear_DRLC_events_response",
    ),
)

DRLC_RESPONSES = (
    ResponseRow(
        "get_DRLC_events_response",
        _D,
        "valid events of our DRLC cluster",
        (replace(_ENDPOINT, default=OPTIONAL), _events("LoadControlEventRecord", "the events")),
    ),
    ResponseRow(
        "create_DRLC_event_response",
        _D,
        "an event was made",
        (*_SENT, _MADE, _record("LoadControlEventRecord", "the event"), DEVICES),
    ),
    ResponseRow(
        "cancel_DRLC_event_response",
        _D,
        "an event was cancelled",
        (*_SENT, _CANCELLED, _record("CancelLoadControlEventRecord", "which one, and how"), DEVICES),
    ),
    ResponseRow(
        "cancel_all_DRLC_events_response",
        _D,
        "all events were cancelled",
        (*_SENT, _CANCELLED, _record("CancelAllLoadControlEventsRecord", "how"), DEVICES),
    ),
    ResponseRow(
        "received_report_event_status",
        _D,
        "a device has said what it does with an event",
        (
            PEER,
            PEER_ENDPOINT,
            _record("ReportEventStatusRecord", "what it says"),
            CLUSTER_HERE,
            OUR_ENDPOINT,
        ),
        is_unsolicited=True,
    ),
    ResponseRow(
        "get_scheduled_DRLC_events_response",
        _D,
        "DRLC servers are asked for events",
        (*_SENT, _maybe("GetScheduledEventsRecord", "which ones, if that was given"), DEVICES),
    ),
    ResponseRow("clear_DRLC_events_response", _D, "events are forgotten", _SENT),
    ResponseRow(
        "received_DRLC_event",
        _D,
        "an event has come",
        (status(MADE), *_RECEIVED, _record("LoadControlEventRecord", "the event")),
        is_unsolicited=True,
    ),
    ResponseRow(
        "received_DRLC_cancel_event",
        _D,
        "an event is to be cancelled",
        (status(FOUND), *_RECEIVED, _record("CancelLoadControlEventRecord", "which one, and how")),
        is_unsolicited=True,
    ),
    ResponseRow(
        "received_DRLC_cancel_all_events",
        _D,
        "all events are to be cancelled",
        (_ALL_CANCELLED, *_RECEIVED, _record("CancelAllLoadControlEventsRecord", "how")),
        is_unsolicited=True,
    ),
    ResponseRow(
        "updated_active_DRLC_events",
        _D,
        "other events are running now",
        (*_ACTIVE, _active("LoadControlEventRecord", "those that are running")),
        is_unsolicited=True,
    ),
)

MESSAGING_REQUESTS = (
    RequestRow(
        "get_message_events",
        _M,
        "Tells the valid messages of our Messaging cluster.",
        (RECORD_ENDPOINT, replace(_SIDE, is_ours=True)),
        response="get_message_events_response",
        role=Role.VIEWER,
        is_quick=True,
    ),
    RequestRow(
        "create_message_event",
        _M,
        "Makes a message and sends it to every device with a Messaging client.",
        (SE_FROM, _record("DisplayMessageRecord", "the message")),
        response="create_message_event_response",
    ),
    RequestRow(
        "cancel_message_event",
        _M,
        "Cancels a message and tells every device with a Messaging client.",
        (SE_FROM, _record("CancelMessageRecord", "which one, and how")),
        response="cancel_message_event_response",
    ),
    RequestRow(
        "cancel_all_message_events",
        _M,
        "Cancels all messages, each with a command of its own.",
        (SE_FROM,),
        response="cancel_all_message_events_response",
    ),
    RequestRow(
        "get_last_message_event",
        _M,
        "Asks Messaging servers for the message that they show last.",
        (SE_FROM,),
        response="get_last_message_event_response",
    ),
    RequestRow(
        "confirm_message",
        _M,
        "Tells the server of a message that somebody has read it.",
        (SE_FROM, _maybe("MessageConfirmationRecord", "which one; the one that is shown, if none is given")),
        response="confirm_message_response",
    ),
    RequestRow(
        "clear_message_events",
        _M,
        "Forgets the messages that we have received. Their servers keep them.",
        (SE_FROM,),
        response="clear_message_events_response",
    ),
)

MESSAGING_RESPONSES = (
    ResponseRow(
        "get_message_events_response",
        _M,
        "valid messages of our Messaging cluster",
        (_ENDPOINT, _events("DisplayMessageRecord", "the messages")),
    ),
    ResponseRow(
        "create_message_event_response",
        _M,
        "a message was made",
        (*_SENT, _MADE, _record("DisplayMessageRecord", "the message"), DEVICES),
    ),
    ResponseRow(
        "cancel_message_event_response",
        _M,
        "a message was cancelled",
        (*_SENT, _CANCELLED, _record("CancelMessageRecord", "which one, and how"), DEVICES),
    ),
    ResponseRow(
        "cancel_all_message_events_response",
        _M,
        "all messages were cancelled",
        (*_SENT, _CANCELLED, DEVICES),
    ),
    ResponseRow(
        "received_message_confirmation",
        _M,
        "somebody has read a message of ours",
        (PEER, PEER_ENDPOINT, CLUSTER_HERE, _record("MessageConfirmationRecord", "which one, and when")),
        is_unsolicited=True,
    ),
    ResponseRow(
        "received_message_event",
        _M,
        "a message has come",
        (status(MADE), *_RECEIVED, _record("DisplayMessageRecord", "the message")),
        is_unsolicited=True,
    ),
    ResponseRow(
        "received_message_cancel_event",
        _M,
        "a message is to be cancelled",
        (status(FOUND), *_RECEIVED, _record("CancelMessageRecord", "which one, and how")),
        is_unsolicited=True,
    ),
    ResponseRow(
        "updated_active_message_events",
        _M,
        "another message is to be shown now",
        (
            replace(OUR_ENDPOINT, names=("destination_address_id",)),
            CLUSTER_HERE,
            _active("DisplayMessageRecord", "those that are to be shown"),
        ),
        is_unsolicited=True,
    ),
    ResponseRow(
        "get_last_message_event_response",
        _M,
        "Messaging servers are asked for a message",
        (status(FOUND), *_SENT, DEVICES),
    ),
    ResponseRow(
        "confirm_message_response",
        _M,
        "a message is confirmed",
        (status(FOUND), *_SENT, _maybe("MessageConfirmationRecord", "which one, and when"), DEVICES),
    ),
    ResponseRow("clear_message_events_response", _M, "messages are forgotten", _SENT),
)

PRICE_REQUESTS = (
    RequestRow(
        "get_price_events",
        _P,
        "Tells the valid prices of our Price cluster.",
        (RECORD_ENDPOINT, _SIDE),
        response="get_price_events_response",
        role=Role.VIEWER,
        is_quick=True,
    ),
    RequestRow(
        "create_price_event",
        _P,
        "Publishes a price to every device with a Price client.",
        (SE_FROM, _record("PublishPriceRecord", "the price")),
        response="create_price_event_response",
    ),
    RequestRow(
        "cancel_all_price_events",
        _P,
        "Forgets all prices here. Devices keep those that they have: no command takes them back.",
        (SE_FROM,),
        response="cancel_all_price_events_response",
    ),
    RequestRow(
        "get_current_price_event",
        _P,
        "Asks Price servers for the price now.",
        (SE_FROM,),
        response="get_current_price_event_response",
    ),
    RequestRow(
        "get_scheduled_price_events",
        _P,
        "Asks Price servers for the prices that they have.",
        (SE_FROM, _maybe("GetScheduledPricesRecord", "which ones; all if none is given")),
        response="get_scheduled_price_events_response",
    ),
    RequestRow(
        "clear_price_events",
        _P,
        "Forgets the prices that we have received. Their servers keep them.",
        (SE_FROM,),
        response="clear_price_events_response",
    ),
)

PRICE_RESPONSES = (
    ResponseRow(
        "get_price_events_response",
        _P,
        "valid prices of our Price cluster",
        (
            _ENDPOINT,
            CLUSTER_HERE,
            replace(_SIDE, default=CLUSTER_HERE.default, meaning="side of the cluster"),
            _events("PublishPriceRecord", "the prices"),
        ),
    ),
    ResponseRow(
        "create_price_event_response",
        _P,
        "a price was published",
        (*_SENT, _MADE, _record("PublishPriceRecord", "the price"), DEVICES),
    ),
    ResponseRow("cancel_all_price_events_response", _P, "all prices are forgotten", (_FROM, _CANCELLED)),
    ResponseRow(
        "get_current_price_event_response",
        _P,
        "Price servers are asked for the price now",
        (status(FOUND), _ENDPOINT, CLUSTER_HERE, DEVICES),
    ),
    ResponseRow(
        "get_scheduled_price_events_response",
        _P,
        "Price servers are asked for prices",
        (*_SENT, _maybe("GetScheduledPricesRecord", "which ones, if that was given"), DEVICES),
    ),
    ResponseRow("clear_price_events_response", _P, "prices are forgotten", _SENT),
    ResponseRow(
        "received_price_event",
        _P,
        "a price has come",
        (status(MADE), *_RECEIVED, _record("PublishPriceRecord", "the price")),
        is_unsolicited=True,
    ),
    ResponseRow(
        "updated_active_price_events",
        _P,
        "another price holds now",
        (*_ACTIVE, _active("PublishPriceRecord", "those that hold")),
        is_unsolicited=True,
    ),
)

REQUESTS = (*DRLC_REQUESTS, *MESSAGING_REQUESTS, *PRICE_REQUESTS)
RESPONSES = (*DRLC_RESPONSES, *MESSAGING_RESPONSES, *PRICE_RESPONSES)

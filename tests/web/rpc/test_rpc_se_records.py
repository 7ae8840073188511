"""Records of Smart Energy and their commands: octets of the profile, names and defaults of the manual."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from protocols.se import drlc, messaging, price
from protocols.se.base import SeCommand, SeVersion
from tests.web.rpc.engines import NOW
from web.rpc import as_json, as_xml, fields
from web.rpc.build import Context
from web.rpc.check import Checked, check_xml
from web.rpc.markup import parse
from web.rpc.se_records import (
    cancel_event_of,
    event_of,
    field_name,
    message_of,
    price_of,
    record_of,
)
from web.rpc.table import TABLE
from web.rpc.types import record as record_type
from web.rpc.values import Record

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden/rpc_smart_energy.json").read_text("utf-8"))
REQUESTS = {
    "LoadControlEventRecord": "create_DRLC_event",
    "CancelLoadControlEventRecord": "cancel_DRLC_event",
    "DisplayMessageRecord": "create_message_event",
    "PublishPriceRecord": "create_price_event",
}
COMMANDS: dict[str, type[SeCommand]] = {
    "LoadControlEventRecord": drlc.LoadControlEvent,
    "CancelLoadControlEventRecord": drlc.CancelLoadControlEvent,
    "CancelAllLoadControlEventsRecord": drlc.CancelAllLoadControlEvents,
    "ReportEventStatusRecord": drlc.ReportEventStatus,
    "DisplayMessageRecord": messaging.DisplayMessage,
    "CancelMessageRecord": messaging.CancelMessage,
    "MessageConfirmationRecord": messaging.MessageConfirmation,
    "PublishPriceRecord": price.PublishPrice,
}
SENT_AT = 404_750_000
"""Of the golden price."""


def command_of(record: Record) -> SeCommand:
    match record.name:
        case "LoadControlEventRecord":
            return event_of(record)
        case "CancelLoadControlEventRecord":
            return cancel_event_of(record)
        case "DisplayMessageRecord":
            return message_of(record)
    return price_of(record, SENT_AT)


def as_told(record: Record) -> object:
    return as_json.write(record, record_type(record.name), TABLE.records)


@pytest.mark.parametrize("row", GOLDEN["given"], ids=lambda row: f"{row['record']} of {len(row['given'])}")
def test_what_a_head_end_gives_becomes_the_octets_of_the_profile(row: dict[str, Any]) -> None:
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in row["given"].items())
    name = REQUESTS[row["record"]]
    request = parse(f'<{name} synchronous="true"><record type="{row["record"]}">{inside}</record></{name}>'.encode())
    checked = check_xml(request, Context(TABLE, NOW))
    assert isinstance(checked, Checked), checked
    command = command_of(fields.record(checked.arguments, "record"))
    assert command.cut(SeVersion.V1_0).encode().hex() == row["wire"]
    assert as_told(record_of(command)) == row["fields"]


@pytest.mark.parametrize("row", [*GOLDEN["given"], *GOLDEN["heard"]], ids=lambda row: row["record"])
def test_what_is_heard_is_told_as_the_manual_names_it(row: dict[str, Any]) -> None:
    record = record_of(COMMANDS[row["record"]].decode(bytes.fromhex(row["wire"])))
    assert record.name == row["record"]
    assert as_told(record) == row["fields"]
    names = [param.name for param in TABLE.records[record.name].params if not param.is_answer_only]
    assert list(record.fields) == names


def test_text_that_is_not_utf_8_can_be_told_in_a_document() -> None:
    message = messaging.DisplayMessage(message_id=1, control=0, duration_min=1, message="caf\udce9")
    record = record_of(message)
    assert record.fields["message"] == "caf\ufffd"
    found = parse(as_xml.write("record", record).encode()).child("message")
    assert found is not None
    assert found.text == "caf\ufffd"


def test_a_field_goes_by_the_name_that_the_request_has_for_it() -> None:
    assert field_name("LoadControlEventRecord", "duration_min") == "duration_in_minutes"
    assert field_name("DisplayMessageRecord", "control") == "message_control"
    assert field_name("PublishPriceRecord", "price_tier") == "price_tier"

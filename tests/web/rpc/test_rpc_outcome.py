"""Whether a request did what it was asked for, as the table's outcomes tell of its response."""

from __future__ import annotations

import pytest

from web.rpc.outcome import failures
from web.rpc.table import TABLE

WHY = " (a message in the mailbox says why)"
STATES = {"get_certificate_info_response", "get_zigbee_network_status_response"}
"""Whose status is what was asked for, and not how the request went."""


def told(response: str, parameters: dict[str, object]) -> list[str]:
    return failures(TABLE.responses[response], parameters, TABLE.record)


@pytest.mark.parametrize(
    ("response", "parameters", "problems"),
    [
        ("create_price_event_response", {"status": 0, "device_list": []}, []),
        ("create_price_event_response", {"status": 0x85}, [f"status is 0x85: invalid field{WHY}"]),
        ("create_DRLC_event_response", {"Status": 0x8A}, [f"Status is 0x8a: there is one already{WHY}"]),
        ("confirm_message_response", {"status": 0x8B}, ["status is 0x8b: there is none"]),
        ("bind_response", {"status": 0xAA}, ["status is 0xaa: not supported"]),
        ("unbind_response", {"status": 0x88}, ["status is 0x88: no entry"]),
        ("bind_response", {"status": 0xF7}, ["status is 0xf7"]),
        ("get_profile_response", {"status": 3}, ["status is 0x3: invalid end time"]),
        ("message", {"severity": 2, "description": "no room"}, ["no room"]),
        ("message", {"severity": 1, "description": "soon no room"}, []),
        ("message", {"severity": 2}, ["severity is 0x2: error"]),
        ("registry_configuration_response", {"name": "a", "value": 1, "write_status": True}, []),
        ("registry_configuration_response", {"name": "a", "value": 1}, []),
        ("registry_configuration_response", {"write_status": False, "write_errors": "no entry"}, ["no entry"]),
        ("remove_alias_response", {"PEAK": False}, ["PEAK is FALSE: there was none"]),
        ("remove_alias_response", {"PEAK": True, "request_identifier": 0}, []),
        ("get_zigbee_network_status_response", {"status": 0x21}, []),
        ("get_certificate_info_response", {"status": 1}, []),
        ("install_certificate_response", {"status": 2}, ["status is 0x2: it cannot be used"]),
        ("write_attributes_response", {"record_list": [{"status": 0, "attribute_id": 1}]}, []),
        (
            "write_attributes_response",
            {"record_list": [{"status": 0, "attribute_id": 1}, {"status": 0x88, "attribute_id": 2}]},
            ["record_list[1].status is 0x88: read only"],
        ),
        ("get_device_information_response", {"record_list": [{"node_descriptor": {"status": 0x81}}]}, []),
    ],
)
def test_a_response_tells_whether_its_request_went_well(
    response: str, parameters: dict[str, object], problems: list[str]
) -> None:
    assert told(response, parameters) == problems


def test_every_status_of_a_response_is_an_outcome_unless_it_is_what_was_asked_for() -> None:
    marked = {row.name for row in TABLE.responses.values() if any(param.outcome for param in row.params)}
    named = {row.name for row in TABLE.responses.values() if "status" in row.by_name}
    assert marked == named - STATES | {"message", "registry_configuration_response", "remove_alias_response"}
    for row in TABLE.responses.values():
        for param in row.params:
            if param.outcome is not None and param.outcome.reason:
                assert param.outcome.reason in row.by_name


def test_an_unknown_response_tells_nothing() -> None:
    assert failures(None, {"status": 1}, TABLE.record) == []

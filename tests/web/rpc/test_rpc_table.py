"""The table against the manual's own list of requests, responses and records (tests/golden/rpc_checklist.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from web.auth import Role
from web.rpc.declare import Default, Param, RequestRow
from web.rpc.table import TABLE, Table
from web.rpc.types import Kind
from web.rpc.values import Octets

CHECKLIST: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "rpc_checklist.json").read_text())
IDENTIFIER = "request_identifier"
OURS = {
    "opt_out_DRLC_event",
    "opt_in_DRLC_event",
    "get_DRLC_event_status",
    "get_profile",
    "request_fast_poll",
    "get_certificate_info",
    "install_certificate",
}
VALUES_OF_ANY_TYPE = {"value", "reportable_change"}
"""The manual says int, or that it depends on another field."""
WIDER = {"start_receiving_reports.pseudo_reporting", "xbee_AT_response.value", "registry_configuration_response.value"}
"""A none, octets and a float, which the manual's text promises beside what its table says."""


def kinds_of(text: str) -> set[str]:
    return {word.strip() for word in text.replace(" or ", ",").split(",") if word.strip()}


def assert_param(where: str, given: dict[str, Any], param: Param) -> None:
    assert bool(given.get("optional")) == (not param.is_required), where
    assert_default(where, given, param)
    assert_type(where, given, param)
    if "allowed" in given:
        assert sorted(param.type.meanings) == given["allowed"], where


def assert_default(where: str, given: dict[str, Any], param: Param) -> None:
    wanted = given.get("default")
    if wanted is None:
        return
    if wanted == "now":
        assert param.default in (Default.NOW, Default.AT_SENDING), where
    elif isinstance(param.default, Octets):
        assert str(param.default) == wanted, where
    else:
        assert param.default == wanted, where


def assert_type(where: str, given: dict[str, Any], param: Param) -> None:
    text, name = given["type"], where.rpartition(".")[2]
    if text in ("any", "any simple type"):
        assert param.type.is_any_simple, where
    elif where in WIDER:
        assert kinds_of(text) < {str(kind) for kind in param.type.kinds}, where
    elif name in VALUES_OF_ANY_TYPE and not text.startswith("bool") and text != "list" and "base16" not in text:
        assert param.type.is_any, where
    elif isinstance(given.get("item"), dict):
        assert param.type.item is not None
        assert [one.name for one in param.type.item.fields] == list(given["item"]), where
    elif "item" in given:
        assert str(param.type) == f"list of {given['item']}", where
    elif "record" in text.split():
        assert param.type.takes(Kind.RECORD), where
    elif text[0].isupper() and text != "MAC":
        # The manual breaks one name over two lines.
        assert param.type.records == (text.replace(" ", ""),), where
    else:
        assert {str(kind) for kind in param.type.kinds} == kinds_of(text), where


@pytest.mark.parametrize("name", CHECKLIST["requests"])
def test_each_request_of_the_manual_is_declared(name: str) -> None:
    given, row = CHECKLIST["requests"][name], TABLE.requests[name]
    assert row.response == given["response"]
    assert [param.name for param in row.params if not param.is_ours] == [*given["params"], IDENTIFIER]
    for param in row.params:
        if param.name in given["params"]:
            assert_param(f"{name}.{param.name}", given["params"][param.name], param)
    assert row.section.startswith("Appendix A, ")


@pytest.mark.parametrize("name", CHECKLIST["responses"])
def test_each_response_of_the_manual_is_declared(name: str) -> None:
    given, row = CHECKLIST["responses"][name], TABLE.responses[name]
    assert row.is_unsolicited == given["unsolicited"]
    names = [param.name for param in row.params if not param.is_ours]
    assert [one for one in names if one != IDENTIFIER] == [one for one in given["params"] if one != IDENTIFIER]
    assert (IDENTIFIER in names) == (not row.is_unsolicited or name == "message")
    for param in row.params:
        if param.name in given["params"]:
            assert_param(f"{name}.{param.name}", given["params"][param.name], param)


@pytest.mark.parametrize("name", CHECKLIST["records"])
def test_each_record_of_the_manual_is_declared(name: str) -> None:
    given, row = CHECKLIST["records"][name], TABLE.records[name]
    assert [param.name for param in row.params if not param.is_ours] == list(given)
    for param in row.params:
        if param.name in given:
            assert_param(f"{name}.{param.name}", given[param.name], param)


def test_the_counts_are_those_of_the_manual() -> None:
    assert (len(CHECKLIST["requests"]), len(CHECKLIST["responses"]), len(CHECKLIST["records"])) == (58, 70, 28)
    assert set(TABLE.requests) - set(CHECKLIST["requests"]) == OURS
    assert {row.name for row in TABLE.requests.values() if row.is_ours} == OURS
    assert {name.removesuffix("_response") for name in set(TABLE.responses) - set(CHECKLIST["responses"])} == OURS
    assert set(TABLE.records) == set(CHECKLIST["records"])


def test_every_request_but_one_has_a_response_by_its_name() -> None:
    for row in TABLE.requests.values():
        if row.name == "exit":
            assert row.response is None
        else:
            assert row.response == f"{row.name}_response"
            assert row.response in TABLE.responses


def test_every_record_that_a_parameter_names_is_declared() -> None:
    def named(param: Param) -> set[str]:
        item = param.type.item
        return {*param.type.records, *(item.records if item is not None else ())}

    rows = (*TABLE.requests.values(), *TABLE.responses.values(), *TABLE.records.values())
    for row in rows:
        for param in row.params:
            assert named(param) <= set(TABLE.records), f"{row.name}.{param.name}"
            assert param.meaning


def test_what_only_looks_needs_no_more_than_a_viewer_and_what_changes_needs_more() -> None:
    tells_secrets = ("get_certificate_info", "list_aliases")
    for row in TABLE.requests.values():
        looks = row.name.startswith(("get_", "list_", "help")) and row.is_quick and row.name not in tells_secrets
        if looks:
            assert row.role is Role.VIEWER, row.name
        if row.name.startswith(("add_", "remove_", "set_", "configure_", "write_", "install_")):
            assert row.role is Role.ADMIN or row.chapter == "Aliasing Commands", row.name
    entry = TABLE.requests["registry_configuration"]
    assert entry.role_for({"name": "x"}) is Role.VIEWER
    assert entry.role_for({"name": "x", "value": 1}) is Role.ADMIN


def test_look_ups_do_not_mind_case_and_misprints() -> None:
    assert TABLE.request("GET_TIME") is TABLE.requests["get_time"]
    assert TABLE.request("send_zcl") is TABLE.requests["send_ZCL"]
    assert TABLE.record("CancelAllLoadControlEvents Record") is TABLE.records["CancelAllLoadControlEventsRecord"]
    assert TABLE.record("DisplayMessageEventRecord") is TABLE.records["DisplayMessageRecord"]
    assert TABLE.record("DisplayPriceEventRecord") is TABLE.records["PublishPriceRecord"]
    assert TABLE.near("get_tiem")[0] == "get_time"


def test_a_module_brings_rows_of_its_own() -> None:
    before = len(TABLE.requests)
    more = TABLE.with_rows([RequestRow("magic", TABLE.requests["exit"].chapter, "Does magic.")])
    assert isinstance(more, Table)
    assert more.request("Magic") is more.requests["magic"]
    assert IDENTIFIER in more.requests["magic"].by_name
    assert len(TABLE.requests) == before

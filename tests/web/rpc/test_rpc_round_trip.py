"""Every request of the table, with any arguments: both notations say the same."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.rpc.generate import arguments, requests
from web.rpc import as_json, as_xml
from web.rpc.build import Context
from web.rpc.check import Checked, check_json, check_xml
from web.rpc.markup import parse
from web.rpc.response import IDENTIFIER, Response
from web.rpc.table import TABLE
from web.rpc.values import Values

CONTEXT = Context(TABLE, datetime(2026, 1, 1, tzinfo=UTC))
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_back(checked: object) -> Values:
    assert isinstance(checked, Checked), checked
    values = dict(checked.arguments)
    return values | ({IDENTIFIER: checked.identifier} if checked.identifier is not None else {})


def without_nothing(values: Values) -> Values:
    """An identifier that is none is none at all."""
    return {name: value for name, value in values.items() if not (name == IDENTIFIER and value is None)}


@pytest.mark.parametrize("name", TABLE.requests)
@FEW
@given(st.data())
def test_a_request_is_the_same_in_both_notations(name: str, data: st.DataObject) -> None:
    row = TABLE.requests[name]
    given_values = data.draw(requests(row))
    wanted = without_nothing(given_values)
    document = as_xml.write_request(row, given_values).encode()
    from_xml = check_xml(parse(document), CONTEXT)
    assert read_back(from_xml) == wanted
    free = row.params[0].type
    body = msgspec.json.encode(as_json.write_values(given_values, row.by_name, TABLE.records, free))
    from_json = check_json(name, msgspec.json.decode(body), CONTEXT)
    assert read_back(from_json) == wanted
    assert list(read_back(from_xml)) == list(read_back(from_json))


@pytest.mark.parametrize("name", TABLE.responses)
@FEW
@given(st.data())
def test_a_response_is_the_same_in_both_notations(name: str, data: st.DataObject) -> None:
    row = TABLE.responses[name]
    values = data.draw(arguments(row.params))
    root = parse(as_xml.write_response(Response(name, values, 1351008765.9), row).encode())
    assert root.attributes["timestamp"] == "1351008765.0"
    types = {param.name: param.type for param in row.params}
    from_xml = {child.tag: as_xml.read(child, types[child.tag], child.tag, CONTEXT) for child in root.children}
    assert from_xml == values
    told = msgspec.json.decode(msgspec.json.encode(as_json.write_response(Response(name, values), row, TABLE.records)))
    from_json = {key: as_json.read(value, types[key], key, CONTEXT) for key, value in told.items()}
    assert from_json == values

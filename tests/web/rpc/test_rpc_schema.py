"""The JSON Schema of each request takes what the request takes."""

from __future__ import annotations

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.conftest import Served
from tests.web.rpc.generate import requests
from web.rpc import as_json
from web.rpc.describe import request_schema
from web.rpc.table import TABLE


@pytest.mark.parametrize("name", TABLE.requests)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_request_fits_its_schema(name: str, data: st.DataObject) -> None:
    row = TABLE.requests[name]
    schema = request_schema(row, TABLE)
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    values = data.draw(requests(row))
    told = msgspec.json.decode(
        msgspec.json.encode(as_json.write_values(values, row.by_name, TABLE.records, row.params[0].type))
    )
    jsonschema_rs.validate(schema, told)


async def test_the_openapi_document_has_them(served: Served) -> None:
    found = await served.get("/api/v1/openapi.json")
    body = found["paths"]["/api/v1/rpc/{request}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    named = {one["$ref"].rpartition("/")[2] for one in body["anyOf"] if one}
    assert named == {f"rpc.{name}" for name in TABLE.requests}
    schema = found["components"]["schemas"]["rpc.enable_joining"]
    assert schema["required"] == ["join_time"]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("enable_joining", {}),
        ("enable_joining", {"join_time": 70000}),
        ("enable_joining", {"join_time": "soon"}),
        ("enable_joining", {"join_time": 5, "color": "red"}),
        ("create_DRLC_event", {"record": {"issuer_event_id": 1}}),
        ("create_DRLC_event", {"record": {"issuer_event_id": 1, "duration_in_minutes": 5, "color": "red"}}),
        ("identify", {"destination_endpoint_id": 1, "identify_time": 1, "destination_address": "home"}),
        ("add_alias", {}),
    ],
)
def test_what_a_request_refuses_its_schema_refuses(name: str, parameters: object) -> None:
    schema = request_schema(TABLE.requests[name], TABLE)
    assert not jsonschema_rs.is_valid(schema, parameters)

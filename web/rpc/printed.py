"""Responses as the manual prints them, for clients that take nothing else: misprinted names beside the right ones, and
no field of ours that says nothing."""

from __future__ import annotations

from web.rpc.response import Response
from web.rpc.table import Table
from web.rpc.values import Record, Value, Values


def as_printed(response: Response, table: Table) -> Response:
    """A response by the manual's letter."""
    row = table.responses.get(response.name)
    found: Values = {}
    for name, value in response.parameters.items():
        plain = _value(value, table)
        param = row.by_name.get(name.lower()) if row is not None else None
        for one in (name, *(param.names if param is not None else ())):
            found[one] = plain
    return Response(response.name, found, response.timestamp)


def _value(value: Value, table: Table) -> Value:
    if isinstance(value, list):
        return [_value(one, table) for one in value]
    if not isinstance(value, Record):
        return value
    row = table.records.get(value.name)
    if row is None:
        return value
    ours = {param.name: param.default for param in row.params if param.is_ours}
    return Record(
        value.name,
        {name: _value(one, table) for name, one in value.fields.items() if name not in ours or one != ours[name]},
    )

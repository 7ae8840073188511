"""A table that a program makes of what a hub tells is the hub's own."""

from __future__ import annotations

import msgspec

from web import schema
from web.rpc.declare import Chapter, Outcome, Param, RecordRow, RequestRow, ResponseRow
from web.rpc.describe import RpcInfo, describe
from web.rpc.described import table_of
from web.rpc.table import TABLE, Table
from web.rpc.types import U8, record
from web.rpc.values import Mac, Octets


def told(table: Table) -> RpcInfo:
    """What comes over the wire."""
    return msgspec.json.decode(schema.encode(describe(table, frozenset(), "1", 0, {"A": None})), type=RpcInfo)


def test_our_table_comes_through_whole() -> None:
    made = table_of(told(TABLE))
    for ours, theirs in ((TABLE.requests, made.requests), (TABLE.responses, made.responses)):
        assert list(ours) == list(theirs)
        for name, row in ours.items():
            assert theirs[name] == row, name
    assert made == TABLE


def test_what_a_module_has_added_comes_through() -> None:
    visit = Param("visit", record("VisitRecord"), "who comes", names=("vist",), is_secret=True)
    key = Param("key", record(), "its key", Octets(b"\x01\x02", 64))
    address = Param("address", TABLE.requests["add_device"].params[0].type, "from where", Mac(bytes(8)))
    heard = Param("heard", U8, "how it went", outcome=Outcome((1, 2), {3: "nobody is there"}, "why"))
    table = TABLE.with_rows(
        [RequestRow("knock", Chapter.ADDED, "Knocks.", (visit, address), response="knock_response")],
        [ResponseRow("knock_response", Chapter.ADDED, "heard", (heard,), has_free_names=True)],
        [RecordRow("VisitRecord", Chapter.ADDED, "a visit", (Param("guests", U8, "how many", 1),), ("Visit",))],
    )
    assert table_of(told(table)) == table
    # A default that its own type does not take is one that nobody here knows.
    wrong = table.with_rows([RequestRow("ring", Chapter.ADDED, "Rings.", (key,))])
    assert table_of(told(wrong)).requests["ring"].params[0].default_text == ""


def test_kinds_that_nobody_here_knows_are_any() -> None:
    info = told(TABLE)
    takes = msgspec.structs.replace(info.requests[0].parameters[0].takes, kinds=["int", "colour"])
    param = msgspec.structs.replace(info.requests[0].parameters[0], takes=takes)
    later = msgspec.structs.replace(info.requests[0], parameters=[param], chapter="Later")
    row = table_of(msgspec.structs.replace(info, requests=[later])).requests[later.name]
    assert row.params[0].type.is_any
    assert row.chapter is Chapter.ADDED

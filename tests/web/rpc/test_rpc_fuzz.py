"""Whatever comes, the answer is a document, and the hub goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.rpc.engines import engine_with
from web.auth import Role
from web.rpc.check import Checked, Problem, check_json
from web.rpc.envelope import Envelope, Post, answer
from web.rpc.markup import parse
from web.rpc.response import Response
from web.rpc.table import TABLE

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.sampled_from(
    [
        "rci_request", "sci_request", "do_command", "send_message", "targets", "device", "get_responses", "responses",
        "record", "record_list", "item", "price", "message", "request_identifier", "A", "xml",
        *list(TABLE.requests)[:70],
    ]
)  # fmt: skip
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["type", "synchronous", "target", "limit", "id", "version", "index"]),
    st.sampled_from(
        [
            "TRUE", "maybe", "int", "string", "MAC", "list", "dict", "xml", "alias", "base64", "PublishPriceRecord",
            "RPC_request", "RPC_response", "all", "10", "-1", "1.1", "", "\x85&<\"'",
        ]
    ),
    max_size=2,
)  # fmt: skip
TEXTS = st.sampled_from(["", " 5 ", "0x", "0xFF", "TRUE", "00:11:22:33:44:55:66:77", "nan", "9" * 90, "ä&<>", "x"])


def markup(name: str, attributes: dict[str, str], inside: list[str]) -> str:
    from web.rpc.markup import attributes_of

    return f"<{name}{attributes_of(attributes.items())}>{''.join(inside)}</{name}>"


LEAVES = TEXTS.map(lambda text: text.replace("&", "&amp;").replace("<", "&lt;"))
ELEMENTS = st.recursive(
    LEAVES, lambda inner: st.builds(markup, NAMES, ATTRIBUTES, st.lists(inner, max_size=4)), max_leaves=25
)
REQUESTS = st.builds(
    lambda inside, wrap: wrap(inside),
    st.builds(markup, NAMES, ATTRIBUTES, st.lists(ELEMENTS, max_size=4)),
    st.sampled_from(
        [
            lambda inside: inside,
            lambda inside: f'<rci_request><do_command target="RPC_request">{inside}</do_command></rci_request>',
            lambda inside: (
                f'<sci_request><send_message><targets><device id="all"/></targets><rci_request>'
                f'<do_command target="RPC_request">{inside}</do_command></rci_request></send_message></sci_request>'
            ),
        ]
    ),
)


def answered(document: bytes, envelope: Envelope) -> str:
    async def run() -> str:
        async with engine_with({}) as bench:
            await bench.engine.aliases.add("A", "<price>5</price>")
            return await answer(document, None, envelope, Post(bench.engine, Role.ADMIN, "1"))

    return asyncio.run(run())


@MANY
@given(st.binary(max_size=300), st.sampled_from(Envelope))
def test_any_octets_are_answered_with_a_document(document: bytes, envelope: Envelope) -> None:
    parse(answered(document, envelope).encode())


@MANY
@given(REQUESTS, st.sampled_from(Envelope))
def test_any_document_is_answered_with_a_document(document: str, envelope: Envelope) -> None:
    assert parse(answered(document.encode(), envelope).encode()).tag in (
        "rci_reply", "sci_reply", "responses", "message", *TABLE.responses,
    )  # fmt: skip


@MANY
@given(REQUESTS, st.data())
def test_a_document_that_is_cut_short_or_changed_is_answered(document: str, data: st.DataObject) -> None:
    raw = bytearray(document.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    parse(answered(bytes(raw[: data.draw(st.integers(0, len(raw)))]), Envelope.RCI).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | NAMES, inner, max_size=3),
    max_leaves=12,
)


def names_of(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([*(param.name for param in TABLE.requests[name].params), "type", "x"])


@MANY
@given(st.sampled_from(list(TABLE.requests)), st.data())
def test_any_json_is_a_request_or_a_problem(name: str, data: st.DataObject) -> None:
    parameters = data.draw(st.dictionaries(names_of(name), JSON, max_size=5))

    async def run(check: Callable[..., Checked | Problem]) -> Response | Problem | None:
        async with engine_with({}) as bench:
            assert isinstance(check(name, parameters, bench.engine.context()), Checked | Problem)
            return await bench.engine.request_json(name, parameters, Role.ADMIN)

    found = asyncio.run(run(check_json))
    assert isinstance(found, Response | Problem)
    if isinstance(found, Problem):
        assert len(found.text) < 6000
    msgspec.json.encode(str(found))

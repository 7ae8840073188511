"""Smart Energy requests to a hub without a Smart Energy network: each says so, and does nothing."""

from __future__ import annotations

import pytest

from tests.web.conftest import Served
from tests.web.rpc.asking import Asker, record
from web.rpc.declare import Chapter
from web.rpc.table import TABLE

RECORDS = {
    "create_DRLC_event": record("LoadControlEventRecord", issuer_event_id=1, duration_in_minutes=1),
    "cancel_DRLC_event": record("CancelLoadControlEventRecord", issuer_event_id=1),
    "cancel_all_DRLC_events": record("CancelAllLoadControlEventsRecord"),
    "create_message_event": record("DisplayMessageRecord", message_id=1, duration_in_minutes=1, message="x"),
    "cancel_message_event": record("CancelMessageRecord", message_id=1),
    "create_price_event": record("PublishPriceRecord", issuer_event_id=1, duration_in_minutes=1, price=1),
    "opt_out_DRLC_event": "<issuer_event_id>1</issuer_event_id>",
    "opt_in_DRLC_event": "<issuer_event_id>1</issuer_event_id>",
    "get_DRLC_event_status": "<issuer_event_id>1</issuer_event_id>",
}
CHAPTERS = (Chapter.DRLC, Chapter.MESSAGING, Chapter.PRICE)


async def test_every_request_says_that_there_is_no_network(served: Served) -> None:
    names = [name for name, row in TABLE.requests.items() if row.chapter in CHAPTERS]
    assert len(names) == 22
    async with Asker(served.server.url, served.token) as rpc:
        for name in names:
            why = await rpc.refused(name, RECORDS.get(name, ""))
            assert why.startswith(f"{name}: no radio of this hub "), why
            assert "takes" in why, why


@pytest.mark.parametrize("name", ["get_DRLC_events", "get_message_events", "get_price_events"])
async def test_a_side_that_there_is_not_is_refused(served: Served, name: str) -> None:
    async with Asker(served.server.url, served.token) as rpc:
        assert "server_or_client is 2; allowed" in await rpc.refused(name, "<server_or_client>2</server_or_client>")
        status, problem = await rpc.json(name, server_or_client="both")
        assert (status, problem["errors"][0]["field"]) == (400, "server_or_client")


async def test_a_viewer_sees_events_and_makes_none(served: Served) -> None:
    async with Asker(served.server.url, await served.new_token("kitchen", "viewer")) as rpc:
        assert "no radio" in await rpc.refused("get_price_events")
        why = await rpc.refused("create_price_event", RECORDS["create_price_event"])
        assert "needs the role operator" in why

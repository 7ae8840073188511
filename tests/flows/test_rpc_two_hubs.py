"""A head-end on one hub, an application on another, both by RPC alone: what one makes, the other gets and answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from test_se_two_hubs import End, Two, acquainted, quick

from tests.web.rpc.asking import Asker, record

__all__ = ["quick"]


def asker(end: End) -> Asker:
    assert end.home is not None
    return Asker(end.home.url, end.home.token)


def address(end: End) -> str:
    return ":".join(f"{octet:02X}" for octet in end.module.ieee.to_bytes(8, "big"))


@asynccontextmanager
async def both_ends(folder: Path) -> AsyncIterator[tuple[Two, Asker, Asker]]:
    async with acquainted(folder, "xbee") as pair, asker(pair.esi) as head_end, asker(pair.aux) as application:
        yield pair, head_end, application


def event_status(number: int, status: int) -> object:
    return lambda one: (one["record"]["issuer_event_id"], one["record"]["event_status"]) == (number, status)


@pytest.fixture(autouse=True)
def real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here waits for an end: both go by the clock on the wall."""
    monkeypatch.setattr("test_se_two_hubs.SPEED", 1.0)


@pytest.mark.usefixtures("quick")
async def test_what_a_head_end_makes_an_application_gets_and_answers(tmp_path: Path) -> None:
    async with both_ends(tmp_path) as (pair, head_end, application):
        gateway, interface = address(pair.aux), address(pair.esi)

        # A price, as the manual's sample of a display has it.
        made = await head_end.xml(
            "create_price_event", record("PublishPriceRecord", issuer_event_id=4, duration_in_minutes=5, price=1250)
        )
        assert (made["status"], made["device_list"]) == (0, [gateway])
        received = (await application.until("received_price_event"))[0]
        assert (received["status"], received["source_address"], received["source_endpoint_id"]) == (0, interface, 0x5E)
        assert (received["record"]["price"], received["record"]["currency"]) == (1250, 840)
        active = (await application.until("updated_active_price_events"))[0]
        assert [one["issuer_event_id"] for one in active["record_list"]] == [4]

        # An event, which the application opts out of while it runs.
        fields = {"issuer_event_id": 7, "duration_in_minutes": 600, "event_control": 0, "duty_cycle": 20}
        made = await head_end.xml("create_DRLC_event", record("LoadControlEventRecord", **fields))
        assert (made["status"], made["device_list"]) == (0, [gateway])
        await application.find("updated_active_DRLC_events", lambda one: len(one["record_list"]) == 1)
        for status in (1, 2):
            report = await head_end.find("received_report_event_status", event_status(7, status))  # type: ignore[arg-type]
            assert (report["source_address"], report["source_endpoint_id"]) == (gateway, 0x5E)
            assert report["record"]["duty_cycle_applied"] == 20
        chosen = await application.xml("opt_out_DRLC_event", "<issuer_event_id>7</issuer_event_id>")
        assert chosen["status"] == 0
        await head_end.find("received_report_event_status", event_status(7, 4))  # type: ignore[arg-type]
        told = await head_end.xml("get_DRLC_event_status", "<issuer_event_id>7</issuer_event_id>")
        [row] = told["device_status_list"]
        assert (row["device_address"], row["delivered"], row["event_status"]) == (gateway, True, 4)
        cancel = record("CancelLoadControlEventRecord", issuer_event_id=7, effect_time=0)
        assert (await head_end.xml("cancel_DRLC_event", cancel))["status"] == 0
        assert (await application.until("received_DRLC_cancel_event"))[0]["status"] == 0
        await head_end.find("received_report_event_status", event_status(7, 6))  # type: ignore[arg-type]

        # A message that is to be confirmed; asked for without waiting, it is answered by the mailbox.
        fields = {"message_id": 9, "message_control": 0x80, "duration_in_minutes": 600, "message": "Hello"}
        inside = record("DisplayMessageRecord", **fields) + "<request_identifier>12</request_identifier>"
        await head_end.later("create_message_event", inside)
        [made] = await head_end.until("create_message_event_response")
        assert (made["status"], made["request_identifier"], made["device_list"]) == (0, 12, [gateway])
        shown = (await application.until("updated_active_message_events"))[0]
        assert [one["message"] for one in shown["record_list"]] == ["Hello"]
        confirmed = await application.xml("confirm_message")
        assert (confirmed["status"], confirmed["device_list"]) == (0, [interface])
        [heard] = await head_end.until("received_message_confirmation")
        assert (heard["source_address"], heard["record"]["message_id"]) == (gateway, 9)
        assert (await head_end.xml("cancel_all_message_events"))["device_list"] == [gateway]
        assert (await application.until("received_message_cancel_event"))[0]["record"]["message_id"] == 9
        await application.find("updated_active_message_events", lambda one: one["record_list"] == [])

        # What was forgotten at the gateway is had again of the interface.
        newer = record("PublishPriceRecord", issuer_event_id=5, duration_in_minutes=0xFFFF, price=3)
        assert (await head_end.xml("create_price_event", newer))["status"] == 0
        taken = lambda one: (one["status"], one["record"]["issuer_event_id"]) == (0, 5)  # noqa: E731
        first = await application.find("received_price_event", taken)
        await application.xml("clear_price_events")
        asked = await application.xml("get_scheduled_price_events")
        assert asked["device_list"] == [interface]
        # Beside it the price may be told again as it begins: whichever comes later is a duplicate.
        await application.find("received_price_event", lambda one: one is not first and taken(one))

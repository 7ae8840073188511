"""The check that handlers' tests use sees what is wrong."""

from __future__ import annotations

import pytest

from tests.web.rpc.fits import assert_fits
from web.rpc.build import ArgumentsRefusedError
from web.rpc.response import Response
from web.rpc.values import Mac, Record, Values

GOOD: Values = {
    "source_endpoint_id": 0x5E,
    "cluster_id": 0x701,
    "status": 0,
    "record": Record("CancelAllLoadControlEventsRecord", {"cancel_control": 1}),
    "device_list": [Mac(bytes(8))],
}


def test_what_fits_fits() -> None:
    assert_fits(Response("cancel_all_DRLC_events_response", GOOD))
    assert_fits(Response("cancel_all_DRLC_events_response", GOOD | {"request_identifier": 5}))
    shown: Values = {
        "message_id": 1, "message_control": 0, "cancel_message_control": 2, "start_time": 0, "duration_in_minutes": 5,
        "message": "hello",
    }  # fmt: skip
    messages: Values = {"endpoint_id": 0x5E, "events_record_list": [Record("DisplayMessageRecord", shown)]}
    assert_fits(Response("get_message_events_response", messages))


@pytest.mark.parametrize(
    "changed",
    [
        {"status": 1},
        {"status": None},
        {"color": 5},
        {"device_list": Mac(bytes(8))},
        {"device_list": [5.0]},
        {"record": Record("CancelMessageRecord", {"message_id": 1, "message_control": 0})},
    ],
)
def test_what_does_not_fit_is_seen(changed: Values) -> None:
    with pytest.raises(ArgumentsRefusedError):
        assert_fits(Response("cancel_all_DRLC_events_response", GOOD | changed))


def test_what_is_missing_or_out_of_order_is_seen() -> None:
    without = {name: value for name, value in GOOD.items() if name != "cluster_id"}
    with pytest.raises(ArgumentsRefusedError, match="cluster_id is missing"):
        assert_fits(Response("cancel_all_DRLC_events_response", without))
    with pytest.raises(AssertionError):
        assert_fits(Response("cancel_all_DRLC_events_response", {"device_list": [], **without, "cluster_id": 1}))

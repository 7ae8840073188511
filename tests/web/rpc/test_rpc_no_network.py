"""The gateway's ZigBee and ZCL requests in a home without a ZigBee radio: none of them fails by a fault of ours."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.web.conftest import Served
from tests.web.rpc.test_rpc_http import inside, rci
from web.rpc.declare import Chapter
from web.rpc.table import TABLE

ADDRESS = "00:11:22:33:44:55:66:77"
VALUES: Mapping[str, object] = {
    "device_address": ADDRESS,
    "destination_address": ADDRESS,
    "record_list": [],
    "payload": {"type": "base16", "value": "00"},
    "command": "VR",
    "ca_public_key": "03" + "00" * 21,
    "implicit_certificate": "02" + "00" * 37 + "0109" + "00" * 8,
    "private_key": "00" * 21,
}
"""Of parameters that are no numbers."""
ANSWERED = {"get_device_information", "refresh_device_information", "get_local_reporting_configurations"}
"""Of nothing there is nothing to tell."""
ROWS = [row for row in TABLE.requests.values() if row.chapter in (Chapter.ZIGBEE, Chapter.ZCL)]


@pytest.mark.parametrize("name", [row.name for row in ROWS])
async def test_a_request_says_what_is_missing(served: Served, name: str) -> None:
    required = [param.name for param in TABLE.requests[name].params if param.is_required]
    answer = await served.ask("POST", f"/api/v1/rpc/{name}", {one: VALUES.get(one, 1) for one in required})
    if name in ANSWERED:
        assert (answer.status, answer.json["response"]) == (200, f"{name}_response")
        return
    assert answer.status in (400, 404, 409, 502), answer.body
    detail = answer.json["detail"]
    assert any(text in detail for text in ("no ZigBee radio is configured", "there is no device")), detail


async def test_the_same_is_told_in_xml(served: Served) -> None:
    for name in ("get_zigbee_network_status", "leave_network", "configure_zigbee_network", "get_certificate_info"):
        [found] = await rci(served, f'<{name} synchronous="TRUE"/>')
        assert inside(found, "description").text == f"{name}: no ZigBee radio is configured"
    [found] = await rci(served, '<get_device_information synchronous="TRUE"/>')
    assert inside(found, "record_list").children == []


def test_all_of_the_two_chapters_are_done() -> None:
    ours = {row.name for row in ROWS if row.is_ours}
    assert ours == {"get_profile", "request_fast_poll", "get_certificate_info", "install_certificate"}
    assert len(ROWS) == 25

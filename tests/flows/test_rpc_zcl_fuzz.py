"""Whatever a client writes: a request is answered or refused, and never fails by a fault of ours."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from rpc_home import Program, home
from test_rpc_zcl import ENDPOINT, OURS, to

from protocols.zcl.datatypes import TYPES

REQUESTS = 150
FAULT = "something went wrong inside the hub"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)


def value(random: Random, depth: int = 0) -> Any:
    """A value of some kind."""
    kind = random.randrange(9 if depth < 2 else 7)
    match kind:
        case 0:
            return random.choice((0, 1, -1, 0xFF, 0x8000, -0x8000, 1 << 63, 1 << 70))
        case 1:
            return random.choice((True, False))
        case 2:
            return random.choice(("", "text", "Grüße", "x" * 300))
        case 3:
            return {"type": "base16", "value": random.randbytes(random.choice((0, 1, 8, 16, 40))).hex()}
        case 4:
            return {"type": "MAC", "value": random.choice(("1397", "00:11:22:33:44:55:66:77"))}
        case 5:
            return random.choice((1.5, -1e30, 0.0))
        case 6:
            return None
        case 7:
            items = [value(random, depth + 1) for _ in range(random.randrange(3))]
            return {"type": "ZCL_ArrayRecord", "attribute_type": random.choice(tuple(TYPES)), "value": items}
    return [{"attribute_type": random.choice(tuple(TYPES)), "value": value(random, depth + 1)}]


def request(random: Random, device: Any) -> tuple[str, dict[str, Any]]:
    """A request about a cluster of the device's, or of ours."""
    cluster = random.choice((0x0000, 0x0003, 0x000A, 0x0701))
    place = to(device, cluster, random.randrange(2))
    if random.random() < 0.6:
        place.pop("destination_address")
        place["destination_endpoint_id"] = random.choice((OURS, ENDPOINT, 0xFF, 1))
    type_id = random.choice((*TYPES, 0x77, 0xFF))
    field = {"attribute_id": random.choice((0, 1, 2, 0x10, 0x9999)), "attribute_type": type_id}
    match random.randrange(4):
        case 0:
            record = {"type": "WriteAttributeRecord", **field, "value": value(random)}
            return "write_attributes", {**place, "record_list": [record], "command_identifier": random.choice((2, 5))}
        case 1:
            record = {"type": "AttributeReportingConfigurationRecord", **field, "reportable_change": value(random)}
            return "start_receiving_reports", {**place, "record_list": [record], "pseudo_reporting": True}
        case 2:
            records = [{"type": "WriteAttributeRecord", **field, "value": value(random)}]
            sent = {**to(device, cluster), "command_identifier": random.randrange(6), "command_type": 0}
            return "send_ZCL", {**sent, "payload": records}
    return "read_attributes", {**place, "record_list": [{"type": "ReadAttributeRecord", "attribute_id": type_id}]}


async def answered(program: Program, name: str, parameters: dict[str, Any]) -> str:
    """What became of it: the name of its response, or why there is none."""
    code, found = await program.home.ask("POST", f"/rpc/{name}", parameters)
    told = found.get("response") if code == 200 else found["detail"]
    assert FAULT not in str(found), (name, parameters, found)
    assert code in (200, 400, 409, 502), (code, name, parameters, found)
    return str(told)


async def test_no_request_fails_by_a_fault_of_ours(tmp_path: Path) -> None:
    async with home(tmp_path, "se-thermostat") as (program, module):
        await program.hub.registry.set("Conversation.default_timeout", 1)
        random, seen = Random(20260111), set()
        for _ in range(REQUESTS):
            name, parameters = request(random, module.devices[0])
            seen.add(await answered(program, name, parameters))
        assert {"read_attributes_response", "write_attributes_response", "send_ZCL_response"} <= seen
        assert len(seen) > 20, "some are refused, each for its reason"

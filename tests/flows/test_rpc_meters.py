"""What the gateway did not have, asked in its way: a meter's profile and its faster updates."""

from __future__ import annotations

from pathlib import Path

import pytest
from rpc_home import Program, address
from test_se_meter import meter

from hub.smart_energy.utc import from_utc, to_utc


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.router.LOOK_S", 0.1)


async def test_a_profile_is_told_as_the_meter_keeps_it(tmp_path: Path) -> None:
    async with meter(tmp_path) as (service, centre, _):
        program, kept = Program(service), centre.meter.profile
        kept.tick()
        to = {"destination_address": address(centre)}
        found = await program.both("get_profile", {**to, "number_of_periods": 4})
        newest = list(reversed(kept._kept))[:4]
        assert found.values == {
            "source_address": address(centre),
            "source_endpoint_id": 0x0A,
            "destination_endpoint_id": 0x5E,
            "status": 0,
            "end_time": newest[0].end,
            "profile_interval_period": 2,
            "interval_list": [int(one.both[0]) for one in newest],
        }
        received = await program.both("get_profile", {**to, "interval_channel": 1, "end_time": newest[2].end})
        assert received.values["interval_list"] == [int(newest[2].both[1])]
        none = await program.both("get_profile", {**to, "end_time": 5})
        assert none.values["status"] != 0
        assert "interval_list" not in none.values
        await program.refused("get_profile", {**to, "interval_channel": 2}, "interval_channel is 2; allowed")
        await program.refused("get_profile", {**to, "destination_endpoint_id": 0}, "destination_endpoint_id is 0")
        await program.refused("get_profile", {"destination_address": "00:11:22:33:44:55:66:77"}, "there is no device")
        del centre.endpoints[0x0A].servers[0x0702].commands[0x00]
        await program.refused(
            "get_profile", to, "0xa, 0x109, 0x702): Conversation received default response with status: 0x81"
        )


async def test_a_meter_is_asked_for_faster_updates(tmp_path: Path) -> None:
    async with meter(tmp_path) as (service, centre, device):
        program = Program(service)
        wish = {"destination_address": address(centre), "fast_poll_update_period": 5, "duration_in_minutes": 2}
        for wrong, text in (
            ({"fast_poll_update_period": 0}, "fast_poll_update_period is 0; allowed: 1 to 255"),
            ({"duration_in_minutes": 16}, "duration_in_minutes is 16; allowed: 1 to 15"),
        ):
            await program.refused("request_fast_poll", {**wish, **wrong}, text)
        code, found = await program.json("request_fast_poll", wish)
        running = service.hub.fast_polls.of(device)
        assert (code, running.running, found["applied_update_period"]) == (200, True, running.period_s)
        assert from_utc(found["fast_poll_mode_end_time"]) == from_utc(to_utc(running.ends_at))
        await program.refused("request_fast_poll", wish, "is asked every")

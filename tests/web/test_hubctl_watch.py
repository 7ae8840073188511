"""hubctl watch: events as lines, a hub that goes away and comes back, and the live screen."""

from __future__ import annotations

import json
import re

import msgspec
from rich.console import Console

from tests.web.fake_hub import FRIDGE, SOLAR, FakeHub, breaker, command, event, snapshot
from tests.web.hubctl_runs import Hubctl
from tests.web.hubctl_runs import alone as alone
from tests.web.hubctl_runs import fake as fake
from tests.web.hubctl_runs import hubctl as hubctl
from web.client_model import Event
from web.hubctl.exits import Exit
from web.hubctl.house import HouseView
from web.hubctl.screen import picture
from web.hubctl.watch import Lost

# After its last stream the fake hub revokes the token, and that ends the watch.


def test_json_lines_are_the_events_as_the_hub_says_them(hubctl: Hubctl, fake: FakeHub) -> None:
    said = [snapshot(seq=1), event("of_a_newer_hub", 2, what="ever")]
    fake.streams = [[*said, 1001]]
    ran = hubctl("watch", "--json")
    assert [json.loads(line) for line in ran.lines] == said
    assert "the hub is going away; trying again" in ran.err


def test_a_hub_that_comes_back_is_watched_on(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.streams = [
        [snapshot(seq=1), 1012],
        [
            snapshot(seq=1),
            event("breaker_changed", 2, device_id=FRIDGE, position="open", previous="closed", cause="unsolicited"),
        ],
    ]
    ran = hubctl("watch")
    assert [line.partition("  ")[2] for line in ran.lines] == [
        "home  connected, 1 devices",
        "home  connected, 1 devices",
        "Refrigerator  open (unsolicited)",
    ]
    assert "the hub is restarting; trying again" in ran.err


def test_lines_tell_what_happens_and_to_whom(hubctl: Hubctl, fake: FakeHub) -> None:
    silent = breaker(availability="unavailable", availability_detail="it does not answer")
    fake.streams = [
        [
            snapshot(seq=1),
            event(
                "readings_taken",
                2,
                device_id=FRIDGE,
                readings={"total": {"power_w": 152.1}, "pole_0": {"voltage_v": 121.0}},
            ),
            event("readings_taken", 3, device_id=FRIDGE, readings={"total": {"frequency_hz": 60.0}}),
            event("command_changed", 4, command=command("refused", detail="it is protected")),
            event("device_changed", 5, device=silent),
            event("device_changed", 6, device=silent),
            event("device_added", 7, device=breaker(SOLAR, "Solar roof")),
            event(
                "key_changed",
                8,
                key={"radio": "breakers", "device_id": FRIDGE, "state": "expiring", "expires_at": None},
            ),
            event(
                "radio_changed", 9, radio={"name": "breakers", "driver": "emcb", "state": "down", "detail": "no route"}
            ),
            event("storage_changed", 10, storage={"state": "read_only", "detail": "the disk"}),
            event("house_changed", 11, house={"power_w": 1.0}),
            event("device_removed", 12, device_id=SOLAR),
            event("device_authenticated", 13, radio="han", device_id="zigbee-0013a20040aabbcc"),
            event("backup_changed", 14, radio="han", what="alarm", detail="a key is gone", backup={"radio": "han"}),
        ]
    ]
    ran = hubctl("watch")
    assert ran.code != 0
    assert [line.partition("  ")[2] for line in ran.lines[1:]] == [
        "Refrigerator  152.1 W  121.0 V",
        "Refrigerator  open by admin: refused: it is protected",
        "Refrigerator  unavailable: it does not answer",
        f"Solar roof  found ({SOLAR})",
        "key of Refrigerator  expiring",
        "radio breakers  down: no route",
        "database  read only: the disk",
        "Solar roof  removed",
        "zigbee-0013a20040aabbcc  keys established",
        "radio han  backup alarm: a key is gone",
    ]


def test_a_hub_that_was_never_there_is_unreachable_at_once(alone: Hubctl) -> None:
    ran = alone("--url", "http://127.0.0.1:1", "--token", "x", "watch")
    assert ran.code == Exit.UNREACHABLE
    assert "trying again" not in ran.err


# -- the screen --------------------------------------------------------------------------------------------------------


def view_of(*events: dict[str, object]) -> HouseView:
    view = HouseView()
    for one in events:
        view.apply(msgspec.convert(one, Event))
    return view


def drawn(view: HouseView, lost: Lost | None = None, width: int = 100, height: int = 30) -> str:
    target = Console(width=width, height=height, force_terminal=True, color_system="truecolor", highlight=False)
    with target.capture() as captured:
        target.print(picture(view, lost, width, height))
    return captured.get()


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_the_screen_follows_the_events() -> None:
    view = view_of(
        snapshot(seq=1),
        event("readings_taken", 2, device_id=FRIDGE, readings={"total": {"power_w": 2500.0}}),
        event("readings_taken", 3, device_id=FRIDGE, readings={"total": {"power_w": 500.0}}),
        event("breaker_changed", 4, device_id=FRIDGE, position="open", previous="closed", cause="command"),
    )
    shown = without_colours(drawn(view))
    row = next(line for line in shown.splitlines() if line.startswith("Refrigerator"))
    assert "open" in row
    assert "500.0 W" in row
    # Readings are merged: what this event did not say is still known.
    assert "121.2 V" in row
    assert "█▁" in row
    assert "Refrigerator  open (command)" in shown
    assert "● live" in shown
    assert "-1,234.5 W" in shown


def test_a_lost_hub_is_shown_and_old_values_are_not_shown_as_new() -> None:
    view = view_of(snapshot(seq=1))
    shown = drawn(view, Lost("the connection to the hub was lost: it broke", 0.5))
    assert "it broke; trying again" in shown
    assert "● live" not in shown
    row = next(line for line in shown.splitlines() if "Refrigerator" in line)
    assert "\x1b[32m" not in row


def test_every_screen_fits() -> None:
    many = [breaker(f"emcb-{number:016x}", f"Breaker {number}") for number in range(200)]
    view = view_of(snapshot(seq=1, devices=many), *(event("device_removed", 2 + n, device_id="x") for n in range(9)))
    for width, height in ((40, 12), (60, 16), (80, 24), (200, 60)):
        lines = without_colours(drawn(view, width=width, height=height)).splitlines()
        assert len(lines) <= height, (width, height)
        assert max(map(len, lines)) <= width, (width, height)
        assert any(line.startswith("Breaker") for line in lines)
        assert any("more that draw less" in line for line in lines)

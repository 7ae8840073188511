"""Keys that live for seven days."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from hub.bus import Bus
from hub.clock import ManualClock
from hub.config import parse
from hub.errors import InvalidError, NotFoundError
from hub.events import KeyChanged
from hub.keys import FILE_NAME, HOOK_GAP, Keys, KeyUpdate
from hub.model import Availability, KeyState
from radios.api import UdpKeys

DEVICE = "30000c2a69113173"
OTHER = "30000c2a69110000"
OLD, NEW = "11" * 32, "22" * 32
DAY = 86_400.0


class House:
    """Keys on a manual clock, with what they handed to the radio."""

    def __init__(self, data_dir: Path, clock: ManualClock | None = None, **radio: object) -> None:
        table = {"name": "b", "driver": "emcb", "pipe": "udp:127.255.255.255:32866", "broadcast_key": OLD}
        table |= {"unicast_keys": {DEVICE: OLD}, **radio}  # type: ignore[dict-item]
        self.config = parse({"radio": [table]}, data_dir=data_dir)
        self.clock = clock or ManualClock()
        self.bus = Bus()
        self.applied: list[tuple[str, UdpKeys]] = []
        self.keys = Keys(
            self.config.radios,
            data_dir,
            self.bus,
            self.clock,
            lambda name, keys: self.applied.append((name, keys)),
            "emcb-",
        )
        self.keys.load()

    def apply(self, radio: str, keys: UdpKeys) -> None:
        self.applied.append((radio, keys))

    def states(self) -> dict[str | None, KeyState]:
        return {status.device_id: status.state for status in self.keys.statuses()}


def test_a_key_is_valid_then_expiring_for_a_day_then_expired(tmp_path: Path) -> None:
    house = House(tmp_path)
    subscription = house.bus.subscribe(KeyChanged)
    house.keys._tell()
    assert subscription.drain() == []
    assert house.states() == {None: KeyState.VALID, f"emcb-{DEVICE}": KeyState.VALID}
    house.clock.advance(6 * DAY)
    assert set(house.states().values()) == {KeyState.EXPIRING}
    house.keys._tell()
    house.keys._tell()
    assert [event.key.state for event in subscription.drain()] == [KeyState.EXPIRING] * 2, "said once for each key"
    assert house.keys.detail("b", DEVICE) is None
    house.clock.advance(DAY)
    house.keys._tell()
    assert [event.key.state for event in subscription.drain()] == [KeyState.EXPIRED] * 2
    detail = house.keys.detail("b", DEVICE)
    assert detail is not None
    assert detail[0] is Availability.KEY_EXPIRED
    assert "its key expired on 2026-01-08 00:00 UTC" in detail[1]


def test_without_a_stated_issue_a_life_counts_from_the_first_sight_also_over_restarts(
    tmp_path: Path,
) -> None:
    first = House(tmp_path)
    first.clock.advance(5 * DAY)
    again = House(tmp_path, first.clock)
    assert again.keys.statuses()[0].expires_at == ManualClock().now() + timedelta(days=7)
    changed = House(tmp_path, first.clock, broadcast_key=NEW)
    assert changed.keys.statuses()[0].expires_at == first.clock.now() + timedelta(days=7)


def test_a_stated_issue_counts(tmp_path: Path) -> None:
    issued = ManualClock().now() - timedelta(days=6, hours=12)
    assert House(tmp_path, keys_issued_at=issued).states()[None] is KeyState.EXPIRING


async def test_new_keys_are_used_at_once_kept_over_restarts_and_lie_in_a_private_file(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.clock.advance(6.5 * DAY)
    statuses = await house.keys.set(KeyUpdate(broadcast_key=NEW, unicast_keys={f"emcb-{DEVICE}": NEW, OTHER: NEW}))
    assert {status.state for status in statuses} == {KeyState.VALID}
    assert house.applied == [
        ("b", UdpKeys(broadcast=(bytes.fromhex(NEW),), unicast={d: (bytes.fromhex(NEW),) for d in (DEVICE, OTHER)}))
    ]
    mode = (tmp_path / FILE_NAME).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    again = House(tmp_path, house.clock)
    assert again.keys.keys_of("b").unicast[OTHER] == (bytes.fromhex(NEW),)
    assert again.keys.keys_of("b").unicast[DEVICE] == (bytes.fromhex(NEW),), "later than the one in hub.toml"


@pytest.mark.parametrize(
    ("update", "error", "named"),
    [
        (KeyUpdate(), InvalidError, "at least one key"),
        (KeyUpdate(radio="c", broadcast_key=NEW), NotFoundError, "no EMCB radio 'c'"),
        (KeyUpdate(broadcast_key="5ec2e7"), InvalidError, "3 bytes long; allowed: 32 bytes"),
        (KeyUpdate(unicast_keys={"12": NEW}), InvalidError, "'12' is not a device id"),
        (KeyUpdate(broadcast_key="file:/etc/hostname"), InvalidError, "the key itself"),
        (KeyUpdate(broadcast_key=NEW, issued_at=ManualClock().now() + timedelta(hours=1)), InvalidError, "last 7 days"),
        (KeyUpdate(broadcast_key=NEW, issued_at=ManualClock().now() - timedelta(days=8)), InvalidError, "last 7 days"),
    ],
)
async def test_a_wrong_update_is_named_changes_nothing_and_shows_no_key(
    tmp_path: Path, update: KeyUpdate, error: type[Exception], named: str
) -> None:
    house = House(tmp_path)
    before = house.keys.keys_of("b")
    with pytest.raises(error) as caught:
        await house.keys.set(update)
    assert named in str(caught.value)
    assert "5ec2e7" not in str(caught.value)
    assert house.keys.keys_of("b") == before
    assert house.applied == []


def test_no_representation_shows_a_key(tmp_path: Path) -> None:
    house = House(tmp_path)
    update = KeyUpdate(broadcast_key=NEW, unicast_keys={DEVICE: NEW})
    assert NEW not in repr(update) + repr(house.keys._keys) + repr(house.keys.keys_of("b"))


def test_a_breaker_that_was_seen_without_a_key_is_missing_one(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.keys.seen("b", OTHER)
    assert house.states()[f"emcb-{OTHER}"] is KeyState.MISSING
    detail = house.keys.detail("b", OTHER)
    assert detail is not None
    assert detail[0] is Availability.NO_KEY


def test_a_damaged_file_is_said_so_and_the_configuration_still_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    house = House(tmp_path)
    assert "cannot be read" in caplog.text
    assert house.states()[None] is KeyState.VALID


HOOK = """
import json, sys
question = json.load(sys.stdin)
open(sys.argv[1], "a").write(json.dumps(question) + "\\n")
print(json.dumps({"broadcast_key": "22" * 32, "unicast_keys": {device: "22" * 32 for device in question["devices"]}}))
"""


async def test_the_hook_is_asked_two_days_before_the_end_and_its_keys_are_used(tmp_path: Path) -> None:
    script, log = tmp_path / "hook.py", tmp_path / "asked"
    script.write_text(HOOK)
    house = House(tmp_path, key_command=[sys.executable, str(script), str(log)])
    house.keys.seen("b", DEVICE)
    section = house.config.radios[0]
    await house.keys._refresh(section)
    assert not log.exists(), "seven days left"
    house.clock.advance(5.5 * DAY)
    await house.keys._refresh(section)
    assert json.loads(log.read_text()) == {"radio": "b", "devices": [DEVICE]}
    assert house.keys.keys_of("b").unicast[DEVICE] == (bytes.fromhex(NEW),)
    assert set(house.states().values()) == {KeyState.VALID}
    assert len(house.applied) == 1


@pytest.mark.parametrize(
    "body", ["print('no json')", "import sys; sys.exit(3)", "print('[]')", "print('{\"unicast_keys\": 3}')"]
)
async def test_a_hook_that_fails_is_said_so_and_asked_again_later(
    tmp_path: Path, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    script = tmp_path / "hook.py"
    script.write_text(body)
    house = House(tmp_path, key_command=[sys.executable, str(script)])
    house.clock.advance(6 * DAY)
    await house.keys._refresh(house.config.radios[0])
    assert "the key hook failed" in caplog.text
    caplog.clear()
    await house.keys._refresh(house.config.radios[0])
    assert caplog.text == "", "not at once"
    house.clock.advance(HOOK_GAP.total_seconds())
    await house.keys._refresh(house.config.radios[0])
    assert "the key hook failed" in caplog.text


async def test_the_hook_may_be_an_address(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        asked.append(await reader.readexactly(size))
        body = json.dumps({"unicast_keys": {DEVICE: NEW}}).encode()
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        house = House(tmp_path, key_url=f"http://127.0.0.1:{port}/keys")
        house.clock.advance(6 * DAY)
        await house.keys._refresh(house.config.radios[0])
    assert json.loads(asked[0])["radio"] == "b"
    assert house.keys.keys_of("b").unicast[DEVICE] == (bytes.fromhex(NEW),)

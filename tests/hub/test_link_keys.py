"""Link keys of devices: given by people, kept on disk, registered with the trust centre whenever it is there."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from zigbee_home import PLUG, device_id, joined, plug, running
from zigbee_room import CAPABILITIES, DRIVER, Room

from hub.errors import InvalidError, StorageError, UnavailableError
from hub.zigbee.link_keys import FILE_NAME, LinkKeys
from hub.zigbee.model import NetworkState
from radios.api import NetworkChanged, RadioLostError
from tests.hub.waiting import eventually

pytestmark = pytest.mark.usefixtures("quick_zigbee")

CODE, KEY = "83FED3407A939723A5C639FF4C12", bytes.fromhex("58C1828CF7F1C3FE29E7B1024AD84BFA")
"""Of the Smart Energy profile's annex."""
OTHER = "00112233445566778899aabbccddeeff"


@pytest.fixture
def room() -> Room:
    """A trust centre."""
    room = DRIVER.rooms["han"] = Room()
    room.capabilities = replace(CAPABILITIES, install_codes=True, link_keys=True)
    return room


async def test_a_code_becomes_a_key_that_is_kept_and_registered_again(tmp_path: Path, room: Room) -> None:
    async with running(tmp_path) as (hub, _):
        await hub.networks.add_device("han", str(PLUG), name="Kettle", install_code=CODE)
        assert room.keys == {PLUG: KEY}
    file = tmp_path / FILE_NAME
    assert file.stat().st_mode & 0o777 == 0o600
    room.keys.clear()
    async with running(tmp_path) as (hub, _):
        await eventually(lambda: room.keys == {PLUG: KEY})
        # The trust centre may forget all keys when it forms another network.
        room.keys.clear()
        room.events_waiting.put_nowait(NetworkChanged(replace(room.network, extended_pan_id=0x99)))
        await eventually(lambda: room.keys == {PLUG: KEY})
        await hub.networks.add_device("han", str(PLUG), link_key=OTHER)
        assert room.keys == {PLUG: bytes.fromhex(OTHER)}
        name = await joined(hub, room, plug())
        await hub.networks.remove(name)
        assert room.keys == {}
    assert OTHER not in file.read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"install_code": CODE[:-1] + "3"}, "not the CRC"),
        ({"install_code": CODE[:-4]}, "is the CRC missing"),
        ({"link_key": OTHER[:-1]}, "31 characters"),
        ({"link_key": OTHER, "install_code": CODE}, "one of the two"),
    ],
)
async def test_a_wrong_key_is_refused_before_anything_is_done(
    tmp_path: Path, room: Room, given: dict[str, str], said: str
) -> None:
    async with running(tmp_path) as (hub, _):
        with pytest.raises(InvalidError, match=said) as caught:
            await hub.networks.add_device("han", str(PLUG), **given)  # type: ignore[arg-type]
        assert not any(secret in str(caught.value) for secret in given.values())
        assert room.keys == {}
        assert hub.devices.find(device_id(PLUG)) is None
    assert not (tmp_path / FILE_NAME).exists()


async def test_a_key_that_the_trust_centre_refuses_is_not_kept(tmp_path: Path, room: Room) -> None:
    room.refuses_keys = True
    async with running(tmp_path) as (hub, _):
        with pytest.raises(UnavailableError, match="TABLE_FULL"):
            await hub.networks.add_device("han", str(PLUG), link_key=OTHER)
        assert hub.devices.find(device_id(PLUG)) is None
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("text", ["", "{", '{"radios": {"han": {"x": "00"}}}', '{"radios": {"han": {"00": 5}}}'])
async def test_a_file_that_cannot_be_read_is_said_and_left_alone(
    tmp_path: Path, room: Room, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    async with running(tmp_path):
        assert "cannot be read" in caplog.text
    assert (tmp_path / FILE_NAME).read_text() == text


def test_a_device_is_forgotten_on_every_network(tmp_path: Path) -> None:
    keys = LinkKeys(tmp_path)
    for radio in ("han", "attic", "shed"):
        keys.put(radio, PLUG, KEY)
    keys.forget(PLUG)
    assert [dict(keys.of(radio)) for radio in ("han", "attic", "shed")] == [{}, {}, {}]
    assert KEY.hex() not in (tmp_path / FILE_NAME).read_text()


def test_whose_key_has_still_to_be_removed_outlives_a_restart_and_an_older_file(tmp_path: Path) -> None:
    keys = LinkKeys(tmp_path)
    keys.put("han", PLUG, KEY)
    keys.forget(PLUG)
    again = LinkKeys(tmp_path)
    again.load()
    assert set(again.forgotten("han")) == {PLUG}
    again.put("han", PLUG, KEY)
    assert not again.forgotten("han")
    again.forget(PLUG)
    again.removed("han", PLUG)
    last = LinkKeys(tmp_path)
    last.load()
    assert not last.forgotten("han")
    (tmp_path / FILE_NAME).write_text(f'{{"radios": {{"han": {{"{PLUG}": "{OTHER}"}}}}}}')
    last.load()
    assert last.of("han") == {PLUG: bytes.fromhex(OTHER)}


async def test_a_key_of_a_device_that_was_removed_while_the_radio_was_away_goes_when_it_is_back(
    tmp_path: Path, room: Room
) -> None:
    async with running(tmp_path) as (hub, _):
        await hub.networks.add_device("han", str(PLUG), link_key=OTHER)
        room.events_waiting.put_nowait(RadioLostError("pulled out"))
        await eventually(lambda: hub.networks.get("han").state is NetworkState.DOWN)
        await hub.networks.remove(device_id(PLUG), force=True)
        assert room.keys == {PLUG: bytes.fromhex(OTHER)}
    async with running(tmp_path) as (hub, _):
        await eventually(lambda: room.keys == {})
        await eventually(lambda: not hub.networks._link_keys.forgotten("han"))


async def test_a_key_that_cannot_be_kept_lets_nobody_in(
    tmp_path: Path, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hub.zigbee.link_keys.write_private", full)
    async with running(tmp_path) as (hub, _):
        with pytest.raises(StorageError, match="No space left"):
            await hub.networks.add_device("han", str(PLUG), link_key=OTHER)
        assert room.keys == {}
        assert not hub.networks._link_keys.of("han")
        assert hub.devices.find(device_id(PLUG)) is None


async def test_keys_never_reach_a_log(tmp_path: Path, room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(tmp_path) as (hub, _):
        await hub.networks.add_device("han", str(PLUG), link_key=OTHER)
        await joined(hub, room, plug())
    assert OTHER not in caplog.text
    assert str(bytes.fromhex(OTHER)) not in caplog.text

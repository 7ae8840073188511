"""Two hubs back to back: a trust centre and a router on its network, by radios that leave key establishment to them.

What one radio sends the other hears, unless the test loses or changes it. Frames with a link key arrive only where both
radios use the same one, as on the air.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hub.config import parse
from hub.hub import Hub
from hub.zigbee.own_certificates import FOLDER
from protocols.aps import ApsFrame, Security
from protocols.ids import FIRST_BROADCAST, Eui64
from protocols.se.ecqv import CURVES, Authority, Credentials
from protocols.se.key_establishment import CLUSTER, Suite, TerminateStatus
from protocols.zcl.header import Direction, FrameType, parse_header
from radios.api import DeliveryError, DeviceJoined, FrameReceived, KeysBy, RadioConfig
from tests.hub.waiting import eventually
from tests.hub.zigbee_room import CAPABILITIES, HUB, ROUTER, Room

CENTRE, GUEST, STRANGER = HUB, Eui64(0x0013A20040000002), Eui64(0x0013A20040000009)
GUEST_SHORT, OTHER_SHORT = 0x4D21, 0x5E32
PRECONFIGURED = bytes(range(16))
RNG = random.Random(16)
BOTH = (Suite.SECT163K1, Suite.SECT283K1)


def authority(suite: Suite, number: int = 1, issuer: bytes = b"TESTSECA") -> Authority:
    return Authority(suite, CURVES[suite].scalar(random.Random(number).randbytes(44)), issuer)


def equip(ieee: Eui64, suite: Suite, by: Authority | None = None) -> Credentials:
    return (by or authority(suite)).equip(ieee, RNG.randbytes(44), RNG.randbytes(44))


class Air:
    """Between the two."""

    def __init__(self) -> None:
        self.ends: dict[int, PairRadio] = {}
        self.lost: Callable[[bool, int], bool] = lambda to_server, command: False
        """Whether a message of key establishment is lost."""
        self.change: Callable[[bool, int, bytes], bytes] = lambda to_server, command, payload: payload
        """What arrives of a message of key establishment."""
        self.bend: Callable[[ApsFrame], ApsFrame] = lambda frame: frame
        """What arrives of any other frame."""
        self.messages: list[tuple[bool, int, bytes]] = []
        """Of key establishment: whether to the server, command, payload."""
        self.frames: list[ApsFrame] = []

    def carry(self, source: PairRadio, frame: ApsFrame) -> None:
        self.frames.append(frame)
        assert frame.destination is not None
        others = [end for end in self.ends.values() if end is not source and end.is_open]
        if frame.destination < FIRST_BROADCAST:
            others = [end for end in others if end.network.short == frame.destination]
            if not others:
                raise DeliveryError("nobody acknowledged it", "NO_ACK", 0xA7)
        if frame.cluster == CLUSTER:
            header, payload = parse_header(frame.payload)
            if header.frame_type is FrameType.CLUSTER:
                assert frame.security is Security.NETWORK
                to_server = header.direction is Direction.TO_SERVER
                self.messages.append((to_server, header.command, payload))
                if self.lost(to_server, header.command):
                    return
                changed = self.change(to_server, header.command, payload)
                frame = replace(frame, payload=header.encode() + changed)
        frame = self.bend(frame)
        for end in others:
            if frame.security is Security.LINK_KEY:
                ours, theirs = source.keys.get(end.network.ieee), end.keys.get(source.network.ieee)
                if ours is None or ours != theirs:
                    raise DeliveryError("nobody could read it", "NO_ACK", 0xA7)
            heard = replace(frame, source=source.network.short, source_ieee=None, lqi=200)
            end.events_waiting.put_nowait(FrameReceived(heard))


class PairRadio(Room):
    """One of the two."""

    def __init__(self, air: Air, ieee: Eui64, short: int) -> None:
        super().__init__()
        is_centre = short == 0
        self.air, self.is_open, self.link_keys_refused = air, False, False
        self.takes_keys = asyncio.Event()
        """While it is not set, `set_link_key` waits."""
        self.takes_keys.set()
        self.given: list[tuple[Eui64, bytes]] = []
        """Keys that came of key establishment."""
        self.capabilities = replace(
            CAPABILITIES, answers_zdo=False, aps_encryption=True, install_codes=is_centre, link_keys=is_centre,
            router=not is_centre, keys_by=KeysBy.HUB, max_payload=128,
        )  # fmt: skip
        self.network = replace(self.network, ieee=ieee, short=short, is_coordinator=is_centre)
        air.ends[ieee] = self

    async def __aenter__(self) -> PairRadio:
        await super().__aenter__()
        self.is_open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.is_open = False

    async def send(self, frame: ApsFrame) -> None:
        self.sent.append(frame)
        await asyncio.sleep(0)
        self.air.carry(self, frame)

    async def set_link_key(self, ieee: Eui64, key: bytes) -> None:
        if self.link_keys_refused:
            raise DeliveryError("no room for another key", "TABLE_FULL", 0xB4)
        await self.takes_keys.wait()
        self.given.append((ieee, key))
        self.keys[ieee] = key

    def announce(self) -> None:
        """It has just joined."""
        for end in self.air.ends.values():
            if end is not self and end.is_open:
                event = DeviceJoined(ieee=self.network.ieee, short=self.network.short, mac_capability=ROUTER)
                end.events_waiting.put_nowait(event)


class PairDriver:
    """What the loader finds."""

    carries = "zigbee"
    joins = True

    def __init__(self) -> None:
        self.radios: dict[str, PairRadio] = {}

    def check(self, config: RadioConfig) -> None:
        return None

    def open(self, config: RadioConfig, trace: Callable[[str, bytes, str], None] | None) -> PairRadio:
        return self.radios[config.name]


DRIVER = PairDriver()


class Pair:
    """Both, and where their certificates are."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.air = folder, Air()
        self.centre, self.guest = PairRadio(self.air, CENTRE, 0), PairRadio(self.air, GUEST, GUEST_SHORT)
        self.guest.keys[CENTRE] = PRECONFIGURED
        self.other = PairRadio(self.air, STRANGER, OTHER_SHORT)
        self.other.keys[CENTRE] = PRECONFIGURED
        DRIVER.radios = {"centre": self.centre, "guest": self.guest, "other": self.other}

    def certify(self, radio: str, *credentials: Credentials) -> None:
        """Put certificates where a hub looks for them."""
        place = self.folder / radio / FOLDER / radio
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        for number, one in enumerate(credentials):
            path = place / f"{number}.txt"
            path.touch(0o600)
            path.write_text(one.to_text())

    def certify_both(self, *suites: Suite) -> None:
        self.certify("centre", *(equip(CENTRE, suite) for suite in suites))
        self.certify("guest", *(equip(GUEST, suite) for suite in suites))

    def hub(self, radio: str, role: str) -> Hub:
        web = {"listen": "127.0.0.1:0"}
        table = {
            "hub": {"role": role},
            "web": web,
            "radio": [{"name": radio, "driver": "pair", "pipe": "pty:/dev/null"}],
        }
        place = self.folder / radio
        place.mkdir(exist_ok=True)
        return Hub(parse(table, data_dir=place))

    @asynccontextmanager
    async def trust_centre(self, *, knows_guest: bool = True) -> AsyncIterator[Hub]:
        async with self.hub("centre", "esi_coordinator") as hub:
            await eventually(lambda: all(status.state == "up" for status in hub.networks.all()))
            await eventually(lambda: bool(hub.key_establishments["centre"].held.credentials) or not self.has("centre"))
            if knows_guest and GUEST not in hub.household.members:
                await hub.networks.add_device("centre", str(GUEST), link_key=PRECONFIGURED.hex())
            yield hub

    @asynccontextmanager
    async def router(self, role: str = "aux_gateway", name: str = "guest") -> AsyncIterator[Hub]:
        async with self.hub(name, role) as hub:
            await eventually(lambda: all(status.state == "up" for status in hub.networks.all()))
            DRIVER.radios[name].announce()
            yield hub

    def has(self, radio: str) -> bool:
        place = self.folder / radio / FOLDER / radio
        return place.is_dir() and any(place.iterdir())

    @asynccontextmanager
    async def both(self, role: str = "aux_gateway") -> AsyncIterator[tuple[Hub, Hub]]:
        async with self.trust_centre() as centre, self.router(role) as guest:
            yield centre, guest

    def sent(self, command: int, *, to_server: bool) -> list[bytes]:
        """Payloads of the messages of key establishment that were sent, lost ones too."""
        return [payload for way, number, payload in self.air.messages if (way, number) == (to_server, command)]

    def terminates(self) -> list[tuple[bool, TerminateStatus]]:
        """Who has ended an exchange: whether the initiator, and why."""
        return [(way, TerminateStatus(payload[0])) for way, number, payload in self.air.messages if number == 3]


def has_keys(hub: Hub, ieee: Eui64) -> bool:
    member = hub.household.members.get(ieee)
    return member is not None and member.is_authenticated


def all_have_keys(pairs: Iterable[tuple[Hub, Eui64]]) -> bool:
    return all(has_keys(hub, ieee) for hub, ieee in pairs)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Two radios, and nobody waits before another try; for what is lost, see `impatient`."""
    from hub.zigbee import interview, key_establishment
    from protocols.se import key_exchange
    from radios import loader

    monkeypatch.setattr(loader, "SHIPPED", {**loader.SHIPPED, "pair": f"{__name__}:DRIVER"})
    monkeypatch.setattr(interview, "PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr(key_establishment, "LOOK_S", 0.05)
    monkeypatch.setattr(key_establishment, "SILENT_S", 0.1)
    monkeypatch.setattr(key_exchange, "WAIT_S", 0)
    monkeypatch.setattr(key_exchange, "TIMES_S", dict.fromkeys(BOTH, (0, 0)))
    return Pair(tmp_path)


@pytest.fixture
def impatient(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost is soon given up; on a busy machine so is what is only slow, and then tried again."""
    from protocols.se import key_exchange

    monkeypatch.setattr(key_exchange, "ANSWER_S", 0.5)
    monkeypatch.setattr(key_exchange, "SLACK_S", 1.0)

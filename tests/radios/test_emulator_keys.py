"""Key establishment of emulated devices: their own arithmetic, by the profile's vectors and by that of the hub."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from protocols.ids import Eui64
from protocols.install_code import InstallCode
from protocols.se.binary_curve import PURE_PYTHON, SECT163K1
from protocols.se.ecqv import Authority as OurAuthority
from protocols.se.ecqv import Credentials
from protocols.se.key_establishment import Suite
from protocols.se.key_exchange import Compute, Established, Own, Responder, Send
from radios.emulators import sect163k1, zcl
from radios.emulators.air import Air, AirFrame, Station
from radios.emulators.certificates import Authority, Certificate, certificates_of, public_key
from radios.emulators.devices import make
from radios.emulators.errors import EmulatorError
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.home import Home
from radios.emulators.keyed_hash import key_of, keyed_hash, mmo_hash
from radios.emulators.se_devices import SmartMeter
from radios.emulators.se_keys import derive, shared_secret
from radios.emulators.stick import install_code_of, link_key_of
from radios.emulators.stick_command import Console
from tests.hub.waiting import eventually

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "cbke.json").read_text())
[EXCHANGE] = [row for row in GOLDEN["exchanges"] if row["suite"] == 1]
IEEE = 0x0013A20040AABBCC
RANDOM = random.Random(5)


def octets(side: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(side[name])


def number(side: dict[str, Any], name: str) -> int:
    return int(side[name], 16)


def test_hash_and_keyed_hash_are_zigbees() -> None:
    for row in GOLDEN["mmo"]:
        assert mmo_hash(bytes.fromhex(row["data"])).hex() == row["hash"]
    for row in GOLDEN["hmac"]:
        assert keyed_hash(bytes.fromhex(row["key"]), bytes.fromhex(row["data"])).hex() == row["mac"]


def test_an_exchange_of_the_profile_comes_to_its_keys_and_proofs() -> None:
    initiator, responder = EXCHANGE["initiator"], EXCHANGE["responder"]
    authority = octets(EXCHANGE, "authority_key")
    static = public_key(octets(responder, "certificate"), authority)
    assert sect163k1.written(static) == octets(responder, "public_key")
    ephemeral = number(initiator, "ephemeral_private_key")
    point = sect163k1.multiple(ephemeral)
    assert sect163k1.written(point) == octets(initiator, "ephemeral_public_key")
    theirs = octets(responder, "ephemeral_public_key")
    secret = shared_secret(number(initiator, "private_key"), ephemeral, point, static, sect163k1.read(theirs))
    assert secret == octets(EXCHANGE, "secret")
    found = derive(
        secret, octets(initiator, "ieee"), octets(responder, "ieee"), octets(initiator, "ephemeral_public_key"), theirs
    )
    assert found.link_key == octets(EXCHANGE, "link_key")
    assert (found.own_proof, found.proof) == (octets(EXCHANGE, "mac_u"), octets(EXCHANGE, "mac_v"))


def test_points_are_those_of_another_arithmetic() -> None:
    base = SECT163K1.base
    for factor in (1, 2, 3, *(RANDOM.randrange(SECT163K1.order) for _ in range(3)), SECT163K1.order - 1):
        found, expected = sect163k1.multiple(factor), PURE_PYTHON.combine((factor, base))
        assert expected is not None
        assert sect163k1.written(found) == expected.encode()
        assert sect163k1.read(expected.encode()) == found
        doubled = PURE_PYTHON.combine((2, expected))
        assert doubled is not None
        assert sect163k1.written(sect163k1.plus(found, found)) == doubled.encode()
    for wrong in (
        lambda: sect163k1.multiple(sect163k1.ORDER),
        lambda: sect163k1.multiple(0),
        lambda: sect163k1.plus(sect163k1.BASE, sect163k1.multiple(sect163k1.ORDER - 1)),
    ):
        with pytest.raises(EmulatorError, match="infinity"):
            wrong()


@pytest.mark.parametrize(
    "data", [b"", bytes(22), b"\x04" + bytes(20) + b"\x01", b"\x02\xff" + bytes(20), b"\x02" + bytes(20) + b"\x02"]
)
def test_what_is_no_point_is_not_taken(data: bytes) -> None:
    with pytest.raises(EmulatorError, match="sect163k1"):
        sect163k1.read(data)


def authority_file(folder: Path) -> OurAuthority:
    """As `hubctl certificate test-ca new` writes it."""
    made = OurAuthority(Suite.SECT163K1, SECT163K1.scalar(RANDOM.randbytes(44)))
    private = made.private_key.to_bytes(21, "big").hex()
    text = f"A test authority.\n\nCA Private Key: {private}\nCA Public Key: {made.public_key.encode().hex()}\n"
    (folder / "test-ca.key").write_text(text)
    return made


def test_a_certificate_of_ones_own_is_one_of_the_authority(tmp_path: Path) -> None:
    authority = authority_file(tmp_path)
    made = certificates_of(tmp_path)(IEEE, RANDOM.randint)
    assert made is not None
    made.check(IEEE)
    private = made.private_key.to_bytes(21, "big")
    ours = Credentials.read(Suite.SECT163K1, authority.public_key.encode(), made.implicit, private)
    ours.check()
    assert ours.certificate.subject == IEEE
    with pytest.raises(EmulatorError, match="not for"):
        made.check(IEEE + 1)


def test_an_issued_certificate_is_taken_from_its_file_and_checked(tmp_path: Path) -> None:
    authority = authority_file(tmp_path)
    issued = authority.equip(Eui64(IEEE), RANDOM.randbytes(44), RANDOM.randbytes(44))
    path = tmp_path / f"{IEEE:016x}.txt"
    path.write_text(issued.to_text())
    found = certificates_of(tmp_path)(IEEE, RANDOM.randint)
    assert found == Certificate.parse(issued.to_text())
    other = authority.equip(Eui64(IEEE), RANDOM.randbytes(44), RANDOM.randbytes(44)).to_text().splitlines()[2]
    path.write_text("\n".join([*issued.to_text().splitlines()[:2], other]))
    with pytest.raises(EmulatorError, match="do not belong together") as caught:
        certificates_of(tmp_path)(IEEE, RANDOM.randint)
    assert other.split()[-1] not in str(caught.value)
    path.write_text(issued.to_text().replace("Device Implicit Cert", "Certificate"))
    with pytest.raises(EmulatorError, match="Device Implicit Cert: <96 hex digits>"):
        certificates_of(tmp_path)(IEEE, RANDOM.randint)


def test_an_authority_that_is_none_is_told(tmp_path: Path) -> None:
    assert certificates_of(tmp_path)(IEEE, RANDOM.randint) is None
    with pytest.raises(EmulatorError, match="no such folder"):
        certificates_of(tmp_path / "nothing")
    text = f"CA Private Key: {1:042x}\nCA Public Key: {sect163k1.written(sect163k1.multiple(2)).hex()}\n"
    with pytest.raises(EmulatorError, match="do not belong together"):
        Authority.parse(text)


def test_devices_have_installation_codes_that_their_keys_follow_from() -> None:
    code = install_code_of(IEEE)
    assert key_of(code) == link_key_of(IEEE) == InstallCode.from_bytes(code).link_key
    assert install_code_of(IEEE + 1) != code


async def test_a_stick_gives_its_devices_certificates_and_tells_their_codes(tmp_path: Path) -> None:
    authority_file(tmp_path)
    config = EzspConfig(devices=("smart-meter", "plug"), certificates=tmp_path)
    async with EzspEmulator(config) as stick:
        meter, _ = stick.devices
        assert isinstance(meter, SmartMeter)
        assert meter.keys.certificate is not None
        meter.keys.certificate.check(meter.ieee)
        assert "well_known_key" in stick.toml()  # for the plug
        console = Console(stick, lambda: None)
        rows = json.loads(console.answer("list").removeprefix("ok "))
        assert [row["install_code"] for row in rows] == [install_code_of(meter.ieee).hex(), None]
        shown = json.loads(console.answer("show 1").removeprefix("ok "))
        assert (shown["keys_established"], shown["keys_refused"]) == (0, None)
    async with EzspEmulator(EzspConfig(devices=("smart-meter",))) as stick:
        [meter] = stick.devices
        assert "well_known_key" not in stick.toml()
        assert "keys_established" not in meter.shown()


# -- over the air ------------------------------------------------------------------------------------------------------


class Host:
    """A stick that leaves key establishment to its host, which is the hub's own responder."""

    ieee = 0x0C4314FFFE010001
    leaves_keys_to_host = True

    def __init__(self, air: Air, authority: OurAuthority, subject: int = ieee) -> None:
        self.air = air
        made = authority.equip(Eui64(subject), RANDOM.randbytes(44), RANDOM.randbytes(44))
        self.own = Own(credentials=(made,), random=RANDOM.randbytes)
        self.responder: Responder | None = None
        self.lost: list[tuple[bool, int]] = []
        """Messages that get lost: to the host, command."""
        self.change: Callable[[int, bytes], bytes] = lambda command, payload: payload
        self.heard: list[tuple[int, bytes]] = []
        self.keys: list[bytes] = []
        self.sends: set[asyncio.Task[int]] = set()

    def receive(self, frame: AirFrame, lqi: int) -> None:
        if frame.cluster == 0x0006:
            self.say(frame, frame.payload[:1] + b"\x00\x00\x00\x01\x5e", cluster=0x8006)
        if frame.cluster != 0x0800 or self.is_lost(True, frame.payload[2]):
            return
        assert not frame.encrypted
        header, payload = zcl.read_header(frame.payload)
        self.heard.append((header.command, payload))
        place = self.air.place_of(frame.source)
        assert place is not None
        if self.responder is None:
            self.responder = Responder(self.own, Eui64(place.station.ieee))
        todo = list(self.responder.receive(header.command, payload, 0.0))
        while todo:
            match todo.pop(0):
                case Compute() as work:
                    todo += self.responder.computed(work.run(), 0.0)
                case Established() as done:
                    self.keys.append(done.link_key)
                case Send(command):
                    if not self.is_lost(False, command.COMMAND):
                        body = self.change(command.COMMAND, command.encode())
                        self.say(frame, zcl.frame(header.tsn, command.COMMAND, body, is_cluster=True))

    def is_lost(self, to_host: bool, command: int) -> bool:
        if (to_host, command) not in self.lost:
            return False
        self.lost.remove((to_host, command))
        return True

    def say(self, frame: AirFrame, payload: bytes, *, cluster: int | None = None) -> None:
        back = AirFrame(
            source=0, destination=frame.source, source_endpoint=frame.destination_endpoint,
            destination_endpoint=frame.source_endpoint, profile=frame.profile,
            cluster=frame.cluster if cluster is None else cluster, payload=payload,
        )  # fmt: skip
        task = asyncio.get_running_loop().create_task(self.air.send(back))
        self.sends.add(task)
        task.add_done_callback(self.sends.discard)

    def can_read(self, frame: AirFrame) -> bool:
        return True

    def admits(self, station: Station) -> bool:
        return True

    def authenticate(self, ieee: int) -> bool:
        raise AssertionError("its firmware establishes no keys")

    def joined(self, ieee: int, short: int, capability: int, *, rejoin: bool) -> None:
        return None

    def left(self, ieee: int, *, rejoin: bool) -> None:
        return None


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.emulators.se_keys.ANSWER_S", 0.1)
    monkeypatch.setattr("radios.emulators.se_keys.WAIT_S", 0)
    monkeypatch.setattr("radios.emulators.device.KEY_SEARCH_S", 0.01)
    monkeypatch.setattr("radios.emulators.device.KEY_SEARCH_AGAIN_S", 0.1)


@asynccontextmanager
async def with_host(folder: Path, *, other: bool = False, subject: int = Host.ieee) -> AsyncIterator[tuple[Host, Any]]:
    """A meter that joins a host; `other`: whose certificate is of another authority."""
    theirs = authority_file(folder)
    ours = OurAuthority(Suite.SECT163K1, SECT163K1.scalar(RANDOM.randbytes(44))) if other else theirs
    air = Air(random.Random(1), delay_s=0.0)
    host = Host(air, ours, subject)
    air.attach(host)
    air.channel = 15
    meter = make("smart-meter", 1, 1, Home(1, 0.0, 1.0, 0.0))
    assert isinstance(meter, SmartMeter)
    meter.link_key = link_key_of(meter.ieee)
    meter.keys.certificate = certificates_of(folder)(meter.ieee, RANDOM.randint)
    air.permit(60)
    assert air.join(meter)
    try:
        yield host, meter
    finally:
        air.close()


async def test_a_device_and_a_host_come_to_one_key(tmp_path: Path, quick: None) -> None:
    async with with_host(tmp_path) as (host, meter):
        await eventually(lambda: meter.is_authenticated)
        assert [meter.link_key] == host.keys
        assert [command for command, _ in host.heard] == [0, 1, 2]
        assert meter.shown()["keys_established"] == 1
        # It comes back with it, and starts from the beginning when it has left.
        host.air.drop(meter.ieee, rejoin=True)
        assert host.air.join(meter, rejoin=True)
        assert (meter.is_authenticated, [meter.link_key]) == (True, host.keys)
        host.air.drop(meter.ieee)
        assert (meter.is_authenticated, meter.link_key) == (False, link_key_of(meter.ieee))
        assert host.air.join(meter)
        await eventually(lambda: meter.is_authenticated)
        assert (len(host.keys), meter.link_key) == (2, host.keys[1])


@pytest.mark.parametrize("lost", [(way, command) for command in range(3) for way in (True, False)])
async def test_a_message_that_is_lost_is_one_more_try(tmp_path: Path, quick: None, lost: tuple[bool, int]) -> None:
    async with with_host(tmp_path) as (host, meter):
        host.lost.append(lost)
        await eventually(lambda: meter.is_authenticated)
        assert (host.lost, meter.link_key) == ([], host.keys[-1])
        assert [command for command, _ in host.heard][-3:] == [0, 1, 2]


async def test_another_authority_ends_it_with_the_proofs(tmp_path: Path, quick: None) -> None:
    async with with_host(tmp_path, other=True) as (host, meter):
        await eventually(lambda: meter.keys.refusal == "bad key confirm")
        assert (meter.is_authenticated, meter.link_key) == (False, link_key_of(meter.ieee))
        assert host.keys == []


async def test_an_endpoint_that_is_told_late_begins_nothing(tmp_path: Path, quick: None) -> None:
    async with with_host(tmp_path, other=True) as (host, meter):
        await eventually(lambda: meter.keys.refusal == "bad key confirm")
        begun = [command for command, _ in host.heard].count(0)
        meter.receive(
            AirFrame(
                source=0, destination=meter.short, source_endpoint=0, destination_endpoint=0, profile=0,
                cluster=0x8006, payload=bytes((0x77, 0, 0, 0, 1, 0x5E)),
            )
        )  # fmt: skip
        assert (meter.keys.refusal, meter.keys.is_running) == ("bad key confirm", False)
        assert [command for command, _ in host.heard].count(0) == begun


@pytest.mark.parametrize(
    ("command", "change", "reason"),
    [
        (0, lambda body: body[:-26] + bytes(8) + body[-18:], 3),  # a certificate for another address
        (0, lambda body: body[:-18] + b"NOBODY!!" + body[-10:], 1),
        (0, lambda body: b"\x02" + body[1:], 5),
        (0, lambda body: body[:-1], 3),
        (1, lambda body: body[:-1], 3),
        (1, lambda body: b"\x02\xff" + body[2:], 3),
        (2, lambda body: bytes(16), 2),
    ],
)
async def test_what_is_wrong_is_answered_with_the_reason(
    tmp_path: Path, quick: None, command: int, change: Callable[[bytes], bytes], reason: int
) -> None:
    async with with_host(tmp_path) as (host, meter):
        host.change = lambda number, body: change(body) if number == command else body
        await eventually(lambda: 3 in dict(host.heard))
        assert dict(host.heard)[3] == bytes((reason, 0, 1, 0))
        assert not meter.is_authenticated
        host.change = lambda number, body: body
        if reason == 3:  # that may be over by itself
            await eventually(lambda: meter.is_authenticated)
        else:
            assert meter.keys.refusal
            assert [number for number, _ in host.heard].count(0) == 1


async def test_a_device_waits_as_long_as_it_was_told(tmp_path: Path, quick: None) -> None:
    async with with_host(tmp_path) as (host, meter):
        host.lost.append((True, 0))
        await eventually(lambda: meter.keys.is_running)
        asked = AirFrame(
            source=meter.short, destination=0, source_endpoint=10, destination_endpoint=0x5E, profile=0x0109,
            cluster=0x0800, payload=b"",
        )  # fmt: skip
        begun = asyncio.get_running_loop().time()
        host.say(asked, b"\x09\x02\x03\x04\x01\x01\x00")  # no resources; in a second again
        await eventually(lambda: meter.is_authenticated)
        assert asyncio.get_running_loop().time() - begun >= 1.0


async def test_nothing_that_comes_breaks_an_exchange_that_is_over(tmp_path: Path, quick: None) -> None:
    async with with_host(tmp_path) as (host, meter):
        await eventually(lambda: meter.is_authenticated)
        asked = AirFrame(
            source=meter.short, destination=0, source_endpoint=10, destination_endpoint=0x5E, profile=0x0109,
            cluster=0x0800, payload=b"",
        )  # fmt: skip
        for payload in (b"\x09\x01\x03\x04\x00\x01\x00", b"\x09\x01\x00", b"\x09\x01\x01" + bytes(22), b"\x09\x01\x07"):
            host.say(asked, payload)
        await eventually(lambda: not host.sends)
        assert (meter.is_authenticated, meter.link_key, meter.keys.refusal) == (True, host.keys[-1], "")

"""Key establishment of emulated devices: their own arithmetic, by the profile's vectors and by that of the hub."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from protocols.ids import Eui64
from protocols.install_code import InstallCode
from protocols.se.binary_curve import PURE_PYTHON, SECT163K1
from protocols.se.ecqv import Authority as OurAuthority
from protocols.se.ecqv import Credentials
from protocols.se.key_establishment import Suite
from radios.emulators import sect163k1
from radios.emulators.certificates import Authority, Certificate, certificates_of, public_key
from radios.emulators.errors import EmulatorError
from radios.emulators.keyed_hash import key_of, keyed_hash, mmo_hash
from radios.emulators.se_keys import derive, shared_secret
from radios.emulators.stick import install_code_of, link_key_of

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

"""Certificates and the computation of key establishment: the profile's vectors, an authority's round trip, signatures.

The last test has libcrypto verify a signature, where it can.
"""

from __future__ import annotations

import ctypes
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocols.certificate import DeviceCertificate
from protocols.errors import RangeError, SignatureError
from protocols.ids import Eui64
from protocols.install_code import aes_mmo
from protocols.se import drlc, libcrypto
from protocols.se.binary_curve import PURE_PYTHON, SECT163K1, SECT283K1, Arithmetic, Point
from protocols.se.cbke import EstablishedKeys, KeyPair, Party, derive, hmac_mmo, same_mac, shared_secret
from protocols.se.ecqv import (
    CURVES,
    NO_END,
    Authority,
    Certificate1,
    Certificate2,
    Credentials,
    public_key,
    read_certificate,
    receive,
)
from protocols.se.event_signature import DUMMY, is_signed, sign_report, verify_report
from protocols.se.key_establishment import CERTIFICATE_SIZES, Suite

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "cbke.json").read_text())
EXCHANGES = GOLDEN["exchanges"]
LIBCRYPTO = libcrypto.find()
WAYS = [PURE_PYTHON, *([] if LIBCRYPTO is None else [LIBCRYPTO])]
SUITES = tuple(CURVES)
IEEE = Eui64(0x0013A20040AABBCC)

each_exchange = pytest.mark.parametrize("golden", EXCHANGES, ids=lambda golden: f"suite {golden['suite']}")
each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
each_suite = pytest.mark.parametrize("suite", SUITES, ids=lambda suite: CURVES[suite].name)


def credentials(golden: dict[str, Any], side: str) -> Credentials:
    parts = (golden["authority_key"], golden[side]["certificate"], golden[side]["private_key"])
    return Credentials.read(Suite(golden["suite"]), *map(bytes.fromhex, parts))


def seeds(count: int, suite: Suite, start: int = 1) -> list[bytes]:
    rng = random.Random(start)
    return [rng.randbytes(CURVES[suite].seed_size) for _ in range(count)]


# -- the vectors -------------------------------------------------------------------------------------------------------


def test_hash_and_mac_are_zigbees() -> None:
    for row in GOLDEN["mmo"]:
        assert aes_mmo(bytes.fromhex(row["data"])).hex() == row["hash"]
    for row in GOLDEN["hmac"]:
        assert hmac_mmo(bytes.fromhex(row["key"]), bytes.fromhex(row["data"])).hex() == row["mac"]
    with pytest.raises(RangeError, match="17 bytes"):
        hmac_mmo(bytes(17), b"")


@each_exchange
@each_way
def test_the_keys_of_the_certificates(golden: dict[str, Any], way: Arithmetic) -> None:
    for side in ("initiator", "responder"):
        found = credentials(golden, side)
        assert found.certificate.subject == Eui64.parse(golden[side]["ieee"])
        assert found.certificate.encode().hex() == golden[side]["certificate"]
        assert public_key(found.certificate, found.authority_key, way).encode().hex() == golden[side]["public_key"]
        found.check(way)


@pytest.mark.parametrize("golden", GOLDEN["certificates"], ids=lambda golden: f"suite {golden['suite']}")
def test_certificates_of_the_public_test_authority(golden: dict[str, Any]) -> None:
    parts = (golden["authority_key"], golden["certificate"], golden["private_key"])
    found = Credentials.read(Suite(golden["suite"]), *map(bytes.fromhex, parts))
    found.check()
    assert public_key(found.certificate, found.authority_key).encode().hex() == golden["public_key"]


@each_exchange
@each_way
def test_an_exchange_of_the_profile(golden: dict[str, Any], way: Arithmetic) -> None:
    curve = CURVES[Suite(golden["suite"])]
    keys, sides = {}, {}
    for side in ("initiator", "responder"):
        pair = KeyPair.make(int(golden[side]["ephemeral_private_key"], 16), curve.base, way)
        assert pair.public.encode().hex() == golden[side]["ephemeral_public_key"]
        keys[side], sides[side] = pair, Party(Eui64.parse(golden[side]["ieee"]), pair.public.encode())
    for ours, theirs in (("initiator", "responder"), ("responder", "initiator")):
        mine, other = credentials(golden, ours), credentials(golden, theirs)
        static = public_key(other.certificate, mine.authority_key, way)
        ephemeral = curve.read_point(bytes.fromhex(golden[theirs]["ephemeral_public_key"]))
        secret = shared_secret(mine.private_key, keys[ours], static, ephemeral, way)
        assert secret.hex() == golden["secret"]
        derived = derive(secret)
        assert derived.mac_key.hex() == golden["mac_key"]
        assert derived.link_key.hex() == golden["link_key"]
        assert derived.mac_u(sides["initiator"], sides["responder"]).hex() == golden["mac_u"]
        assert derived.mac_v(sides["initiator"], sides["responder"]).hex() == golden["mac_v"]


def test_the_attributes_of_the_profiles_certificates() -> None:
    first, second = (credentials(golden, "initiator").certificate for golden in EXCHANGES)
    assert isinstance(first, Certificate1)
    assert first.issuer == b"TESTSECA"
    assert first.attributes.hex() == "01090006000000000000"
    assert isinstance(second, Certificate2)
    assert second.issuer.hex() == "1112131415161718"
    assert (second.serial.hex(), second.valid_from, second.valid_s) == ("84a933b37f018dec", 0x005292A38A, NO_END)
    assert second.key_usage == 0x88


# -- certificates ------------------------------------------------------------------------------------------------------


@each_suite
def test_an_authoritys_certificates_fit_its_key(suite: Suite) -> None:
    curve = CURVES[suite]
    authority = Authority(suite, curve.scalar(seeds(1, suite)[0]))
    for number in range(5):
        made = authority.equip(Eui64(IEEE + number), *seeds(2, suite, number), serial=b"12345678", valid_from=1)
        made.check()
        wire = made.certificate.encode()
        assert len(wire) == CERTIFICATE_SIZES[suite]
        assert read_certificate(suite, wire) == made.certificate
        assert made.certificate.subject == IEEE + number
        again = Credentials.read(
            suite, authority.public_key.encode(), wire, made.private_key.to_bytes(curve.scalar_size, "big")
        )
        assert again == made
        for secret in (made, authority):
            assert str(secret.private_key) not in repr(secret)
            assert f"{secret.private_key:x}" not in repr(secret)


@each_suite
def test_who_asks_for_a_certificate_keeps_his_part(suite: Suite) -> None:
    curve = CURVES[suite]
    first, second, third = seeds(3, suite)
    authority = Authority(suite, curve.scalar(first))
    asking = KeyPair.make(curve.scalar(second), curve.base)
    certificate, data = authority.issue(IEEE, asking.public, third)
    assert receive(certificate, data, asking.private, authority.public_key).certificate == certificate
    with pytest.raises(RangeError, match="another one's"):
        receive(certificate, data + 1, asking.private, authority.public_key)
    cancelled = KeyPair.make(curve.order - curve.scalar(third), curve.base)
    with pytest.raises(RangeError, match="infinity"):
        authority.issue(IEEE, cancelled.public, third)


def test_what_an_authority_cannot_be() -> None:
    for private in (0, SECT163K1.order, -1):
        with pytest.raises(RangeError, match="out of range"):
            Authority(Suite.SECT163K1, private)
    with pytest.raises(RangeError, match="8 bytes"):
        Authority(Suite.SECT163K1, 1, b"SHORT")


@each_exchange
def test_a_certificate_that_is_changed_in_one_bit_has_another_key(golden: dict[str, Any]) -> None:
    suite, good = Suite(golden["suite"]), bytes.fromhex(golden["initiator"]["certificate"])
    authority = credentials(golden, "initiator").authority_key
    rng = random.Random(8)
    for _ in range(25):
        bad = bytearray(good)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        try:
            found = public_key(read_certificate(suite, bytes(bad)), authority)
        except RangeError:
            continue
        assert found.encode().hex() != golden["initiator"]["public_key"]
    for size in range(len(good)):
        with pytest.raises(RangeError, match="bytes"):
            read_certificate(suite, good[:size])
    with pytest.raises(RangeError, match="bytes"):
        read_certificate(suite, good + b"\0")


def test_a_certificate_of_suite_2_says_what_it_is_for() -> None:
    good = credentials(EXCHANGES[1], "initiator").certificate
    assert isinstance(good, Certificate2)
    for changed, said in (
        (replace(good, kind=1), "type"),
        (replace(good, curve=Certificate2.__dataclass_fields__["curve"].default.__class__(12)), "curve"),
        (replace(good, hash=good.hash.__class__(9)), "hash"),
        (replace(good, key_usage=0x80), "key usage"),
    ):
        with pytest.raises(RangeError, match=said):
            changed.check()
    replace(good, key_usage=0x08).check()


def test_credentials_that_do_not_belong_together_are_found() -> None:
    golden = EXCHANGES[0]
    mine, other = credentials(golden, "initiator"), credentials(golden, "responder")
    for wrong in (
        replace(mine, private_key=other.private_key),
        replace(mine, certificate=other.certificate),
        replace(mine, authority_key=SECT163K1.base),
    ):
        with pytest.raises(RangeError, match="another one's") as caught:
            wrong.check()
        assert str(wrong.private_key) not in str(caught.value)


def test_the_text_form_and_the_installed_form_are_the_same() -> None:
    golden = EXCHANGES[0]["responder"]
    device = DeviceCertificate.parse(
        f"CA Public Key: {EXCHANGES[0]['authority_key']}\n"
        f"Device Implicit Cert: {golden['certificate']}\n"
        f"Device Private Key: {golden['private_key']}\n"
    )
    found = Credentials.of(device)
    assert found == credentials(EXCHANGES[0], "responder")
    assert found.to_device_certificate() == device
    with pytest.raises(RangeError):
        credentials(EXCHANGES[1], "responder").to_device_certificate()


def test_a_certificate_whose_key_is_infinity_is_refused() -> None:
    certificate = credentials(EXCHANGES[0], "initiator").certificate
    e = int.from_bytes(aes_mmo(certificate.encode()), "big")
    authority = PURE_PYTHON.combine((SECT163K1.order - e, SECT163K1.read_point(certificate.point)))
    assert authority is not None
    with pytest.raises(RangeError, match="infinity"):
        public_key(certificate, authority)


# -- the secret --------------------------------------------------------------------------------------------------------


@each_suite
def test_both_sides_arrive_at_the_same_secret_and_others_do_not(suite: Suite) -> None:
    curve = CURVES[suite]
    a, b, x, y, c = (KeyPair.make(curve.scalar(seed), curve.base) for seed in seeds(5, suite))
    secret = shared_secret(a.private, x, b.public, y.public)
    assert secret == shared_secret(b.private, y, a.public, x.public)
    assert len(secret) == curve.field.size
    assert secret != shared_secret(c.private, x, b.public, y.public), "another static key"
    assert secret != shared_secret(a.private, c, b.public, y.public), "another ephemeral key"
    assert secret != shared_secret(a.private, x, y.public, b.public), "keys in another place"
    for way in WAYS:
        assert shared_secret(a.private, x, b.public, y.public, way) == secret
    assert str(a.private) not in repr(a)


def test_a_secret_at_infinity_is_refused() -> None:
    curve = SECT163K1
    ephemeral, theirs = KeyPair.make(5, curve.base), KeyPair.make(7, curve.base)
    bits = (curve.order.bit_length() + 1) // 2
    associate = theirs.public.x & (1 << bits) - 1 | 1 << bits
    # The other side's static key is chosen so that theirs + associate * static is infinity.
    static = KeyPair.make(-theirs.private * pow(associate, -1, curve.order) % curve.order, curve.base)
    with pytest.raises(RangeError, match="infinity"):
        shared_secret(3, ephemeral, static.public, theirs.public)
    with pytest.raises(RangeError, match="order"):
        KeyPair.make(curve.order, curve.base)


def test_keys_are_never_shown_and_proofs_are_of_one_side() -> None:
    keys = derive(b"secret")
    assert isinstance(keys, EstablishedKeys)
    assert repr(keys) == "EstablishedKeys()"
    u, v = Party(Eui64(2), b"u" * 22), Party(Eui64(1), b"v" * 22)
    macs = {keys.mac_u(u, v), keys.mac_u(v, u), keys.mac_v(u, v), keys.mac_v(v, u)}
    assert len(macs) == 4
    assert same_mac(keys.mac_u(u, v), keys.mac_u(u, v))
    assert not same_mac(keys.mac_u(u, v), keys.mac_v(u, v))


# -- signatures of reports ---------------------------------------------------------------------------------------------

REPORT = drlc.ReportEventStatus(
    issuer_event_id=0x1234,
    status=drlc.EventStatus.STARTED,
    status_time=0x2B5C0000,
    criticality_applied=drlc.Criticality.GREEN,
)
SIGNER = credentials(EXCHANGES[0], "initiator")
SEED = b"\x5a" * SECT163K1.seed_size


def test_a_report_is_signed_and_verified_with_the_key_of_the_certificate() -> None:
    key = public_key(SIGNER.certificate, SIGNER.authority_key)
    signed = sign_report(REPORT, SIGNER.private_key, SEED)
    assert signed.signature_type == drlc.SignatureType.ECDSA
    assert signed.signature is not None
    wire = signed.encode()
    assert len(wire) == 18 + 42
    assert wire[:17] == REPORT.encode()[:17]
    assert wire[17] == 1
    for way in WAYS:
        assert sign_report(REPORT, SIGNER.private_key, SEED, way) == signed
        verify_report(drlc.ReportEventStatus.decode(wire), key, way)
    assert sign_report(REPORT, SIGNER.private_key, SEED[::-1] + b"more").signature != signed.signature
    other = credentials(EXCHANGES[0], "responder")
    with pytest.raises(SignatureError, match="another's"):
        verify_report(signed, public_key(other.certificate, other.authority_key))


def test_every_changed_byte_of_a_signed_report_is_seen() -> None:
    key = public_key(SIGNER.certificate, SIGNER.authority_key)
    wire = sign_report(REPORT, SIGNER.private_key, SEED).encode()
    for place in range(len(wire)):
        bad = bytearray(wire)
        bad[place] ^= 0x40 if place != 17 else 0x03
        with pytest.raises(SignatureError) as caught:
            verify_report(drlc.ReportEventStatus.decode(bytes(bad)), key)
        assert wire[18:].hex() not in str(caught.value)


def test_what_is_no_signature() -> None:
    key, n = public_key(SIGNER.certificate, SIGNER.authority_key), SECT163K1.order
    signed = sign_report(REPORT, SIGNER.private_key, SEED)
    assert is_signed(signed)
    for signature in (DUMMY, bytes(42), None):
        unsigned = replace(signed, signature=signature)
        assert not is_signed(unsigned)
        with pytest.raises(SignatureError, match="not signed"):
            verify_report(unsigned, key)
    with pytest.raises(SignatureError, match="not signed"):
        verify_report(REPORT, key)
    assert signed.signature is not None
    for r, s in ((0, 1), (1, 0), (n, 1), (1, n)):
        halves = r.to_bytes(21, "big") + s.to_bytes(21, "big")
        with pytest.raises(SignatureError, match="out of range"):
            verify_report(replace(signed, signature=halves), key)


@pytest.mark.skipif(LIBCRYPTO is None, reason="this machine's libcrypto has no binary curves")
def test_libcrypto_verifies_our_signature() -> None:
    assert LIBCRYPTO is not None
    library, pointer = ctypes.CDLL(LIBCRYPTO.name), ctypes.c_void_p

    def call(name: str, *arguments: Any) -> Any:
        function = getattr(library, name)
        function.restype = ctypes.c_int if name in ("ECDSA_do_verify", "ECDSA_SIG_set0", "EC_KEY_oct2key") else pointer
        return function(*(pointer(one) if isinstance(one, int) and one > 1 << 20 else one for one in arguments))

    key: Point = public_key(SIGNER.certificate, SIGNER.authority_key)
    signed = sign_report(REPORT, SIGNER.private_key, SEED)
    assert signed.signature is not None
    digest = aes_mmo(signed.encode()[:18])
    owner = call("EC_KEY_new_by_curve_name", 721)
    octets = key.encode()
    assert call("EC_KEY_oct2key", owner, octets, len(octets), None) == 1
    for wrong in (False, True):
        halves = [signed.signature[:21], signed.signature[21:-1] + bytes((signed.signature[-1] ^ wrong,))]
        signature = call("ECDSA_SIG_new")
        numbers = [call("BN_bin2bn", half, len(half), None) for half in halves]
        assert call("ECDSA_SIG_set0", signature, *numbers) == 1
        assert call("ECDSA_do_verify", digest, len(digest), signature, owner) == (not wrong)
        call("ECDSA_SIG_free", signature)
    call("EC_KEY_free", owner)


def test_seeds_that_lead_nowhere_are_refused() -> None:
    class Nowhere:
        name = "always infinity"

        def combine(self, *terms: tuple[int, Point]) -> Point | None:
            return None

    with pytest.raises(RangeError, match="leads to 0"):
        sign_report(REPORT, SIGNER.private_key, SEED, Nowhere())
    with pytest.raises(RangeError, match="at least"):
        sign_report(REPORT, SIGNER.private_key, b"short")
    assert SECT283K1.seed_size > SECT163K1.seed_size

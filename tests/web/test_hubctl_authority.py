"""`hubctl certificate test-ca`: files alone, no hub."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from protocols.certificate import DeviceCertificate
from protocols.ids import Eui64
from protocols.se.ecqv import Certificate2, Credentials
from protocols.se.key_establishment import Suite
from protocols.se.key_exchange import Established, Initiator, Own, Responder, Send
from tests.web.hubctl_runs import Hubctl
from tests.web.hubctl_runs import alone as alone

IEEE = "0013a20040aabbcc"
TEST_CA = ("certificate", "test-ca")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def private_key(path: Path) -> str:
    found = re.search(r"Private Key: ([0-9a-f]+)", path.read_text())
    assert found is not None
    return found[1]


@pytest.fixture
def lab(alone: Hubctl, tmp_path: Path) -> Path:
    assert alone(*TEST_CA, "new", "lab").code == 0
    return tmp_path / "lab"


def test_an_authority_is_made_and_its_key_is_its_owners_alone(alone: Hubctl, tmp_path: Path) -> None:
    ran = alone(*TEST_CA, "new", "some/lab")
    key = tmp_path / "some" / "lab" / "test-ca.key"
    assert (ran.code, ran.err) == (0, "")
    assert mode(key) == 0o600
    assert mode(key.parent) == 0o700
    assert len(private_key(key)) == 42
    assert private_key(key) not in ran.out
    public = re.search("CA Public Key: (.*)", key.read_text())
    assert public is not None
    assert ran.out == f"some/lab/test-ca.key: a test authority with the public key {public[1]}\n"


def test_an_authority_is_not_written_over(alone: Hubctl, lab: Path) -> None:
    before = (lab / "test-ca.key").read_bytes()
    ran = alone(*TEST_CA, "new", "lab")
    assert ran.code == 1
    assert (
        ran.err == "hubctl: lab/test-ca.key is there already and stays as it is; say another place, or move it away\n"
    )
    assert (lab / "test-ca.key").read_bytes() == before


@pytest.mark.parametrize("spelling", [IEEE, IEEE.upper(), "00:13:a2:00:40:aa:bb:cc", f"0x{IEEE}"])
def test_a_certificate_is_issued_in_the_form_that_is_installed(alone: Hubctl, lab: Path, spelling: str) -> None:
    ran = alone(*TEST_CA, "issue", "lab", spelling)
    path = lab / f"{IEEE}.txt"
    assert (ran.code, ran.out, ran.err) == (0, f"lab/{IEEE}.txt: a test certificate for {IEEE}\n", "")
    assert mode(path) == 0o600
    found = DeviceCertificate.parse(path.read_text())
    assert found.subject == Eui64.parse(IEEE)
    assert found.is_test
    assert found.profile == 0x0109
    assert found.to_text() == path.read_text()
    Credentials.of(found).check()
    found.check_subject(Eui64.parse(IEEE))
    again = alone(*TEST_CA, "issue", "lab", spelling)
    assert again.code == 1
    assert "is there already" in again.err
    assert DeviceCertificate.parse(path.read_text()) == found


def test_an_authority_of_suite_2_beside_the_other(alone: Hubctl, lab: Path) -> None:
    ran = alone(*TEST_CA, "issue", "lab", IEEE, "--suite", "2")
    assert (ran.code, ran.err) == (
        3,
        "hubctl: no test authority in lab: `hubctl certificate test-ca new lab --suite 2` makes one\n",
    )
    assert alone(*TEST_CA, "new", "lab", "--suite", "2").code == 0
    assert mode(lab / "test-ca-2.key") == 0o600
    ran = alone(*TEST_CA, "issue", "lab", IEEE, "--suite", "2")
    path = lab / f"{IEEE}-2.txt"
    assert (ran.code, ran.out, mode(path)) == (0, f"lab/{IEEE}-2.txt: a test certificate for {IEEE}\n", 0o600)
    found = Credentials.parse(path.read_text())
    assert (found.suite, found.certificate.subject) == (Suite.SECT283K1, Eui64.parse(IEEE))
    assert isinstance(found.certificate, Certificate2)
    assert found.certificate.valid_from > 1_700_000_000
    found.check()
    assert alone(*TEST_CA, "issue", "lab", IEEE).code == 0
    assert Credentials.parse((lab / f"{IEEE}.txt").read_text()).suite == Suite.SECT163K1


def test_a_certificate_goes_where_it_is_said(alone: Hubctl, lab: Path, tmp_path: Path) -> None:
    assert alone(*TEST_CA, "issue", "lab", IEEE, "--out", "mine.txt").out.startswith("mine.txt: ")
    assert mode(tmp_path / "mine.txt") == 0o600
    assert not (lab / f"{IEEE}.txt").exists()
    piped = alone(*TEST_CA, "issue", "lab", IEEE, "--out", "-")
    assert piped.code == 0
    first, second = DeviceCertificate.parse(piped.out), DeviceCertificate.parse((tmp_path / "mine.txt").read_text())
    assert first.subject == second.subject
    assert first.authority_key == second.authority_key
    assert first.private_key != second.private_key
    for where in ("nowhere/mine.txt", "lab"):
        ran = alone(*TEST_CA, "issue", "lab", IEEE, "--out", where)
        assert ran.code in (1, 2)
        assert ran.err.startswith(f"hubctl: {where} ")


def test_two_devices_of_one_authority_establish_a_key(alone: Hubctl, lab: Path) -> None:
    sides = []
    for number in (1, 2):
        alone(*TEST_CA, "issue", "lab", f"{number:016x}", "--out", f"{number}.txt")
        credentials = Credentials.of(DeviceCertificate.parse(Path(f"{number}.txt").read_text()))
        sides.append(Own(credentials=(credentials,), random=lambda size: bytes(range(size))))
    u, v = Initiator(sides[0], Eui64(2)), Responder(sides[1], Eui64(1))
    keys, todo = [], [(u, one) for one in u.start(0)]
    while todo:
        side, one = todo.pop(0)
        if isinstance(one, Send):
            other = v if side is u else u
            todo += [(other, more) for more in other.receive(one.command.COMMAND, one.command.encode(), 0)]
        elif isinstance(one, Established):
            keys.append(one.link_key)
        else:
            assert hasattr(one, "run"), one
            todo += [(side, more) for more in side.computed(one.run(), 0)]
    assert len(keys) == 2
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "16 hex digits"),
        ("0013a20040aabb", "16 hex digits"),
        ("0013a20040aabbcg", "16 hex digits"),
        ("0" * 16, "no device's address"),
        ("f" * 16, "no device's address"),
    ],
)
def test_what_is_no_address_is_refused(alone: Hubctl, lab: Path, address: str, said: str) -> None:
    ran = alone(*TEST_CA, "issue", "lab", address)
    assert ran.code == 2
    assert said in ran.err
    assert [path.name for path in lab.iterdir()] == ["test-ca.key"]


def test_without_an_authority_it_is_said_how_to_make_one(alone: Hubctl) -> None:
    ran = alone(*TEST_CA, "issue", "nowhere", IEEE)
    assert ran.code == 3
    assert ran.err == "hubctl: no test authority in nowhere: `hubctl certificate test-ca new nowhere` makes one\n"


def test_a_key_file_that_is_damaged_is_refused_and_not_shown(alone: Hubctl, lab: Path) -> None:
    key = lab / "test-ca.key"
    good = key.read_text()
    secret = private_key(key)
    for wrong, said in (
        ("", "is not the key of a test authority"),
        (good.replace("CA Private Key", "Something"), "is not the key"),
        (good.replace(secret, secret[:-2]), "is not the key"),
        (good.replace(secret, "zz" + secret[2:]), "is not the key"),
        (good.replace(secret, "0" * 42), "is not the key"),
        (good.replace(secret, "f" * 42), "is not the key"),
        (good.replace(secret, secret[:-2] + f"{int(secret[-2:], 16) ^ 1:02x}"), "do not belong together"),
    ):
        key.write_text(wrong)
        ran = alone(*TEST_CA, "issue", "lab", IEEE)
        assert ran.code == 2
        assert said in ran.err
        assert secret[4:30] not in ran.err
    key.write_bytes(b"\xff\xfe")
    assert "is not the key" in alone(*TEST_CA, "issue", "lab", IEEE).err


def test_a_key_file_that_others_can_read_is_remarked(alone: Hubctl, lab: Path) -> None:
    (lab / "test-ca.key").chmod(0o644)
    ran = alone(*TEST_CA, "issue", "lab", IEEE)
    assert ran.code == 0
    assert ran.err == "lab/test-ca.key can be read by others than its owner: chmod 600 it\n"


def test_where_nothing_can_be_written(alone: Hubctl, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for where in ("file", "file/lab"):
        ran = alone(*TEST_CA, "new", where)
        assert ran.code == 2
        assert ran.err.startswith(f"hubctl: {where} cannot be made: ")
    (tmp_path / "odd" / "test-ca.key").mkdir(parents=True)
    assert alone(*TEST_CA, "issue", "odd", IEEE).code == 2


def test_a_disk_that_is_full_leaves_no_half_file(alone: Hubctl, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    ran = alone(*TEST_CA, "issue", "lab", IEEE)
    assert ran.code == 1
    assert ran.err == f"hubctl: lab/{IEEE}.txt cannot be written: No space left on device\n"
    assert not (lab / f"{IEEE}.txt").exists()


def test_help_names_both(alone: Hubctl) -> None:
    told = alone(*TEST_CA, "--help").out
    assert "new" in told
    assert "issue" in told

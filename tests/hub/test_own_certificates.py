"""Certificates that the hub keeps for a radio: files, every fault of which has a sentence of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import InvalidError, StorageError
from hub.zigbee.own_certificates import FOLDER, BestArithmetic, Held, OwnCertificates
from protocols.errors import RangeError
from protocols.se.binary_curve import PURE_PYTHON, SECT163K1
from protocols.se.ecqv import Credentials
from protocols.se.key_establishment import Suite
from tests.hub.zigbee_pair import BOTH, CENTRE, GUEST, authority, equip

ONE, TWO = BOTH


@pytest.fixture
def own(tmp_path: Path) -> OwnCertificates:
    return OwnCertificates(tmp_path, PURE_PYTHON)


def put(own: OwnCertificates, name: str, text: str, mode: int = 0o600) -> Path:
    folder = own.folder("han")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.touch(mode)
    path.write_text(text)
    return path


@pytest.mark.parametrize("suite", BOTH)
def test_the_text_form_tells_its_suite(suite: Suite) -> None:
    made = equip(CENTRE, suite)
    assert Credentials.parse(made.to_text()) == made
    assert f"{made.private_key:x}" not in repr(made)
    cut = made.to_text().replace(made.certificate.encode().hex(), made.certificate.encode().hex()[:-2])
    with pytest.raises(RangeError, match=r"48 bytes \(suite 1\) or 74 bytes \(suite 2\)"):
        Credentials.parse(cut)


async def test_one_of_each_suite_is_used(own: OwnCertificates) -> None:
    assert await own.load("han", CENTRE) == Held()
    one, two = equip(CENTRE, ONE), equip(CENTRE, TWO)
    second = put(own, "b.txt", two.to_text())
    first = put(own, "c.txt", one.to_text())
    held = await own.load("han", CENTRE)
    assert (held.credentials, held.files, held.problems) == ((one, two), (first, second), ())
    assert (held.of(ONE), held.of(TWO)) == (one, two)
    facts = held.facts()
    assert [(one.suite, one.subject, one.issuer, one.is_test, one.place) for one in facts] == [
        (1, CENTRE, b"TESTSECA", True, str(first)),
        (2, CENTRE, b"TESTSECA", True, str(second)),
    ]
    assert facts[0].valid_from is None
    assert facts[1].valid_from is not None
    assert facts[1].valid_until is None


async def test_what_is_wrong_is_told_and_the_others_are_used(
    own: OwnCertificates, caplog: pytest.LogCaptureFixture
) -> None:
    good, theirs = equip(CENTRE, ONE), equip(CENTRE, TWO, authority(TWO, 5))
    put(own, "1.txt", good.to_text())
    put(own, "2.txt", equip(CENTRE, ONE).to_text())
    put(own, "3.txt", equip(GUEST, ONE).to_text())
    put(own, "4.txt", equip(CENTRE, TWO).to_text(), 0o644)
    put(own, "5.txt", "nothing at all")
    other_key = equip(CENTRE, TWO).to_text().splitlines()[2]
    put(own, "6.txt", "\n".join([*theirs.to_text().splitlines()[:2], other_key]))
    put(own, "7.txt", good.to_text().replace("Private Key: ", "Private Key: zz"))
    (own.folder("han") / "8.txt").mkdir()
    put(own, "9.pem", "of no interest")
    held = await own.load("han", CENTRE)
    assert held.credentials == (good,)
    expected = (
        ("2.txt", "of suite 1, as 1.txt, which is used"),
        ("3.txt", f"for {GUEST}', allowed: one for {CENTRE}"),
        ("4.txt", "chmod 600"),
        ("5.txt", "without CA Public Key"),
        ("6.txt", "private key is"),
        ("7.txt", "not hex"),
        ("8.txt", "no regular file"),
    )
    assert len(held.problems) == len(expected)
    for problem, (name, said) in zip(held.problems, expected, strict=True):
        assert name in problem
        assert said in problem, problem
        assert problem in caplog.text
    for one in (good, theirs):
        assert f"{one.private_key:x}" not in caplog.text


async def test_a_certificate_is_installed_in_place_of_its_suites(own: OwnCertificates) -> None:
    put(own, "by-hand.txt", equip(CENTRE, ONE).to_text())
    two, one = equip(CENTRE, TWO), equip(CENTRE, ONE)
    await own.install("han", CENTRE, two.to_text())
    held = await own.install("han", CENTRE, one.to_text())
    assert (held.credentials, held.problems) == ((one, two), ())
    assert sorted(path.name for path in own.folder("han").iterdir()) == ["suite1.txt", "suite2.txt"]
    assert {path.stat().st_mode & 0o777 for path in held.files} == {0o600}
    await own.install("attic", GUEST, equip(GUEST, ONE).to_text())
    assert own.folder("attic").stat().st_mode & 0o777 == 0o700
    with pytest.raises(InvalidError, match=f"one for {CENTRE}, the address of this radio"):
        await own.install("han", CENTRE, equip(GUEST, ONE).to_text())
    assert (await own.load("han", CENTRE)).credentials == (one, two)
    await own.remove("han")
    assert await own.load("han", CENTRE) == Held()


async def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file")
    own = OwnCertificates(tmp_path, PURE_PYTHON)
    with pytest.raises(StorageError, match="cannot be written"):
        await own.install("han", CENTRE, equip(CENTRE, ONE).to_text())


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/etc", "Küche 2", "a\\b", "%2e"])
def test_a_radio_of_any_name_has_a_folder_of_its_own(own: OwnCertificates, name: str) -> None:
    folder = own.folder(name)
    assert folder.parent == own.folder("han").parent
    assert folder.name not in (".", "..")
    assert own.folder("a_b") != own.folder("a/b") != own.folder("a%2fb")


def test_the_best_arithmetic_computes_as_the_other_does() -> None:
    best = BestArithmetic()
    assert best.combine((5, SECT163K1.base)) == PURE_PYTHON.combine((5, SECT163K1.base))

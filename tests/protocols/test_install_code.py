"""Installation codes and link keys: the examples of the Smart Energy profile's annex, and ways to get them wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RangeError
from protocols.install_code import InstallCode, aes_mmo, crc16_x25, parse_link_key

EXAMPLES = [
    ("83FED3407A93 2B70", "CD4FA064773F46941EC986C09963D1A8"),
    ("83FED3407A939738 C552", "A833A77434F3BFBD7A7AB97942149287"),
    ("83FED3407A939723A5C639FF 4C12", "58C1828CF7F1C3FE29E7B1024AD84BFA"),
    ("83FED3407A939723A5C639B26916D505 C3B5", "66B6900981E1EE3CA4206B6B861C02BB"),
]
"""Smart Energy profile, annex with test vectors for installation codes."""


@pytest.mark.parametrize(("code", "key"), EXAMPLES)
def test_the_examples_of_the_profile(code: str, key: str) -> None:
    found = InstallCode.parse(code)
    assert found.link_key == bytes.fromhex(key)
    assert InstallCode.parse(code.replace(" ", "").lower()) == found
    assert InstallCode.parse("-".join(code.replace(" ", "")[at : at + 4] for at in range(0, len(code), 4))) == found
    assert InstallCode.from_bytes(found.to_bytes()) == found
    assert code[:6] not in repr(found)
    assert found.code.hex() not in repr(found)


def test_the_check_value_of_the_crc() -> None:
    assert crc16_x25(b"123456789") == 0x906E


@given(st.sampled_from((6, 8, 12, 16)).flatmap(lambda size: st.binary(min_size=size, max_size=size)), st.data())
def test_one_wrong_bit_is_found(code: bytes, data: st.DataObject) -> None:
    good = InstallCode(code).to_bytes()
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RangeError, match="not the CRC") as caught:
        InstallCode.from_bytes(bytes(bad))
    assert bytes(bad).hex() not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("83FED3407A93", "6 bytes (is the CRC missing?)"),
        ("83FED3407A939738", "not the CRC of the 6 before"),
        ("83FED3407A939723A5C639B26916D505", "16 bytes (is the CRC missing?)"),
        ("", "0 bytes"),
        ("123", "3 hex digits"),
        ("83FED3407A93 2B7G", "not hex at its digit 16"),
        ("83FED3407A93 2B71", "not the CRC"),
    ],
)
def test_what_is_wrong_is_said_without_the_code(text: str, said: str) -> None:
    with pytest.raises(RangeError) as caught:
        InstallCode.parse(text)
    assert said in str(caught.value)
    assert text not in str(caught.value) or not text


def test_lengths_that_are_no_code_have_no_key() -> None:
    with pytest.raises(RangeError, match="6, 8, 12 or 16 bytes"):
        InstallCode(b"1234567")


def test_link_keys_are_checked_and_not_shown() -> None:
    key = "00112233445566778899aabbccddeeff"
    assert parse_link_key(key.upper()) == bytes.fromhex(key)
    assert parse_link_key(":".join(key[at : at + 2] for at in range(0, 32, 2))) == bytes.fromhex(key)
    for bad, said in ((key[:-1], "31 characters"), (key[:-1] + "x", "not hex"), ("0" * 32, "all zero")):
        with pytest.raises(RangeError, match=said) as caught:
            parse_link_key(bad)
        assert key[:31] not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 13, 14, 15, 16, 17, 100, 8191, 8192, 8193, 20_000])
def test_a_hash_is_that_of_the_specification_at_each_border_of_its_padding(size: int) -> None:
    data = bytes(number * 7 & 0xFF for number in range(size))
    assert aes_mmo(data) == _hash_by_the_book(data)


def _hash_by_the_book(data: bytes) -> bytes:
    """Zigbee R21, B.6, bit by bit: a 1, zeros up to a border, and the number of bits in 16 or 48 bits."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    size = 8 * len(data)
    bits = f"{int.from_bytes(data, 'big'):0{size}b}" if data else ""
    bits += "1"
    if size < 2**16:
        while len(bits) % 128 != 112:
            bits += "0"
        bits += f"{size:016b}"
    else:
        while len(bits) % 128 != 80:
            bits += "0"
        bits += f"{size:032b}" + "0" * 16
    found = bytes(16)
    for at in range(0, len(bits), 128):
        block = int(bits[at : at + 128], 2)
        cipher = Cipher(algorithms.AES(found), modes.ECB()).encryptor().update(block.to_bytes(16, "big"))
        found = (int.from_bytes(cipher, "big") ^ block).to_bytes(16, "big")
    return found

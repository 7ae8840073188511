"""Device certificates: the authority's text form, and every part that may be wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.certificate import DeviceCertificate
from protocols.errors import RangeError
from protocols.ids import Eui64

IEEE = Eui64(0x0013A20040AABBCC)
AUTHORITY = "02" + "5a" * 21
IMPLICIT = "03" + "a5" * 21 + "0013a20040aabbcc" + b"TESTSECA".hex() + "01091234" + "00" * 6
PRIVATE = "01" + "7e" * 20
TEXT = f"""Certificate for a test

CA Public Key: {AUTHORITY}
Device Implicit Cert: {IMPLICIT}
Device Private Key: {PRIVATE}
Device Public Key: 03{"11" * 21}
"""


def test_the_text_form_is_read() -> None:
    found = DeviceCertificate.parse(TEXT)
    assert found.subject == IEEE
    assert found.is_test
    assert found.profile == 0x0109
    assert found.private_key.hex() == PRIVATE
    found.check_subject(IEEE)
    assert PRIVATE not in repr(found)
    assert str(found.private_key) not in repr(found)


def test_digits_may_go_on_in_the_next_line_and_names_vary() -> None:
    wrapped = TEXT.replace(IMPLICIT, f"\n  {IMPLICIT[:40]}\n  {IMPLICIT[40:]}").replace("CA Public Key", "CA Pub Key")
    assert DeviceCertificate.parse(wrapped) == DeviceCertificate.parse(TEXT)
    renamed = TEXT.replace("Device Private Key", "Private Key Reconstruction Data").replace("\n", "\r\n")
    assert DeviceCertificate.parse(renamed) == DeviceCertificate.parse(TEXT)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "without CA Public Key and Device Implicit Cert and Device Private Key"),
        (TEXT.replace("Device Private Key", "Nothing"), "without Device Private Key"),
        (TEXT.replace(PRIVATE, PRIVATE[:-2]), "Device Private Key is '20 bytes', allowed: 21 bytes"),
        (TEXT.replace(PRIVATE, PRIVATE[:-1]), "41 characters that are not hex"),
        (TEXT.replace(AUTHORITY, "04" + AUTHORITY[2:]), "CA Public Key is 'begins with 04'"),
        (TEXT.replace("01091234", "01041234"), "profile of the certificate is '0x0104'"),
        (TEXT + f"Device Private Key: {PRIVATE}\n", "there twice"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_shown(text: str, said: str) -> None:
    with pytest.raises(RangeError) as caught:
        DeviceCertificate.parse(text)
    assert said in str(caught.value)
    assert PRIVATE[:20] not in str(caught.value)


def test_a_certificate_for_another_device_is_refused_with_both_addresses() -> None:
    other = Eui64(0x0013A20040000001)
    with pytest.raises(RangeError, match=r"for 0013a20040aabbcc.*one for 0013a20040000001"):
        DeviceCertificate.parse(TEXT).check_subject(other)


@given(st.text(max_size=300))
def test_any_text_is_a_certificate_or_a_range_error(text: str) -> None:
    with pytest.raises(RangeError):
        DeviceCertificate.parse(text)

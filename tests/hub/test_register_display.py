"""Registers as the display of a meter shows them."""

from __future__ import annotations

import pytest

from hub.smart_energy.register_display import shown


@pytest.mark.parametrize(
    ("counts", "multiplier", "divisor", "formatting", "text"),
    [
        (8_120_456, 1, 1000, 0b0_0110_011, "008120.456"),
        (8_120_456, 1, 1000, 0b1_0110_011, "8120.456"),  # leading zeros are left away
        (8_120_459, 1, 1000, 0b1_0110_001, "8120.4"),  # cut, not rounded
        (999_999, 1, 1000, 0b0_0101_000, "00999"),
        (7, 1, 1000, 0b1_0110_011, "0.007"),
        (0, 1, 1, 0b0_0000_000, "0"),
        (123_456_789, 1, 1000, 0b0_0011_010, "123456.78"),  # more digits than the display has
        (5, 10, 3, 0b1_0001_010, "16.66"),
        (-1500, 1, 1000, 0b0_0010_011, "-01.500"),
        ((1 << 48) - 2, 1, 1, 0b1_1111_111, "281474976710654.0000000"),
    ],
)
def test_formatting_says_which_digits(counts: int, multiplier: int, divisor: int, formatting: int, text: str) -> None:
    assert shown(counts, multiplier, divisor, formatting) == text

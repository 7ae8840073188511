"""A register as the meter itself shows it, digit by digit: what people read who stand before it (SE 1.1b, D.3.2.2.4).

Formatting concerns displays alone: how many digits stand behind the point and before it, and whether leading zeros are
left away. What is behind the last digit is cut, as counters do, not rounded. Pure.
"""

from __future__ import annotations

RIGHT, LEFT_SHIFT, LEFT, SUPPRESS = 0x07, 3, 0x0F, 0x80
"""Of the formatting byte: digits behind the point, digits before it, leading zeros are left away."""
UNITS = {
    0: "kWh", 1: "m³", 2: "ft³", 3: "ccf", 4: "US gal", 5: "imp gal", 6: "BTU", 7: "l", 10: "mcf", 12: "MJ",
    13: "kvarh",
}  # fmt: skip
"""Unit of Measure, without its BCD bit."""


def shown(counts: int, multiplier: int, divisor: int, formatting: int) -> str:
    """The digits of a register. A number with more digits than the display has is shown whole."""
    right, left = formatting & RIGHT, formatting >> LEFT_SHIFT & LEFT
    digits = str(abs(counts) * multiplier * 10**right // divisor).rjust(right + 1, "0")
    before, behind = (digits[:-right], digits[-right:]) if right else (digits, "")
    if not formatting & SUPPRESS:
        before = before.rjust(left, "0")
    return f"{'-' if counts < 0 else ''}{before}{'.' if right else ''}{behind}"

"""The curve sect163k1 (SEC 2, 3.2.1) for emulated devices: y^2 + xy = x^3 + x^2 + 1 over GF(2^163).

An element of the field is an integer with one byte for each coefficient, 0 or 1. So the product of two integers is that
of the polynomials: a byte sums up 163 terms at most, none runs over into the next one, and its lowest bit is what is
wanted. A multiple of a point takes some milliseconds, and not always the same ones: these devices have no secrets.
"""

from __future__ import annotations

from radios.emulators.errors import EmulatorError

DEGREE = 163
ORDER = 0x04_00000000_00000000_00020108_A2E0CC0D_99F8A5EF
"""Of the base point, a prime."""
COFACTOR = 2
COORDINATE_SIZE, POINT_SIZE = 21, 22
"""Bytes of a coordinate, and of a compressed point."""

_BYTES = 8
_WIDTH = _BYTES * DEGREE
_ELEMENT = (1 << _WIDTH) - 1
_COEFFICIENTS = int.from_bytes(b"\x01" * (2 * DEGREE), "little")
"""The lowest bit of each byte of a product."""
_ONE = 1

Point = tuple[int, int]
"""Not infinity."""


def _element(bits: int) -> int:
    return int.from_bytes(f"{bits:b}".encode(), "big") & _COEFFICIENTS


def _bits(element: int) -> int:
    return int(bytes(coefficient | 0x30 for coefficient in element.to_bytes(DEGREE, "big")), 2)


def _fold(high: int) -> int:
    """x^163 = x^7 + x^6 + x^3 + 1."""
    return high ^ high << 3 * _BYTES ^ high << 6 * _BYTES ^ high << 7 * _BYTES


def _times(a: int, b: int) -> int:
    product = a * b & _COEFFICIENTS
    product = product & _ELEMENT ^ _fold(product >> _WIDTH)
    return product & _ELEMENT ^ _fold(product >> _WIDTH)


def _over(a: int, b: int) -> int:
    """a / b, which is a * b^(2^163 - 2)."""
    power = b
    for _ in range(DEGREE - 2):
        power = _times(_times(power, power), b)
    return _times(a, _times(power, power))


BASE: Point = (
    _element(0x02_FE13C053_7BBC11AC_AA07D793_DE4E6D5E_5C94EEE8),
    _element(0x02_89070FB0_5D38FF58_321F2E80_0536D538_CCDAA3D9),
)


def coordinate(point: Point) -> int:
    """x, as a number."""
    return _bits(point[0])


def plus(one: Point, other: Point) -> Point:
    """The sum of two points. Raises `EmulatorError` when that is infinity."""
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 != y2 or not x1):
        raise EmulatorError("the sum of two points is infinity")
    slope = x1 ^ _over(y1, x1) if x1 == x2 else _over(y1 ^ y2, x1 ^ x2)
    x3 = _times(slope, slope) ^ slope ^ x1 ^ x2 ^ _ONE
    return x3, _times(slope, x1 ^ x3) ^ x3 ^ y1


def multiple(factor: int, point: Point = BASE) -> Point:
    """`factor` times a point. Raises `EmulatorError` when that is infinity.

    A ladder over x alone (Lopez and Dahab, "Fast multiplication on elliptic curves over GF(2^m)"): `low` is always as
    many times the point as the bits so far say, `high` once more; both are fractions, top and bottom.
    """
    x, y = point
    if factor < 2 or not x:
        if factor == 1:
            return point
        raise EmulatorError("a multiple of a point is infinity")
    square = _times(x, x)
    low, high = (x, _ONE), (_times(square, square) ^ _ONE, square)
    for bit in f"{factor:b}"[1:]:
        cross, other = _times(low[0], high[1]), _times(high[0], low[1])
        bottom = _times(cross ^ other, cross ^ other)
        total = _times(x, bottom) ^ _times(cross, other), bottom
        top, bottom = (_times(part, part) for part in (low if bit == "0" else high))
        double = _times(top, top) ^ _times(bottom, bottom), _times(top, bottom)
        low, high = (double, total) if bit == "0" else (total, double)
    if not low[1]:
        raise EmulatorError("a multiple of a point is infinity")
    if not high[1]:
        return x, x ^ y  # once more is infinity
    x1, x2 = _over(*low), _over(*high)
    rest = _times(x1 ^ x, x2 ^ x) ^ square ^ y
    return x1, _over(_times(x1 ^ x, rest), x) ^ y


def written(point: Point) -> bytes:
    """Compressed: a bit of y / x, and x."""
    x, y = point
    return bytes((2 + (_over(y, x) & 1),)) + _bits(x).to_bytes(COORDINATE_SIZE, "big")


def read(data: bytes) -> Point:
    """A compressed point. Raises `EmulatorError` for what is none."""
    bits = int.from_bytes(data[1:], "big")
    if len(data) != POINT_SIZE or data[0] not in (2, 3) or not bits or bits >> DEGREE:
        raise EmulatorError(f"{data.hex()} is no compressed point of sect163k1")
    x = _element(bits)
    right = x ^ _ONE ^ _over(_ONE, _times(x, x))
    half, power = right, right
    for _ in range(DEGREE // 2):
        for _ in range(2):
            power = _times(power, power)
        half ^= power
    if _times(half, half) ^ half != right:
        raise EmulatorError(f"{data.hex()} is not on sect163k1")
    if half & 1 != data[0] & 1:
        half ^= _ONE
    return x, _times(x, half)

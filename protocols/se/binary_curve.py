"""The Koblitz curves sect163k1 and sect283k1 (SEC 2, 3.2.1 and 3.5.1): points, and sums of multiples of points.

y^2 + xy = x^3 + ax^2 + 1 over GF(2^m), with a = 0 or 1. Squaring both coordinates of a point, the Frobenius map tau,
is nearly free and takes points to points, with tau^2 + 2 = mu * tau: scalars are written to the base of tau, not two
(Solinas, "Efficient arithmetic on Koblitz curves"), and no point need be doubled.

A `Point` that comes from outside has been checked whole: on the curve, not infinity, of the base point's order. Not in
constant time, as `protocols.se.binary_field` says.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final, Protocol

from protocols.errors import RangeError
from protocols.se.binary_field import GF163, GF283, BinaryField

SEED_EXTRA: Final = 8
"""Random bytes beyond the order's size: what is made of them is as good as evenly spread (FIPS 186-4, B.4.1)."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A Koblitz curve and its base point, of prime order."""

    name: str
    field: BinaryField
    a: int
    """0 or 1."""
    order: int
    generator: tuple[int, int]
    """The coordinates of `base`."""
    base: Point = dataclasses.field(init=False)
    period: tuple[int, int] = dataclasses.field(init=False)
    """(tau^m - 1) / (tau - 1) as c + d * tau: what takes every point of that order to infinity."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", Point(self, *self.generator))
        c = d = 0
        for _ in range(self.field.degree):
            c, d = 1 - 2 * d, c + self.mu * d
        object.__setattr__(self, "period", (c, d))

    def __repr__(self) -> str:
        return self.name

    @property
    def cofactor(self) -> int:
        """How many times more points there are than multiples of the base point."""
        return 2 if self.a else 4

    @property
    def mu(self) -> int:
        """The trace of the Frobenius map, 1 or -1."""
        return 1 if self.a else -1

    @property
    def point_size(self) -> int:
        """Bytes of a compressed point."""
        return 1 + self.field.size

    @property
    def scalar_size(self) -> int:
        """Bytes of a private key."""
        return (self.order.bit_length() + 7) // 8

    @property
    def seed_size(self) -> int:
        """Random bytes that `scalar` needs."""
        return self.scalar_size + SEED_EXTRA

    def scalar(self, seed: bytes) -> int:
        """A private key, 1 to the order - 1, of random bytes. Raises `RangeError` for too few."""
        if len(seed) < self.seed_size:
            raise RangeError("random seed", f"{len(seed)} bytes", f"at least {self.seed_size}")
        return 1 + int.from_bytes(seed, "big") % (self.order - 1)

    def read_scalar(self, data: bytes) -> int:
        """A private key of its bytes. Raises `RangeError`, which never shows it."""
        found = int.from_bytes(data, "big")
        if len(data) != self.scalar_size or not 0 < found < self.order:
            raise RangeError(
                "private key", f"{len(data)} bytes", f"{self.scalar_size} bytes, from 1 to the order of {self.name} - 1"
            )
        return found

    def contains(self, x: int, y: int) -> bool:
        """Whether (x, y) is a point of the curve."""
        gf = self.field
        if x >> gf.degree or y >> gf.degree:
            return False
        xx = gf.square(x)
        return gf.square(y) ^ gf.multiply(x, y) == gf.multiply(xx, x) ^ (xx if self.a else 0) ^ 1

    def has_order(self, x: int, y: int) -> bool:
        """Whether a point of the curve is a multiple of the base point, as all but one in `cofactor` are not.

        Those are the points that can be halved as often as two divides the cofactor, because the points whose order
        is a power of two form a cyclic group. (u, v) can be halved when Tr(u) = Tr(a), and a slope l gives its half:
        l^2 + l = u + a, x^2 = v + u * (l + 1), Tr(x) = Tr(x^2). Which of the two halves is taken makes no difference.
        """
        gf = self.field
        if gf.trace(x) != gf.trace(self.a):
            return False
        if self.cofactor == 2:
            return True
        slope = gf.half_trace(x ^ self.a)
        return gf.trace(y ^ gf.multiply(x, slope ^ 1)) == gf.trace(self.a)

    def point(self, x: int, y: int) -> Point:
        """A point of the base point's order. Raises `RangeError`."""
        if not self.contains(x, y):
            raise RangeError("point", "not on the curve", f"a point of {self.name}")
        if not x or not self.has_order(x, y):
            raise RangeError(
                "point", "of a small or another order", f"a point of {self.name} of its base point's order"
            )
        return Point(self, x, y)

    def read_point(self, data: bytes) -> Point:
        """A compressed point, checked whole (SEC 1, 2.3.4 and 3.2.2.1). Raises `RangeError`."""
        gf = self.field
        if len(data) != self.point_size:
            raise RangeError("point", f"{len(data)} bytes", f"{self.point_size} bytes: compressed, of {self.name}")
        if data[0] not in (2, 3):
            raise RangeError("point", f"begins with {data[0]:02x}", "02 or 03: a compressed point, not infinity")
        x = int.from_bytes(data[1:], "big")
        if x >> gf.degree:
            raise RangeError("point", "a coordinate that is too large", f"{gf.degree} bits")
        if not x:
            raise RangeError("point", "of order 2", f"a point of {self.name} of its base point's order")
        right = x ^ self.a ^ gf.square(gf.inverse(x))
        if gf.trace(right):
            raise RangeError("point", "not on the curve", f"a point of {self.name}")
        z = gf.half_trace(right)
        return self.point(x, gf.multiply(x, z ^ (z ^ data[0]) & 1))


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve that is not infinity."""

    curve: Curve
    x: int
    y: int

    def encode(self) -> bytes:
        """Compressed (SEC 1, 2.3.3)."""
        gf = self.curve.field
        odd = gf.multiply(self.y, gf.inverse(self.x)) & 1 if self.x else 0
        return bytes((2 + odd,)) + self.x.to_bytes(gf.size, "big")

    def __neg__(self) -> Point:
        return Point(self.curve, self.x, self.x ^ self.y)


class Arithmetic(Protocol):
    """Who computes with points: this module, or a library that is quicker."""

    name: str

    def combine(self, *terms: tuple[int, Point]) -> Point | None:
        """The sum of k * P over the terms (k, P), of one curve and of the base point's order; None is infinity."""
        ...


class PurePython:
    """The arithmetic of this module."""

    name = "pure Python"

    def combine(self, *terms: tuple[int, Point]) -> Point | None:
        """See `Arithmetic`."""
        curve = terms[0][1].curve
        square = curve.field.square
        points = []
        for scalar, point in terms:
            if point.curve is not curve:
                raise ValueError(f"points of {curve} and {point.curve}")
            x, y = point.x, point.y
            for digit in expand(curve, scalar):
                if digit:
                    points.append((x, y if digit > 0 else x ^ y))
                x, y = square(x), square(y)
        while len(points) > 1:
            points = _add_pairs(curve, points)
        return Point(curve, *points[0]) if points else None


PURE_PYTHON: Final = PurePython()


def expand(curve: Curve, scalar: int) -> list[int]:
    """`scalar` to the base of tau, lowest first: digits -1, 0 and 1 of which no two neighbours are both not 0.

    It is as long as the field's degree, for which `scalar` is first reduced modulo `period`: good for points of the
    base point's order and for no other.
    """
    mu, n = curve.mu, curve.order
    c, d = curve.period
    # The quotient scalar / period, rounded: scalar * conjugate(period) / norm(period), and that norm is the order.
    q, r = ((2 * scalar * part + n) // (2 * n) for part in (c + mu * d, -d))
    low, high = scalar - (q * c - 2 * r * d), -(q * d + r * c + mu * r * d)
    digits = []
    while low or high:
        digit = 2 - (low - 2 * high) % 4 if low & 1 else 0
        digits.append(digit)
        half = (low - digit) // 2
        low, high = high + mu * half, -half
    return digits


def _add_pairs(curve: Curve, points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Half as many points with the same sum: the first and second added, the third and fourth ... (SEC 1, 2.2.2).

    All additions divide at once: one inverse costs as much as six products, and three products stand for each other.
    """
    gf, a = curve.field, curve.a
    multiply, square = gf.multiply, gf.square
    sums: list[tuple[int, int, int, int, int]] = []
    products, product = [], 1
    for (x1, y1), (x2, y2) in zip(points[::2], points[1::2], strict=False):
        run, rise = x1 ^ x2, y1 ^ y2
        if not run:
            if rise or not x1:
                continue  # infinity
            run, rise = x1, square(x1) ^ y1
        sums.append((x1, y1, x2, run, rise))
        products.append(product)
        product = multiply(product, run)
    found = points[-1:] if len(points) % 2 else []
    inverse = gf.inverse(product)
    for (x1, y1, x2, run, rise), before in zip(reversed(sums), reversed(products), strict=True):
        slope = multiply(rise, multiply(inverse, before))
        inverse = multiply(inverse, run)
        x3 = square(slope) ^ slope ^ x1 ^ x2 ^ a
        found.append((x3, multiply(slope, x1 ^ x3) ^ x3 ^ y1))
    return found


SECT163K1: Final = Curve(
    "sect163k1",
    GF163,
    a=1,
    order=0x04_00000000_00000000_00020108_A2E0CC0D_99F8A5EF,
    generator=(0x02_FE13C053_7BBC11AC_AA07D793_DE4E6D5E_5C94EEE8, 0x02_89070FB0_5D38FF58_321F2E80_0536D538_CCDAA3D9),
)
SECT283K1: Final = Curve(
    "sect283k1",
    GF283,
    a=0,
    order=0x01FFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFE9AE_2ED07577_265DFF7F_94451E06_1E163C61,
    generator=(
        0x0503213F_78CA4488_3F1A3B81_62F188E5_53CD265F_23C1567A_16876913_B0C2AC24_58492836,
        0x01CCDA38_0F1C9E31_8D90F95D_07E5426F_E87E45C0_E8184698_E4596236_4E341161_77DD2259,
    ),
)

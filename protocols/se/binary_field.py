"""Binary fields GF(2^m) in polynomial basis: elements are integers, bit i the coefficient of z^i (SEC 1, 2.1.2).

Addition is `^`. Nothing here takes the same time for all values, so who can measure how long a computation takes may
learn about its secrets: good for a laboratory and a home's hub, not for a device that strangers hold in their hands.
"""

from __future__ import annotations

from typing import Final

from protocols.errors import RangeError


class BinaryField:
    """GF(2^degree) modulo z^degree + the sum of z^i over `tail`, whose highest exponent is small and whose lowest is 0.

    `traced` are the i with Tr(z^i) = 1; the trace of an element is the parity of its bits there.
    """

    __slots__ = ("_high", "_low", "_mask", "_middle", "_traced", "degree", "modulus", "size")

    def __init__(self, degree: int, tail: tuple[int, int, int, int], traced: tuple[int, ...]) -> None:
        high, middle, low, zero = tail
        if not degree / 2 > high > middle > low > zero == 0 or degree % 2 == 0:
            raise RangeError("reduction polynomial", (degree, *tail), "a sparse pentanomial of odd degree")
        self.degree: Final = degree
        self.modulus: Final = 1 << degree | 1 << high | 1 << middle | 1 << low | 1
        self.size: Final = (degree + 7) // 8
        """Bytes of an element."""
        self._high, self._middle, self._low = high, middle, low
        self._mask = (1 << degree) - 1
        self._traced = sum(1 << place for place in traced)

    def reduce(self, value: int) -> int:
        """A product of two elements, reduced."""
        # Twice: what the first step leaves above z^degree is shorter than the highest exponent of the tail.
        over = value >> self.degree
        value = value & self._mask ^ over ^ over << self._low ^ over << self._middle ^ over << self._high
        over = value >> self.degree
        return value & self._mask ^ over ^ over << self._low ^ over << self._middle ^ over << self._high

    def multiply(self, a: int, b: int) -> int:
        """a * b."""
        # Four bits of b at a time; all multiples of a by polynomials of degree below four.
        a2, a4, a8 = a << 1, a << 2, a << 3
        a3, a12 = a2 ^ a, a8 ^ a4
        multiples = (
            *(0, a, a2, a3, a4, a4 ^ a, a4 ^ a2, a4 ^ a3),
            *(a8, a8 ^ a, a8 ^ a2, a8 ^ a3, a12, a12 ^ a, a12 ^ a2, a12 ^ a3),
        )
        found = 0
        for byte in b.to_bytes(self.size, "big"):
            found = found << 8 ^ multiples[byte >> 4] << 4 ^ multiples[byte & 15]
        over = found >> self.degree
        found = found & self._mask ^ over ^ over << self._low ^ over << self._middle ^ over << self._high
        over = found >> self.degree
        return found & self._mask ^ over ^ over << self._low ^ over << self._middle ^ over << self._high

    def square(self, a: int) -> int:
        """a * a."""
        # The square has the bits of a with a zero between each two: their digits read to the base of four.
        found = int(f"{a:b}", 4)
        over = found >> self.degree
        found = found & self._mask ^ over ^ over << self._low ^ over << self._middle ^ over << self._high
        over = found >> self.degree
        return found & self._mask ^ over ^ over << self._low ^ over << self._middle ^ over << self._high

    def inverse(self, a: int) -> int:
        """1 / a, by the extended Euclidean algorithm. Raises `ZeroDivisionError`."""
        if not a:
            raise ZeroDivisionError("0 has no inverse")
        u, v, found, other = a, self.modulus, 1, 0
        while u != 1:
            shift = u.bit_length() - v.bit_length()
            if shift < 0:
                u, v, found, other, shift = v, u, other, found, -shift
            u ^= v << shift
            found ^= other << shift
        return self.reduce(found)

    def trace(self, a: int) -> int:
        """Tr(a), 0 or 1; that of a square is its root's."""
        return (a & self._traced).bit_count() & 1

    def half_trace(self, a: int) -> int:
        """One z with z^2 + z = a, the other being z + 1; for an a whose trace is 0."""
        found = a
        for _ in range((self.degree - 1) // 2):
            found = self.square(self.square(found)) ^ a
        return found


GF163: Final = BinaryField(163, (7, 6, 3, 0), traced=(0, 157))
GF283: Final = BinaryField(283, (12, 7, 5, 0), traced=(0, 271))

"""OpenSSL's libcrypto as `Arithmetic`: the same sums of multiples of points, some ten times quicker.

Many builds have no curves over binary fields (`no-ec2m`, FIPS), so it has to be looked for: `find`. Called through
ctypes; no header is needed, and no memory of libcrypto outlives a call but the two curves'.
"""

from __future__ import annotations

import ctypes
from typing import Final

from protocols.se.binary_curve import PURE_PYTHON, SECT163K1, SECT283K1, Curve, Point

NAMES: Final = ("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so.4")
"""With their versions: what an unversioned name would load is not known, and on macOS that kills the process."""
CURVE_NUMBERS: Final = {SECT163K1: 721, SECT283K1: 729}
"""NID_sect163k1 and NID_sect283k1 (obj_mac.h)."""

_POINTER = ctypes.c_void_p
_FUNCTIONS: Final = {
    "BN_bin2bn": (_POINTER, ctypes.c_char_p, ctypes.c_int, _POINTER),
    "BN_bn2binpad": (ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_int),
    "BN_clear_free": (None, _POINTER),
    "EC_GROUP_new_by_curve_name": (_POINTER, ctypes.c_int),
    "EC_POINT_new": (_POINTER, _POINTER),
    "EC_POINT_clear_free": (None, _POINTER),
    "EC_POINT_set_affine_coordinates": (ctypes.c_int, *[_POINTER] * 5),
    "EC_POINT_get_affine_coordinates": (ctypes.c_int, *[_POINTER] * 5),
    "EC_POINT_mul": (ctypes.c_int, *[_POINTER] * 6),
    "EC_POINT_add": (ctypes.c_int, *[_POINTER] * 5),
    "EC_POINT_is_at_infinity": (ctypes.c_int, *[_POINTER] * 2),
    "ERR_clear_error": (None,),
}
"""What it returns, then what it takes."""


class LibcryptoError(RuntimeError):
    """libcrypto refused what it should not: no memory, or a fault of ours."""


class Libcrypto:
    """See `Arithmetic`. Threads may share it."""

    def __init__(self, name: str) -> None:
        """`name` is the library's. Raises `OSError` where there is none, `LibcryptoError` where it lacks the curves."""
        library = ctypes.CDLL(name)
        try:
            for function, (result, *arguments) in _FUNCTIONS.items():
                found = getattr(library, function)
                found.restype, found.argtypes = result, arguments
        except AttributeError as error:
            raise LibcryptoError(f"{name} is no libcrypto that we know: {error}") from None
        self.name = name
        self._library = library
        self._groups: dict[Curve, int] = {}
        for curve, number in CURVE_NUMBERS.items():
            group = library.EC_GROUP_new_by_curve_name(number)
            if not group:
                library.ERR_clear_error()
                raise LibcryptoError(f"{name} was built without {curve}")
            self._groups[curve] = group
            if self.combine((3, curve.base)) != PURE_PYTHON.combine((3, curve.base)):
                raise LibcryptoError(f"{name} computes another {curve}")

    def combine(self, *terms: tuple[int, Point]) -> Point | None:
        """See `Arithmetic`."""
        curve = terms[0][1].curve
        with _Call(self._library, self._groups[curve], curve) as call:
            return call.combine(terms)


def find() -> Libcrypto | None:
    """The first libcrypto of this machine that has both curves and computes on them as we do; None: there is none."""
    for name in NAMES:
        try:
            return Libcrypto(name)
        except (OSError, LibcryptoError):
            continue
    return None


class _Call:
    """What one call allocates; cleared and freed when it ends."""

    def __init__(self, library: ctypes.CDLL, group: int, curve: Curve) -> None:
        self._library, self._group, self._curve = library, group, curve
        self._numbers: list[int] = []
        self._points: list[int] = []

    def __enter__(self) -> _Call:
        return self

    def __exit__(self, *exc: object) -> None:
        for number in self._numbers:
            self._library.BN_clear_free(number)
        for point in self._points:
            self._library.EC_POINT_clear_free(point)
        self._library.ERR_clear_error()

    def combine(self, terms: tuple[tuple[int, Point], ...]) -> Point | None:
        library, group = self._library, self._group
        total, one = self._point(), self._point()
        for number, (scalar, point) in enumerate(terms):
            if point.curve is not self._curve:
                raise ValueError(f"points of {self._curve} and {point.curve}")
            times = self._number(scalar % self._curve.order)
            target = one if number else total
            if point == self._curve.base:
                self._check(library.EC_POINT_mul(group, target, times, None, None, None))
            else:
                self._check(library.EC_POINT_mul(group, target, None, self._point(point), times, None))
            if number:
                self._check(library.EC_POINT_add(group, total, total, one, None))
        if library.EC_POINT_is_at_infinity(group, total):
            return None
        x, y = self._number(0), self._number(0)
        self._check(library.EC_POINT_get_affine_coordinates(group, total, x, y, None))
        return Point(self._curve, self._value(x), self._value(y))

    def _number(self, value: int) -> int:
        size = max(self._curve.field.size, self._curve.scalar_size)
        found: int | None = self._library.BN_bin2bn(value.to_bytes(size, "big"), size, None)
        if not found:
            raise LibcryptoError("BN_bin2bn")
        self._numbers.append(found)
        return found

    def _value(self, number: int) -> int:
        size = self._curve.field.size
        found = ctypes.create_string_buffer(size)
        self._check(self._library.BN_bn2binpad(number, found, size) == size)
        return int.from_bytes(found.raw, "big")

    def _point(self, value: Point | None = None) -> int:
        found: int | None = self._library.EC_POINT_new(self._group)
        if not found:
            raise LibcryptoError("EC_POINT_new")
        self._points.append(found)
        if value is not None:
            x, y = self._number(value.x), self._number(value.y)
            self._check(self._library.EC_POINT_set_affine_coordinates(self._group, found, x, y, None))
        return found

    def _check(self, done: int) -> None:
        if not done:
            raise LibcryptoError("libcrypto refuses a computation with points")

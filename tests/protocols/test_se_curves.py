"""Koblitz curves: field and group laws, multiples against double-and-add, points from outside, libcrypto beside it."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from protocols.errors import RangeError
from protocols.se import libcrypto
from protocols.se.binary_curve import PURE_PYTHON, SECT163K1, SECT283K1, Arithmetic, Curve, Point, expand
from protocols.se.binary_field import BinaryField

CURVES = (SECT163K1, SECT283K1)
LIBCRYPTO = libcrypto.find()
WAYS = [PURE_PYTHON, *([] if LIBCRYPTO is None else [LIBCRYPTO])]

each_curve = pytest.mark.parametrize("curve", CURVES, ids=repr)
each_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
needs_libcrypto = pytest.mark.skipif(LIBCRYPTO is None, reason="this machine's libcrypto has no binary curves")


def slow_product(field: BinaryField, a: int, b: int) -> int:
    """Bit by bit, as in the book."""
    found = 0
    while b:
        if b & 1:
            found ^= a
        a <<= 1
        if a >> field.degree:
            a ^= field.modulus
        b >>= 1
    return found


def slow_add(p: Point | None, q: Point | None) -> Point | None:
    """Affine addition by the formulas of SEC 1, 2.2.2."""
    if p is None or q is None:
        return p or q
    gf, a = p.curve.field, p.curve.a
    if p.x == q.x:
        if p.y != q.y or not p.x:
            return None
        slope = p.x ^ gf.multiply(p.y, gf.inverse(p.x))
        x = gf.square(slope) ^ slope ^ a
        return Point(p.curve, x, gf.square(p.x) ^ gf.multiply(slope ^ 1, x))
    slope = gf.multiply(p.y ^ q.y, gf.inverse(p.x ^ q.x))
    x = gf.square(slope) ^ slope ^ p.x ^ q.x ^ a
    return Point(p.curve, x, gf.multiply(slope, p.x ^ x) ^ x ^ p.y)


def slow_multiple(scalar: int, point: Point | None) -> Point | None:
    """Double and add; for points of any order."""
    found = None
    while scalar:
        if scalar & 1:
            found = slow_add(found, point)
        point = slow_add(point, point)
        scalar >>= 1
    return found


def any_point(curve: Curve, rng: random.Random) -> Point:
    """A point of the curve of any order."""
    gf = curve.field
    while True:
        x = rng.getrandbits(gf.degree)
        if x and not gf.trace(x ^ curve.a ^ gf.square(gf.inverse(x))):
            y = gf.multiply(x, gf.half_trace(x ^ curve.a ^ gf.square(gf.inverse(x))) ^ rng.getrandbits(1))
            assert curve.contains(x, y)
            return Point(curve, x, y)


@each_curve
def test_the_field_computes_as_in_the_book(curve: Curve) -> None:
    gf, rng = curve.field, random.Random(1)
    values = [
        0,
        1,
        2,
        gf.modulus ^ 1 << gf.degree,
        (1 << gf.degree) - 1,
        *(rng.getrandbits(gf.degree) for _ in range(20)),
    ]
    for a in values:
        assert gf.square(a) == slow_product(gf, a, a)
        for b in values:
            assert gf.multiply(a, b) == slow_product(gf, a, b)
        if a:
            assert gf.multiply(a, gf.inverse(a)) == 1
        half = gf.half_trace(a)
        assert gf.square(half) ^ half == a ^ gf.trace(a)
    with pytest.raises(ZeroDivisionError):
        gf.inverse(0)


@each_curve
def test_the_trace_is_the_sum_of_all_conjugates(curve: Curve) -> None:
    gf = curve.field
    for place in range(gf.degree):
        total = conjugate = 1 << place
        for _ in range(gf.degree - 1):
            conjugate = gf.square(conjugate)
            total ^= conjugate
        assert total == gf.trace(1 << place)


def test_only_sparse_pentanomials_make_a_field() -> None:
    for degree, tail in ((163, (7, 6, 3, 1)), (163, (100, 6, 3, 0)), (163, (6, 7, 3, 0)), (164, (7, 6, 3, 0))):
        with pytest.raises(RangeError):
            BinaryField(degree, tail, (0,))


@each_curve
def test_the_base_point_has_its_order(curve: Curve) -> None:
    assert curve.contains(curve.base.x, curve.base.y)
    assert curve.has_order(curve.base.x, curve.base.y)
    assert slow_multiple(curve.order, curve.base) is None
    c, d = curve.period
    assert c * c + curve.mu * c * d + 2 * d * d == curve.order
    size = 2**curve.field.degree
    assert abs(curve.cofactor * curve.order - size - 1) <= 2 * 2 ** (curve.field.degree / 2), "Hasse's bound"


@each_curve
@each_way
def test_multiples_are_those_of_double_and_add(curve: Curve, way: Arithmetic) -> None:
    n, rng = curve.order, random.Random(2)
    for scalar in (1, 2, 3, 4, 5, n // 2, n - 2, n - 1, *(rng.randrange(n) for _ in range(4))):
        point = way.combine((scalar, curve.base))
        assert point == slow_multiple(scalar, curve.base)
        assert point is not None
        other = rng.randrange(n)
        assert way.combine((other, point)) == slow_multiple(other, point)
    for scalar in (0, n, 2 * n):
        assert way.combine((scalar, curve.base)) is None
    assert way.combine((n + 1, curve.base)) == curve.base
    assert way.combine((-1, curve.base)) == -curve.base


@each_curve
@each_way
def test_sums_of_multiples(curve: Curve, way: Arithmetic) -> None:
    n, rng = curve.order, random.Random(3)
    base = curve.base
    for _ in range(4):
        a, b, c = (rng.randrange(n) for _ in range(3))
        p, q = way.combine((a, base)), way.combine((b, base))
        assert p is not None
        assert q is not None
        assert way.combine((c, p), (1, q)) == slow_add(slow_multiple(c, p), q)
        assert way.combine((a, q), (n - b, p)) is None
        assert way.combine((c, p), (c, p)) == way.combine((2 * c, p)), "a doubling inside an addition"
        assert way.combine((1, p), (1, -p)) is None
        assert way.combine((1, p), (1, -p), (1, q)) == q
    with pytest.raises(ValueError, match="points of"):
        way.combine(*((1, one.base) for one in CURVES))


@each_curve
def test_expansions_are_short_and_sparse(curve: Curve) -> None:
    rng = random.Random(4)
    for scalar in (0, 1, curve.order - 1, *(rng.randrange(curve.order) for _ in range(50))):
        digits = expand(curve, scalar)
        assert len(digits) <= curve.field.degree + 3
        assert set(digits) <= {-1, 0, 1}
        assert not any(a and b for a, b in itertools.pairwise(digits))


@each_curve
def test_only_multiples_of_the_base_point_have_its_order(curve: Curve) -> None:
    rng = random.Random(5)
    seen = []
    for _ in range(12):
        point = any_point(curve, rng)
        told = curve.has_order(point.x, point.y)
        assert told == (slow_multiple(curve.order, point) is None)
        seen.append(told)
    assert set(seen) == {True, False}
    # The points of order two and four.
    assert curve.contains(0, 1)
    small = slow_multiple(
        curve.order, next(p for p in iter(lambda: any_point(curve, rng), None) if not curve.has_order(p.x, p.y))
    )
    assert small is not None
    with pytest.raises(RangeError):
        curve.point(small.x, small.y)


@each_curve
def test_points_are_compressed_and_read_back(curve: Curve) -> None:
    for scalar in range(1, 30):
        point = PURE_PYTHON.combine((scalar, curve.base))
        assert point is not None
        for one in (point, -point):
            wire = one.encode()
            assert len(wire) == curve.point_size
            assert curve.read_point(wire) == one
        assert point.encode()[0] ^ (-point).encode()[0] == 1


@each_curve
def test_what_is_no_point_of_the_base_points_order_is_refused(curve: Curve) -> None:
    gf, rng, good = curve.field, random.Random(6), curve.base.encode()
    for wrong, said in (
        (b"", "0 bytes"),
        (good[:-1], "bytes"),
        (good + b"\0", "bytes"),
        (b"\0" * len(good), "begins with 00"),
        (b"\4" + good[1:], "begins with 04"),
        (b"\2" + b"\xff" * gf.size, "too large"),
        (b"\2" + bytes(gf.size), "order 2"),
        (b"\3" + bytes(gf.size - 1) + b"\1", "order|curve"),
    ):
        with pytest.raises(RangeError, match=said):
            curve.read_point(wrong)
    said = set()
    for _ in range(60):
        wire = b"\2" + rng.getrandbits(gf.degree).to_bytes(gf.size, "big")
        try:
            found = curve.read_point(wire)
        except RangeError as error:
            said.add(error.value)
        else:
            assert found.encode() == wire
    assert said == {"not on the curve", "of a small or another order"}
    for x, y in ((curve.base.x, curve.base.y ^ 1), (1 << gf.degree, 0), (curve.base.x, 1 << gf.degree)):
        with pytest.raises(RangeError, match="not on the curve"):
            curve.point(x, y)
    with pytest.raises(RangeError, match="order"):
        curve.point(0, 1)


@each_curve
def test_private_keys_are_read_and_made_and_never_shown(curve: Curve) -> None:
    n, size = curve.order, curve.scalar_size
    assert curve.read_scalar((n - 1).to_bytes(size, "big")) == n - 1
    for wrong in (bytes(size), n.to_bytes(size, "big"), b"\1", b"\xff" * size, b"\0" * size + b"\1"):
        with pytest.raises(RangeError) as caught:
            curve.read_scalar(wrong)
        assert str(n) not in str(caught.value)
    assert curve.scalar(bytes(curve.seed_size)) == 1
    assert curve.scalar((n - 2).to_bytes(curve.seed_size, "big")) == n - 1
    assert curve.scalar((n - 1).to_bytes(curve.seed_size, "big")) == 1
    with pytest.raises(RangeError, match="at least"):
        curve.scalar(b"\xab" * (curve.seed_size - 1))


@needs_libcrypto
def test_libcrypto_and_python_agree() -> None:
    assert LIBCRYPTO is not None
    rng = random.Random(7)
    for curve in CURVES:
        for _ in range(20):
            a, b = (rng.randrange(curve.order) for _ in range(2))
            point = PURE_PYTHON.combine((a, curve.base))
            assert point is not None
            assert LIBCRYPTO.combine((a, curve.base)) == point
            assert LIBCRYPTO.combine((b, point)) == PURE_PYTHON.combine((b, point))
            terms = ((a, curve.base), (b, point), (a, -point))
            assert LIBCRYPTO.combine(*terms) == PURE_PYTHON.combine(*terms)


@needs_libcrypto
def test_threads_share_libcrypto() -> None:
    assert LIBCRYPTO is not None
    base = SECT163K1.base
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda scalar: LIBCRYPTO.combine((scalar, base), (scalar, -base), (3, base)), range(200)))
    assert set(found) == {PURE_PYTHON.combine((3, base))}


@needs_libcrypto
def test_libcrypto_refuses_a_point_that_is_none() -> None:
    assert LIBCRYPTO is not None
    curve = SECT163K1
    with pytest.raises(libcrypto.LibcryptoError):
        LIBCRYPTO.combine((5, Point(curve, curve.base.x, curve.base.y ^ 1)))
    assert LIBCRYPTO.combine((1, curve.base)) == curve.base


def test_a_machine_without_libcrypto_or_without_the_curves_computes_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto, "NAMES", ("libcrypto-that-is-not-there.so",))
    assert libcrypto.find() is None
    with pytest.raises(OSError, match="not-there"):
        libcrypto.Libcrypto("libcrypto-that-is-not-there.so")
    # Some library that is no libcrypto, and one that lacks a curve.
    with pytest.raises(libcrypto.LibcryptoError, match="no libcrypto that we know"):
        libcrypto.Libcrypto("libc.so.6")
    if LIBCRYPTO is not None:
        monkeypatch.setitem(libcrypto.CURVE_NUMBERS, SECT163K1, 0x7FFFFFF)
        with pytest.raises(libcrypto.LibcryptoError, match="without sect163k1"):
            libcrypto.Libcrypto(LIBCRYPTO.name)
        monkeypatch.setitem(libcrypto.CURVE_NUMBERS, SECT163K1, 729)
        with pytest.raises(libcrypto.LibcryptoError):
            libcrypto.Libcrypto(LIBCRYPTO.name)

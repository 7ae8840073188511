"""Declarative frames: the annotations of a dataclass are the wire, in order.

    @record
    class Led(Frame):
        red: u8
        green: u8
        blue: u8
        blinking: u8

Each frame compiles, when it is first used, to one precompiled `struct` call each way; nothing is interpreted field by
field at run time. A field's type is `Annotated[<Python type>, <wire type>]`:

=====================================  ====================================================================
`u8` .. `u64`, `s8` .. `s64`           integers, least significant byte first
`Annotated[HandlePosition, U8]`        an open enum in an integer
`Annotated[str, Ascii(16)]`            text of a fixed number of bytes
`Annotated[bytes, Octets(4)]`          bytes as they are
`PoleTelemetry`                        another frame, in place
`Annotated[tuple[Led, ...], Times(5)]` a fixed number of frames
=====================================  ====================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from itertools import count
from types import GenericAlias
from typing import Annotated, ClassVar, Final, Self, TypeVar, cast, get_args, get_origin, get_type_hints

from protocols.errors import RangeError, TrailingBytesError, TruncatedError
from protocols.record import Record


@dataclass(frozen=True, slots=True)
class Int:
    """An integer on the wire: a `struct` letter with its range."""

    letter: str
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Ascii:
    """Text of exactly `size` ASCII characters."""

    size: int


@dataclass(frozen=True, slots=True)
class Octets:
    """Exactly `size` bytes as they are."""

    size: int


@dataclass(frozen=True, slots=True)
class Times:
    """A frame repeated `count` times."""

    count: int


def _unsigned(letter: str, bits: int) -> Int:
    return Int(letter, 0, (1 << bits) - 1)


def _signed(letter: str, bits: int) -> Int:
    return Int(letter, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


U8, U16, U32, U64 = _unsigned("B", 8), _unsigned("H", 16), _unsigned("I", 32), _unsigned("Q", 64)
S8, S16, S32, S64 = _signed("b", 8), _signed("h", 16), _signed("i", 32), _signed("q", 64)

u8 = Annotated[int, U8]
u16 = Annotated[int, U16]
u32 = Annotated[int, U32]
u64 = Annotated[int, U64]
s8 = Annotated[int, S8]
s16 = Annotated[int, S16]
s32 = Annotated[int, S32]
s64 = Annotated[int, S64]


class OpenEnum(IntEnum):
    """An enumeration of a standard that is still growing: a value it does not name is kept, as `UNKNOWN_0x2A`."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_0x{value:02X}"
        member._value_ = value
        # Two lookups of one value must give one object; the wire type's width bounds how many there can be.
        return cast("OpenEnum", cls._value2member_map_.setdefault(value, member))

    @property
    def is_known(self) -> bool:
        """Whether the document names this value."""
        return not self.name.startswith("UNKNOWN_")


_I = TypeVar("_I", bound=int)
MEMBERS_KEPT = 4096


class Members(dict[int, _I]):
    """Members of an enum, flags or addresses by value: a look-up costs a tenth of a call to the class."""

    def __init__(self, made: type[_I]) -> None:
        super().__init__({member.value: member for member in made} if issubclass(made, IntEnum) else {})
        self._made = made

    def __missing__(self, value: int) -> _I:
        if len(self) >= MEMBERS_KEPT:
            self.clear()
        self[value] = made = self._made(value)
        return made


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One value of the struct: where it lives below the frame (`pole_0.voltage_mv`) and how it is converted."""

    path: str
    wire: Int | Ascii | Octets
    python_type: type


class Later:
    """A class attribute that compiling the class makes: that costs half a millisecond, and many are never used.

    It stands in each class until the attribute is asked for, by whatever name the class is known then.
    """

    __slots__ = ("_compile", "_name")

    def __init__(self, compile_: Callable[[type], None], name: str) -> None:
        self._compile, self._name = compile_, name

    def __get__(self, _: object, owner: type) -> object:
        self._compile(next(base for base in owner.__mro__ if base.__dict__.get(self._name) is self))
        return getattr(owner, self._name)


class Frame(Record):
    """Base of every declared frame; a subclass is a `@record` with wire annotations."""

    __slots__ = ()

    SIZE: ClassVar[int]
    """Bytes on the wire."""
    _struct: ClassVar[struct.Struct]
    _leaves: ClassVar[tuple[_Leaf, ...]]
    _build: ClassVar[Callable[[bytes, int], Frame]]
    _values_of: ClassVar[Callable[[Frame], tuple[object, ...]]]

    def __init_subclass__(cls) -> None:
        # `@record` makes the class a second time; only that one has its slots and is worth compiling.
        if "__dataclass_fields__" in cls.__dict__ and "__slots__" in cls.__dict__:
            for name in ("SIZE", "_struct", "_leaves", "_build", "_values_of"):
                setattr(cls, name, Later(_compile, name))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The frame in `data`, which must hold it and nothing else.

        Raises `TruncatedError`, `TrailingBytesError`, or `RangeError` for text that is not ASCII.
        """
        cls.check_size(len(data))
        return cast("Self", cls._build(data, 0))

    @classmethod
    def check_size(cls, got: int) -> None:
        """Raise `TruncatedError` or `TrailingBytesError` unless `got` bytes are what the frame takes."""
        if got < cls.SIZE:
            raise TruncatedError(cls.__name__, cls.SIZE, got)
        if got > cls.SIZE:
            raise TrailingBytesError(cls.__name__, cls.SIZE, got)

    @classmethod
    def decode_from(cls, data: bytes, offset: int) -> Self:
        """The frame at `offset`; the caller has checked that `data` reaches that far."""
        return cast("Self", cls._build(data, offset))

    def encode(self) -> bytes:
        """The frame's bytes. Raises `RangeError` that names the first field that does not fit."""
        values = type(self)._values_of(self)  # noqa: SLF001 - our own, but not a method
        try:
            return self._struct.pack(*values)
        except struct.error:
            raise self._first_bad(values) from None

    def _first_bad(self, values: tuple[object, ...]) -> RangeError:
        for leaf, value in zip(self._leaves, values, strict=True):
            wire = leaf.wire
            if isinstance(wire, Int) and not (isinstance(value, int) and wire.minimum <= value <= wire.maximum):
                name = f"{type(self).__name__}.{leaf.path}"
                return RangeError(name, value, f"{wire.minimum} to {wire.maximum}")
        raise AssertionError(f"{type(self).__name__} does not pack, yet every field is in range")  # pragma: no cover


def _text(size: int, name: str) -> tuple[Callable[[bytes], str], Callable[[str], bytes]]:
    def decode(raw: bytes) -> str:
        try:
            return raw.decode("ascii")
        except UnicodeDecodeError:
            raise RangeError(name, raw, f"{size} ASCII characters") from None

    def encode(text: str) -> bytes:
        if len(text) != size or not text.isascii():
            raise RangeError(name, text, f"{size} ASCII characters")
        return text.encode("ascii")

    return decode, encode


def _raw(size: int, name: str) -> Callable[[bytes], bytes]:
    def encode(raw: bytes) -> bytes:
        if len(raw) != size:
            raise RangeError(name, raw, f"{size} bytes")
        return raw

    return encode


OPEN: Final[Mapping[str, object]] = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
"""What a twin has instead of what forbids changes in its base. Both: with one alone CPython finds each by its name."""


def _compile(cls: type[Frame]) -> None:
    """Write and evaluate the frame's two functions, as `dataclasses` does for `__init__`.

    A decoded frame is made as an instance of an ordinary twin class with the same slots and then declared to be the
    frozen one: `object.__setattr__` for each field, which a frozen dataclass would need, costs five times as much
    (measured: 1.74 us against 0.33 us for 17 fields on CPython 3.11).
    """
    scope: dict[str, object] = {"new": object.__new__}
    letters: list[str] = []
    leaves: list[_Leaf] = []
    values: list[str] = []
    decoded: list[str] = []
    lines: list[str] = []
    counter = count()

    def blank(target: type[Frame]) -> str:
        """The expression that makes an empty twin of `target`, to be filled and then declared to be one."""
        name = f"twin_{target.__name__}"
        slots = tuple(field.name for field in fields(target))
        scope[target.__name__] = target
        # The layouts must agree for `__class__` to be assigned: the same base, the same slots.
        namespace = {"__slots__": slots, **OPEN}
        scope.setdefault(name, type(f"_{target.__name__}Twin", (target.__base__ or Frame,), namespace))
        return f"new({name if slots else target.__name__})"

    def leaf(path: str, wire: Int | Ascii | Octets, python_type: type) -> str:
        """Add a value to the struct; returns the expression that converts the decoded value."""
        number = next(counter)
        variable, access = f"v{number}", f"self.{path}"
        name = f"{cls.__name__}.{path}"
        leaves.append(_Leaf(path, wire, python_type))
        decoded.append(variable)
        if isinstance(wire, Int):
            letters.append(wire.letter)
            values.append(access)
            if issubclass(python_type, IntEnum):
                scope[f"m{number}"] = Members(python_type)
                return f"m{number}[{variable}]"
            return variable
        letters.append(f"{wire.size}s")
        if isinstance(wire, Ascii):
            scope[f"d{number}"], scope[f"e{number}"] = _text(wire.size, name)
            values.append(f"e{number}({access})")
            return f"d{number}({variable})"
        scope[f"e{number}"] = _raw(wire.size, name)
        values.append(f"e{number}({access})")
        return variable

    def frame(target: type[Frame], path: str) -> str:
        """Add a whole frame below `path`; returns the variable that holds it once built."""
        parts = [(field, expression(hint, f"{path}{field}")) for field, hint in _wire_hints(target)]
        variable = f"f{next(counter)}"
        lines.append(f"{variable} = {blank(target)}")
        lines.extend(f"{variable}.{field} = {part}" for field, part in parts)
        if parts:
            lines.append(f"{variable}.__class__ = {target.__name__}")
        return variable

    def expression(hint: object, path: str) -> str:
        if isinstance(hint, type) and not isinstance(hint, GenericAlias) and issubclass(hint, Frame):
            return frame(hint, f"{path}.")
        if get_origin(hint) is not Annotated:
            raise TypeError(f"{cls.__name__}.{path}: {hint!r} says nothing about the wire")
        python_type, wire = get_args(hint)[:2]
        if isinstance(wire, Times):
            item = get_args(python_type)[0]
            return "(" + "".join(frame(item, f"{path}[{i}].") + ", " for i in range(wire.count)) + ")"
        return leaf(path, wire, python_type)

    top = frame(cls, "")
    code = struct.Struct("<" + "".join(letters))
    body = "\n    ".join(lines)
    unpack = f"({''.join(v + ', ' for v in decoded)}) = unpack(data, offset)" if decoded else "pass"
    source = (
        f"def build(data, offset):\n    {unpack}\n    {body}\n    return {top}\n"
        f"def values(self):\n    return ({''.join(v + ', ' for v in values)})\n"
    )
    scope["unpack"] = code.unpack_from
    exec(source, scope)
    cls.SIZE = code.size
    cls._struct = code
    cls._leaves = tuple(leaves)
    cls._build = staticmethod(cast("Callable[[bytes, int], Frame]", scope["build"]))
    cls._values_of = staticmethod(cast("Callable[[Frame], tuple[object, ...]]", scope["values"]))


def _wire_hints(target: type[Frame]) -> Iterator[tuple[str, object]]:
    hints = get_type_hints(target, include_extras=True)
    return ((field.name, hints[field.name]) for field in fields(target))

"""Declarative frames of variable length: lists with a count, strings with a length, optional tails, either byte order.

    @record
    class ActiveEndpointsResponse(Packet):
        status: Annotated[ZdoStatus, U8]
        short: u16
        endpoints: Annotated[tuple[int, ...], Counted(U8, U8)] = ()

As in `protocols.fields` the annotations are the wire, in order, and each class compiles at its first use to a function
each way;
runs of fields of fixed size become one precompiled `struct` call. Beside the integers of `protocols.fields` there are:

===============================================  ==========================================================
`u24`, `u40`, `u48`, `u56` and signed             integers of odd sizes
`Annotated[Eui64, U64]`                           any class made from an integer
`Annotated[bytes, Prefixed(U8)]`                  bytes behind their length
`Annotated[str, PrefixedText(U8)]`                UTF-8 text behind its length in bytes
`Annotated[bytes, Rest()]`                        all that is left
`Annotated[tuple[int, ...], Counted(U8, U16)]`    items behind their number
`Annotated[tuple[Row, ...], Counted(U8, Row)]`
`Annotated[tuple[Row, ...], Repeated(Row)]`       items to the end
`u16 | None` with default None                    an optional tail: absent when the bytes end before it
===============================================  ==========================================================

Bytes behind the last field are ignored on receipt: so these standards grow. `decode_part` tells where they are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from types import GenericAlias, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Protocol,
    Self,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from protocols.errors import RangeError, TruncatedError
from protocols.fields import OPEN, U8, Int, Later, Members, Octets
from protocols.record import Record


@dataclass(frozen=True, slots=True)
class Usual:
    """The shape that a `Wire` has nearly always: a tag of one byte, then an integer. Read with the fields around it."""

    tag: int
    value: Int
    values: Mapping[int, Any]
    """What `read` gives for that tag, by the integer."""


class Wire(Protocol):
    """A type of its own on the wire: what `Annotated` may carry beside the types of this module.

    One with an attribute `usual` is read in one step with the fields before it where that is its shape.
    """

    def read(self, data: bytes, offset: int, order: str) -> tuple[Any, int]:
        """The value at `offset` and the offset behind it. Raises `IndexError` when the bytes end, or a `CodecError`."""
        ...

    def write(self, value: Any, order: str) -> bytes:
        """The value's bytes. Raises `ValueError` or `TypeError` for what cannot be written."""
        ...


@dataclass(frozen=True, slots=True)
class Odd:
    """An integer of a size that `struct` does not know."""

    size: int
    signed: bool = False

    def read(self, data: bytes, offset: int, order: str) -> tuple[int, int]:
        """See `Wire`."""
        end = offset + self.size
        if end > len(data):
            raise IndexError
        return int.from_bytes(data[offset:end], _ORDERS[order], signed=self.signed), end

    def write(self, value: int, order: str) -> bytes:
        """See `Wire`."""
        try:
            return value.to_bytes(self.size, _ORDERS[order], signed=self.signed)
        except OverflowError:
            raise ValueError(f"{8 * self.size} bits") from None


_struct = lru_cache(maxsize=256)(struct.Struct)

_ORDERS: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}

U24, U40, U48, U56 = Odd(3), Odd(5), Odd(6), Odd(7)
S24, S40, S48, S56 = Odd(3, True), Odd(5, True), Odd(6, True), Odd(7, True)
u24 = Annotated[int, U24]
s24 = Annotated[int, S24]
u48 = Annotated[int, U48]


@dataclass(frozen=True, slots=True)
class Prefixed:
    """Bytes behind their length."""

    length: Int = U8

    def read(self, data: bytes, offset: int, order: str) -> tuple[bytes, int]:
        """See `Wire`."""
        size, offset = _read_int(self.length, data, offset, order)
        end = offset + size
        if end > len(data):
            raise IndexError
        return data[offset:end], end

    def write(self, value: bytes, order: str) -> bytes:
        """See `Wire`."""
        if len(value) > self.length.maximum:
            raise ValueError(f"at most {self.length.maximum} bytes")
        return struct.pack(order + self.length.letter, len(value)) + value


@dataclass(frozen=True, slots=True)
class PrefixedText:
    """UTF-8 text behind its length in bytes. Bytes that are not UTF-8 are kept as surrogates and written back."""

    length: Int = U8

    def read(self, data: bytes, offset: int, order: str) -> tuple[str, int]:
        """See `Wire`."""
        raw, end = Prefixed(self.length).read(data, offset, order)
        return raw.decode("utf-8", "surrogateescape"), end

    def write(self, value: str, order: str) -> bytes:
        """See `Wire`."""
        return Prefixed(self.length).write(value.encode("utf-8", "surrogateescape"), order)


@dataclass(frozen=True, slots=True)
class Rest:
    """All bytes that are left."""

    def read(self, data: bytes, offset: int, order: str) -> tuple[bytes, int]:
        """See `Wire`."""
        return data[offset:], len(data)

    def write(self, value: bytes, order: str) -> bytes:
        """See `Wire`."""
        return bytes(value)


class Repeated:
    """Items of one kind to the end of the bytes; a last item that is cut short is an error."""

    __slots__ = ("item",)

    def __init__(self, item: Int | Odd | type[Packet]) -> None:
        self.item = item

    def read(self, data: bytes, offset: int, order: str) -> tuple[tuple[Any, ...], int]:
        """See `Wire`."""
        found = []
        while offset < len(data):
            value, offset = _read_item(self.item, data, offset, order)
            found.append(value)
        return tuple(found), offset

    def write(self, value: tuple[Any, ...], order: str) -> bytes:
        """See `Wire`."""
        return b"".join(_write_item(self.item, item, order) for item in value)


class Counted:
    """Items of one kind behind their number."""

    __slots__ = ("count", "item")

    def __init__(self, count: Int, item: Int | Odd | type[Packet]) -> None:
        self.count, self.item = count, item

    def read(self, data: bytes, offset: int, order: str) -> tuple[tuple[Any, ...], int]:
        """See `Wire`."""
        number, offset = _read_int(self.count, data, offset, order)
        item = self.item
        if isinstance(item, Int):
            reader = _struct(f"{order}{number}{item.letter}")
            if offset + reader.size > len(data):
                raise IndexError
            return reader.unpack_from(data, offset), offset + reader.size
        found = []
        for _ in range(number):
            value, offset = _read_item(item, data, offset, order)
            found.append(value)
        return tuple(found), offset

    def write(self, value: tuple[Any, ...], order: str) -> bytes:
        """See `Wire`."""
        if len(value) > self.count.maximum:
            raise ValueError(f"at most {self.count.maximum} items")
        parts = [struct.pack(order + self.count.letter, len(value))]
        parts.extend(_write_item(self.item, item, order) for item in value)
        return b"".join(parts)


def _read_int(wire: Int, data: bytes, offset: int, order: str) -> tuple[int, int]:
    reader = _struct(order + wire.letter)
    end = offset + reader.size
    if end > len(data):
        raise IndexError
    return cast("int", reader.unpack_from(data, offset)[0]), end


def _read_item(item: Int | Odd | type[Packet], data: bytes, offset: int, order: str) -> tuple[Any, int]:
    if isinstance(item, Int):
        return _read_int(item, data, offset, order)
    if isinstance(item, Odd):
        return item.read(data, offset, order)
    return item.decode_part(data, offset)


def _write_item(item: Int | Odd | type[Packet], value: Any, order: str) -> bytes:
    if isinstance(item, Int):
        if not isinstance(value, int) or not item.minimum <= value <= item.maximum:
            raise ValueError(f"items of {item.minimum} to {item.maximum}")
        return struct.pack(order + item.letter, value)
    if isinstance(item, Odd):
        return item.write(value, order)
    return cast("bytes", value.encode())


class Packet(Record):
    """Base of every declared frame of variable length; see the module."""

    __slots__ = ()

    ORDER: ClassVar[str] = "<"
    """Byte order of the class's integers, as in `struct`; given as `class X(Packet, order=">")`."""
    MINIMUM: ClassVar[int]
    """Bytes that it takes at least."""
    _read: ClassVar[Callable[[bytes, int], tuple[Packet, int]]]
    _write: ClassVar[Callable[[Packet], bytes]]

    def __init_subclass__(cls, order: str | None = None) -> None:
        if order is not None:
            cls.ORDER = order
        # `@record` makes the class a second time; only that one has its slots and is worth compiling.
        if "__dataclass_fields__" in cls.__dict__ and "__slots__" in cls.__dict__:
            _defer(cls)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The frame in `data`. Raises `TruncatedError` or another `CodecError`; bytes behind its end are ignored."""
        return cast("Self", cls._read(data, 0)[0])

    @classmethod
    def decode_part(cls, data: bytes, offset: int = 0) -> tuple[Self, int]:
        """The frame at `offset`, and the offset behind it."""
        return cast("tuple[Self, int]", cls._read(data, offset))

    def encode(self) -> bytes:
        """The frame's bytes. Raises `RangeError` that names the field which does not fit."""
        return type(self)._write(self)  # noqa: SLF001 - our own, but not a method


P = TypeVar("P", bound=Packet)


class Decoders(dict[int, Callable[[bytes], P]]):
    """`decode` of each class by a number, from its first use on. Unknown numbers raise `KeyError`."""

    def __init__(self, classes: Mapping[int, type[P]]) -> None:
        super().__init__()
        self._classes = classes

    def __missing__(self, number: int) -> Callable[[bytes], P]:
        self[number] = found = self._classes[number].decode
        return found


def _defer(cls: type[Packet]) -> None:
    """Let a class be compiled when something of it is used."""
    names = ["MINIMUM", "_read", "_write"]
    owner = next(base for base in cls.__mro__ if "decode" in base.__dict__)
    if owner is Packet or isinstance(owner.__dict__["decode"], staticmethod | Later):
        names.append("decode")
    for name in names:
        setattr(cls, name, Later(_compile, name))


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    wire: Any
    python_type: type
    optional: bool


def _fields(cls: type[Packet]) -> Iterator[_Field]:
    hints = get_type_hints(cls, include_extras=True)
    for field in fields(cls):
        hint, optional = hints[field.name], False
        if get_origin(hint) in (Union, UnionType):
            [hint] = [part for part in get_args(hint) if part is not NoneType]
            optional = True
            assert field.default is None, f"{cls.__name__}.{field.name}: an optional tail has the default None"
        if isinstance(hint, type) and not isinstance(hint, GenericAlias) and issubclass(hint, Packet):
            yield _Field(field.name, hint, hint, optional)
            continue
        if get_origin(hint) is not Annotated:
            raise TypeError(f"{cls.__name__}.{field.name}: {hint!r} says nothing about the wire")
        python_type, wire = get_args(hint)[:2]
        yield _Field(field.name, wire, get_origin(python_type) or python_type, optional)
        assert optional or field.default is MISSING or isinstance(field.default, tuple | bytes | str | int)


def _converted(scope: dict[str, object], number: int, field: _Field, *, is_there: bool = False) -> str:
    """The expression that makes the field's Python value of what was read; `is_there`: it is not None."""
    variable = f"v{number}"
    if field.python_type is int or not issubclass(field.python_type, int):
        return variable
    scope[f"m{number}"] = Members(field.python_type)
    value = f"m{number}[{variable}]"
    return f"None if {variable} is None else {value}" if field.optional and not is_there else value


def _compile(cls: type[Packet]) -> None:
    """Write and evaluate the class's two functions; see `protocols.fields` about the twin."""
    order, name = cls.ORDER, cls.__name__
    described = list(_fields(cls))
    # The base would forbid the twin what only the frozen class must be forbidden.
    namespace = {"__slots__": cls.__dict__["__slots__"], **OPEN}
    scope: dict[str, object] = {
        "new": object.__new__,
        "cls": cls,
        "twin": type(f"_{name}Twin", (cls.__base__ or Packet,), namespace),
        "TruncatedError": TruncatedError,
        "order": order,
        "bad": _bad,
    }
    reading = ["o = _at", "n = len(data)"]
    writing: list[str] = []
    run: list[tuple[int, _Field]] = []
    minimum = 0

    def flush() -> None:
        """One struct call for the fixed fields that are next to each other."""
        nonlocal minimum
        if not run:
            return
        first = run[0][0]
        letters = "".join(
            field.wire.letter if isinstance(field.wire, Int) else f"{field.wire.size}s" for _, field in run
        )
        code = struct.Struct(order + letters)
        scope[f"s{first}"], scope[f"p{first}"] = code.unpack_from, code.pack
        scope[f"f{first}"] = tuple(field for _, field in run)
        variables = "".join(f"v{number}, " for number, _ in run)
        reading.append(f"e = o + {code.size}")
        reading.append(f"if e > n: raise TruncatedError({name!r}, e - _at, n - _at)")
        reading.append(f"({variables}) = s{first}(data, o)")
        reading.append("o = e")
        values = ", ".join(f"self.{field.name}" for _, field in run)
        writing.append(f"try: b += p{first}({values})")
        writing.append(f"except Exception: raise bad(self, f{first}) from None")
        for _, field in run:
            if isinstance(field.wire, Octets):
                writing.append(f"if len(self.{field.name}) != {field.wire.size}: raise bad(self, f{first})")
        minimum += code.size
        run.clear()

    for number, field in enumerate(described):
        fixed = isinstance(field.wire, Int | Octets)
        if fixed and not field.optional:
            run.append((number, field))
            continue
        flush()
        scope[f"w{number}"], scope[f"f{number}"] = field.wire, (field,)
        if isinstance(field.wire, type):
            read, write = f"w{number}.decode_part(data, o)", f"self.{field.name}.encode()"
            minimum += 0 if field.optional else cast("type[Packet]", field.wire).MINIMUM
        else:
            wire = _Fixed(field.wire) if fixed else field.wire
            scope[f"w{number}"] = wire
            read, write = f"w{number}.read(data, o, order)", f"w{number}.write(self.{field.name}, order)"
            if isinstance(field.wire, Odd) and not field.optional:
                minimum += field.wire.size
            elif isinstance(field.wire, Prefixed | PrefixedText) and not field.optional:
                minimum += struct.calcsize(order + field.wire.length.letter)
            elif isinstance(field.wire, Counted) and not field.optional:
                minimum += struct.calcsize(order + field.wire.count.letter)
        indent = ""
        if field.optional:
            reading.append(f"if o >= n: v{number} = None")
            reading.append("else:")
            indent = "    "
            writing.append(f"if self.{field.name} is not None:")
        if isinstance(field.wire, Rest) and not field.optional:
            reading.append(f"v{number}, o = data[o:], n")
            writing.append(f"try: b += {write}")
            writing.append(
                f"except (ValueError, TypeError, AttributeError) as e: raise bad(self, f{number}, e) from None"
            )
            continue
        if field.optional and isinstance(field.wire, Int):
            # Here instead of in `_Fixed`, which takes three calls for each of a dozen fields that revisions have added.
            code = struct.Struct(order + field.wire.letter)
            scope[f"r{number}"] = code.unpack_from
            reading.append(f"    if o + {code.size} > n: raise TruncatedError({name!r}, n - _at + 1, n - _at)")
            reading.append(f"    v{number}, = r{number}(data, o)")
            reading.append(f"    o += {code.size}")
        else:
            reading.append(f"{indent}try: v{number}, o = {read}")
            reading.append(f"{indent}except IndexError: raise TruncatedError({name!r}, n - _at + 1, n - _at) from None")
        writing.append(f"{indent}try: b += {write}")
        writing.append(
            f"{indent}except (ValueError, TypeError, AttributeError) as e: raise bad(self, f{number}, e) from None"
        )
    flush()
    # Calling the class is quicker, where no base has an initializer of its own.
    make = "self = twin()" if cls.__base__.__init__ is object.__init__ else "self = new(twin)"  # type: ignore[misc]
    filling = [f"self.{field.name} = {_converted(scope, number, field)}" for number, field in enumerate(described)]
    reading += [make, *filling, "self.__class__ = cls", "return self, o"]
    whole = [*_read_whole(scope, described, order, make), "return read(data, 0)[0]"]
    source = "def read(data, _at):\n    {}\ndef decode(data):\n    {}\ndef write(self):\n    {}\n".format(
        *("\n    ".join(lines) for lines in (reading, whole, ["b = b''", *writing, "return b"]))
    )
    exec(source, scope)
    cls.MINIMUM = minimum
    cls._read = staticmethod(cast("Callable[[bytes, int], tuple[Packet, int]]", scope["read"]))
    if "decode" in cls.__dict__ and isinstance(cls.__dict__["decode"], Later):
        decode = staticmethod(cast("Callable[[bytes], Packet]", scope["decode"]))
        setattr(cls, "decode", decode)  # noqa: B010 - the same with a call less; no assignment to a method
    cls._write = staticmethod(cast("Callable[[Packet], bytes]", scope["write"]))


def _read_whole(scope: dict[str, object], described: list[_Field], order: str, make: str) -> list[str]:
    """`decode` of the usual frame in one struct call: its integers and usual shapes, with all optional ones or none.

    Every other frame goes on behind these lines. Nothing for classes with other fields than these and a last `Rest`.
    """
    has_rest = bool(described) and isinstance(described[-1].wire, Rest) and not described[-1].optional
    rest = len(described) - has_rest
    if any(not isinstance(field.wire, Int) and _usual_of(field) is None for field in described[:rest]):
        return []
    must = next((number for number, field in enumerate(described[:rest]) if field.optional), rest)
    lines = []
    for end in sorted({rest, must} - {0}, reverse=True):
        letters, variables, tests, filling = "", [], [], []
        for number, field in enumerate(described[:end]):
            usual = _usual_of(field)
            if usual is None:
                letters += field.wire.letter
                filling.append(f"self.{field.name} = {_converted(scope, number, field, is_there=True)}")
            else:
                letters += "B" + usual.value.letter
                variables.append(f"g{number}")
                tests.append(f"g{number} == {usual.tag}")
                filling.append(f"self.{field.name} = u{number}[v{number}]")
                scope[f"u{number}"] = usual.values
            variables.append(f"v{number}")
        code = struct.Struct(order + letters)
        scope[f"whole{end}"] = code.unpack_from
        for field in described[end:rest]:
            filling.append(f"self.{field.name} = None")
        if has_rest:
            filling.append(f"self.{described[-1].name} = data[{code.size}:]")
        indent = "        " if tests else "    "
        lines.append(f"if len(data) {'>=' if end == rest else '=='} {code.size}:")
        lines.append(f"    {', '.join(variables)}, = whole{end}(data)")
        if tests:
            lines.append(f"    if {' and '.join(tests)}:")
        lines += [indent + line for line in (make, *filling, "self.__class__ = cls", "return self")]
    return lines


def _usual_of(field: _Field) -> Usual | None:
    return None if field.optional else getattr(field.wire, "usual", None)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """A type of fixed size by itself, in an optional tail."""

    wire: Int | Octets

    def read(self, data: bytes, offset: int, order: str) -> tuple[Any, int]:
        if isinstance(self.wire, Int):
            return _read_int(self.wire, data, offset, order)
        end = offset + self.wire.size
        if end > len(data):
            raise IndexError
        return data[offset:end], end

    def write(self, value: Any, order: str) -> bytes:
        if isinstance(self.wire, Int):
            if not isinstance(value, int) or not self.wire.minimum <= value <= self.wire.maximum:
                raise ValueError(f"{self.wire.minimum} to {self.wire.maximum}")
            return struct.pack(order + self.wire.letter, value)
        if len(value) != self.wire.size:
            raise ValueError(f"{self.wire.size} bytes")
        return bytes(value)


def _bad(packet: Packet, candidates: tuple[_Field, ...], cause: Exception | None = None) -> Exception:
    """The error for the first of `candidates` whose value does not fit."""
    name = type(packet).__name__
    for field in candidates:
        value, wire = getattr(packet, field.name), field.wire
        if isinstance(wire, Int):
            if not isinstance(value, int) or not wire.minimum <= value <= wire.maximum:
                return RangeError(f"{name}.{field.name}", value, f"{wire.minimum} to {wire.maximum}")
        elif isinstance(wire, Octets):
            if not isinstance(value, bytes) or len(value) != wire.size:
                return RangeError(f"{name}.{field.name}", value, f"{wire.size} bytes")
        elif isinstance(cause, RangeError):
            return cause
        else:
            return RangeError(f"{name}.{field.name}", value, str(cause) or type(wire).__name__)
    raise AssertionError(f"{name} does not pack, yet every field is in range")  # pragma: no cover

"""Types of parameters, and text of each (CPX2-SE, Chapter 3, Simple and Complex Parameter Types).

Text without a type is a bool, an int or a float, in that order, else a string; where a parameter declares what it
takes, text is read as that.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from web.rpc.values import Mac, Octets, Record, Value, Xml

if TYPE_CHECKING:
    from web.rpc.declare import Param


class Kind(StrEnum):
    """What a parameter can be, by the manual's names."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    STRING = "string"
    MAC = "MAC"
    BASE16 = "base16"
    BASE64 = "base64"
    NONE = "none"
    LIST = "list"
    DICT = "dict"
    RECORD = "record"
    XML = "xml"


KIND_OF_NAME: Mapping[str, Kind] = {kind.value.lower(): kind for kind in Kind if kind is not Kind.RECORD} | {
    "str": Kind.STRING,
}
"""Lower case name -> kind: clients write MAC and mac. A record goes by the name of its class."""
ALIAS = "alias"
"""The type of a tag that stands for an alias."""
_SIMPLE = (Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.STRING, Kind.MAC, Kind.BASE16, Kind.BASE64, Kind.NONE)
LONGEST_NUMBER = 80
"""Characters of a number: a 256-bit key in hex has 66. Python converts decimals in quadratic time."""
SHOWN = 60
"""Characters of a refused value that are shown back."""
_INT = re.compile("[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


class ValueRefusedError(Exception):
    """A value is not what its parameter takes: where it stands, what it is, what is allowed."""

    def __init__(self, where: str, value: str, allowed: str) -> None:
        super().__init__(f"{where} is {value}; allowed: {allowed}")
        self.where, self.value, self.allowed = where, value, allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """What a parameter takes."""

    kinds: tuple[Kind, ...]
    minimum: int | None = None
    maximum: int | None = None
    """Of an int."""
    wraps: int = 0
    """Bits of an int that is taken with or without sign and kept within minimum and maximum: -0x80 and 0x80 are one
    value on the air."""
    meanings: Mapping[int, str] = field(default_factory=dict)
    """The only numbers there are, with what they mean; empty: any within the range."""
    records: tuple[str, ...] = ()
    """Classes of a record; empty: any."""
    item: Type | None = None
    """Of a list; None: items of any type."""
    fields: tuple[Param, ...] = ()
    """Of a dict; empty: any names and types."""
    is_name: bool = False
    """A string without the blanks around it."""
    octets: int | None = None
    """How many octets, where only one number is possible."""

    @property
    def is_any(self) -> bool:
        """Whether everything is taken."""
        return len(self.kinds) == len(Kind)

    @property
    def is_any_simple(self) -> bool:
        """Whether everything simple is taken, so that text says by itself what it is."""
        return len(self.kinds) >= len(_SIMPLE)

    def takes(self, kind: Kind) -> bool:
        """Whether a value may be of a kind."""
        return kind in self.kinds

    def __str__(self) -> str:
        """In the words of the manual: `int, base16 or base64`."""
        if self.is_any_simple:
            return "any type" if self.is_any else "any simple type"
        names = [self._name(kind) for kind in self.kinds]
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"

    def _name(self, kind: Kind) -> str:
        if kind is Kind.RECORD and self.records:
            return " or ".join(self.records)
        if kind is Kind.LIST and self.item is not None:
            return f"list of {self.item}"
        return kind.value

    @property
    def allowed(self) -> str:
        """What is allowed, in full, for the text of an error and for help."""
        text = str(self)
        if self.meanings:
            return f"{text}: " + ", ".join(f"{number:#x} ({meaning})" for number, meaning in self.meanings.items())
        if self.minimum is not None and self.maximum is not None:
            return f"{text} from {self.minimum:#x} to {self.maximum:#x}"
        if self.octets is not None:
            return f"{text} of {self.octets} octets"
        if self.kinds == (Kind.MAC,):
            return "MAC, as 00:11:22:33:44:55:66:77"
        return text


def of(*kinds: Kind) -> Type:
    """A type of some kinds."""
    return Type(kinds=kinds)


def number(bits: int) -> Type:
    """An unsigned int."""
    return Type(kinds=(Kind.INT,), minimum=0, maximum=(1 << bits) - 1)


def either_sign(bits: int, *, signed: bool) -> Type:
    """An int of some bits that clients write with or without sign; kept with sign or without."""
    low = -(1 << (bits - 1)) if signed else 0
    return Type(kinds=(Kind.INT,), minimum=low, maximum=low + (1 << bits) - 1, wraps=bits)


def one_of(meanings: Mapping[int, str]) -> Type:
    """An int that has only some values."""
    return Type(kinds=(Kind.INT,), meanings=meanings)


def record(*names: str) -> Type:
    """A record of one of some classes."""
    return Type(kinds=(Kind.RECORD,), records=names)


def list_of(item: Type | str) -> Type:
    """A list of a type, or of records of a class."""
    return Type(kinds=(Kind.LIST,), item=record(item) if isinstance(item, str) else item)


def dict_of(*fields: Param) -> Type:
    """A dict with some names."""
    return Type(kinds=(Kind.DICT,), fields=fields)


INT, FLOAT, BOOL = of(Kind.INT), of(Kind.FLOAT), of(Kind.BOOL)
U4, U8, U16, U24, U32, U64 = (number(bits) for bits in (4, 8, 16, 24, 32, 64))
TEXT = of(Kind.STRING)
NAME = replace(TEXT, is_name=True)
MAC, BASE16, NONE, XML = of(Kind.MAC), of(Kind.BASE16), of(Kind.NONE), of(Kind.XML)
ANY = of(*Kind)
SIMPLE = of(*_SIMPLE)
"""Any simple type, as a request identifier has."""
SERVER_OR_CLIENT = one_of({0: "server", 1: "client"})


# -- text ------------------------------------------------------------------------------------------------------------


def is_int(text: str) -> bool:
    """Whether text is a whole number, decimal or with 0x."""
    return len(text) <= LONGEST_NUMBER and _INT.fullmatch(text) is not None


def int_of(text: str) -> int:
    """A whole number; leading zeros do not make it octal. Raises `ValueError`."""
    if not is_int(text):
        raise ValueError("digits, or hex digits after 0x")
    return int(text, 16) if "x" in text or "X" in text else int(text)


def float_of(text: str) -> float:
    """A finite number. Raises `ValueError`."""
    if len(text) > LONGEST_NUMBER or _FLOAT.fullmatch(text) is None:
        raise ValueError("a number, as 3.14159")
    found = float(text)
    if not math.isfinite(found):
        raise ValueError("a number, as 3.14159")
    return found


def bool_of(text: str) -> bool:
    """TRUE or FALSE in any case. Raises `ValueError`."""
    match text.lower():
        case "true":
            return True
        case "false":
            return False
    raise ValueError("TRUE or FALSE")


def untyped(text: str) -> Value:
    """Text whose type nobody knows: a bool, an int or a float, in that order, else a string."""
    plain = text.strip()
    for read in (bool_of, int_of, float_of):
        try:
            return read(plain)
        except ValueError:
            continue
    return plain


def typed(kind: Kind, text: str) -> Value:
    """Text of a simple kind. Raises `ValueError` that says what is allowed."""
    plain = text.strip()
    match kind:
        case Kind.BOOL:
            return bool_of(plain)
        case Kind.INT:
            return int_of(plain)
        case Kind.FLOAT:
            return float_of(plain)
        case Kind.STRING:
            return text
        case Kind.MAC:
            return Mac.parse(plain)
        case Kind.BASE16:
            return Octets.parse(plain, 16)
        case Kind.BASE64:
            return Octets.parse(plain, 64)
        case Kind.NONE:
            if plain:
                raise ValueError("no content: none has no value")
            return None
    raise ValueError("a simple type")


_WITHOUT_TYPE = (Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.MAC, Kind.STRING, Kind.BASE16, Kind.BASE64)
"""In which order text without a type is tried as what its parameter takes."""


def declared(type_: Type, text: str, where: str) -> Value:
    """Text without a type, for a parameter that says what it takes. Raises `ValueRefusedError`."""
    if not text.strip() and type_.takes(Kind.NONE):
        return None
    if type_.is_any_simple:
        return untyped(text)
    for kind in _WITHOUT_TYPE:
        # An address and a string cannot be told apart, so what may be a string is one.
        if not type_.takes(kind) or (kind is Kind.MAC and type_.takes(Kind.STRING)):
            continue
        try:
            return typed(kind, text)
        except ValueError:
            continue
    if type_.takes(Kind.BOOL) and text.strip() in ("0", "1"):
        return text.strip() == "1"
    raise ValueRefusedError(where, shown(text), type_.allowed)


def shown(value: object) -> str:
    """A refused value as text of bounded length."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 4 * SHOWN:
        return "a number that is far too long"
    text = repr(value.strip()) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


# -- values ----------------------------------------------------------------------------------------------------------


def kind_of(value: Value) -> Kind:
    """What a value is."""
    match value:
        case None:
            return Kind.NONE
        case bool():
            return Kind.BOOL
        case int():
            return Kind.INT
        case float():
            return Kind.FLOAT
        case str():
            return Kind.STRING
        case Mac():
            return Kind.MAC
        case Octets():
            return Kind.BASE16 if value.base == 16 else Kind.BASE64
        case Xml():
            return Kind.XML
        case Record():
            return Kind.RECORD
        case list():
            return Kind.LIST
    return Kind.DICT


def fitted(value: Value, type_: Type, where: str) -> Value:
    """A simple value as its parameter takes it: an int with its sign, a string without blanks.

    What is inside of lists, dicts and records has been fitted before. Raises `ValueRefusedError`.
    """
    kind = kind_of(value)
    if not type_.takes(kind):
        value = _converted(value, kind, type_, where)
        kind = kind_of(value)
    if kind is Kind.INT:
        assert isinstance(value, int)
        return _in_range(value, type_, where)
    if isinstance(value, str) and type_.is_name:
        return value.strip()
    if isinstance(value, Octets) and type_.octets is not None and len(value.data) != type_.octets:
        raise ValueRefusedError(where, f"{len(value.data)} octets", type_.allowed)
    return value


def _converted(value: Value, kind: Kind, type_: Type, where: str) -> Value:
    """What real clients send for another type, where it can mean one thing only."""
    if kind is Kind.INT and type_.takes(Kind.BOOL) and value in (0, 1):
        return bool(value)
    if kind is Kind.INT and type_.takes(Kind.FLOAT):
        assert isinstance(value, int)
        with contextlib.suppress(OverflowError):
            return float(value)
    if type_.takes(Kind.MAC):
        text = f"{value:#x}" if isinstance(value, int) and kind is Kind.INT else str(value)
        if kind in (Kind.INT, Kind.STRING, Kind.BASE16):
            with contextlib.suppress(ValueError):
                return Mac.parse(text)
    given = f"{kind} {shown(value)}" if kind in _SIMPLE else f"a {kind}"
    if kind is Kind.NONE:
        given = "empty"
    raise ValueRefusedError(where, given, type_.allowed)


def _in_range(value: int, type_: Type, where: str) -> int:
    if type_.meanings:
        if value not in type_.meanings:
            raise ValueRefusedError(where, shown(value), type_.allowed)
        return value
    if type_.minimum is None or type_.maximum is None:
        return value
    if type_.wraps:
        span = 1 << type_.wraps
        if type_.minimum < 0 and type_.maximum < value < span:
            value -= span
        elif type_.minimum == 0 and -(span >> 1) <= value < 0:
            value += span
    if not type_.minimum <= value <= type_.maximum:
        raise ValueRefusedError(where, shown(value), type_.allowed)
    return value

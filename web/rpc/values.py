"""Values of parameters: what both notations, XML and JSON, are read into and written from (CPX2-SE, Chapter 3).

| type | value |
|---|---|
| int, float, bool, string | int, float, bool, str |
| MAC | `Mac` |
| base16, base64 | `Octets` |
| none | None |
| list, dict | list, dict |
| a record | `Record` |
| xml | `Xml` |
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from protocols.ids import Eui64

EXTENDED, SHORT = 8, 2
"""Octets of the two kinds of addresses."""
_SEPARATORS = str.maketrans("", "", ":-. \t\r\n!")
_HEX = re.compile("[0-9a-fA-F]+")
_BROADCASTS = ("000000000000ffff", "00000000000000ffff")
"""To every device, as the manual prints it: with nine octets once, which is one too many."""


@dataclass(frozen=True, slots=True)
class Mac:
    """An address: 8 octets of an extended one, or 2 of a short one."""

    octets: bytes

    @classmethod
    def parse(cls, text: str) -> Mac:
        """Read `00:11:22:33:44:55:66:77`, `0x1397` or `1397`, whatever separates the digits. Raises `ValueError`."""
        digits = text.translate(_SEPARATORS).lower()
        is_number = digits.startswith("0x")
        if is_number:
            digits = digits[2:]
        if _HEX.fullmatch(digits) is not None:
            if digits in _BROADCASTS:
                return BROADCAST
            if len(digits) <= 2 * SHORT:
                return cls(bytes.fromhex(digits.zfill(2 * SHORT)))
            if len(digits) == 2 * EXTENDED or (is_number and len(digits) < 2 * EXTENDED):
                return cls(bytes.fromhex(digits.zfill(2 * EXTENDED)))
        raise ValueError("16 hex digits of an extended address or 4 of a short one")

    @classmethod
    def of(cls, address: Eui64 | int) -> Mac:
        """An address of ours: a number up to 0xFFFF is a short one, unless it is an `Eui64`."""
        size = SHORT if not isinstance(address, Eui64) and address <= 0xFFFF else EXTENDED
        return cls(int(address).to_bytes(size))

    @property
    def is_broadcast(self) -> bool:
        """Whether it stands for every device."""
        return self == BROADCAST

    @property
    def eui64(self) -> Eui64 | None:
        """The extended address; None for a short one and for everybody."""
        return Eui64(int.from_bytes(self.octets)) if len(self.octets) == EXTENDED and not self.is_broadcast else None

    @property
    def short(self) -> int | None:
        """The short address; None for an extended one."""
        return int.from_bytes(self.octets) if len(self.octets) == SHORT else None

    def __str__(self) -> str:
        return (self.octets.hex(":") if len(self.octets) > SHORT else self.octets.hex()).upper()


BROADCAST = Mac(bytes(6) + b"\xff\xff")


@dataclass(frozen=True, slots=True)
class Octets:
    """Octets, and the base in which they are written."""

    data: bytes
    base: Literal[16, 64] = 16

    @classmethod
    def parse(cls, text: str, base: Literal[16, 64]) -> Octets:
        """Read digits of a base; blanks between them, and `0x` or `:` in base 16, do not count. Raises `ValueError`."""
        plain = "".join(text.split())
        if base == 16:
            digits = plain.replace(":", "").removeprefix("0x").removeprefix("0X")
            # bytes.fromhex would take blanks and name a position that is no longer that of the text.
            if len(digits) % 2 or (digits and _HEX.fullmatch(digits) is None):
                raise ValueError("hex digits, two for each octet")
            return cls(bytes.fromhex(digits))
        try:
            return cls(base64.b64decode(plain, validate=True), 64)
        except (binascii.Error, ValueError):
            raise ValueError("base 64 digits with their padding") from None

    def __str__(self) -> str:
        return self.data.hex().upper() if self.base == 16 else base64.b64encode(self.data).decode()


@dataclass(frozen=True, slots=True)
class Xml:
    """XML that is kept as it is: the markup inside of its parameter, as `web.rpc.markup` writes it."""

    markup: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record: the name of its class, and its fields in the order of that class."""

    name: str
    fields: dict[str, Value] = field(default_factory=dict)


Value: TypeAlias = "bool | int | float | str | Mac | Octets | Xml | Record | list[Value] | dict[str, Value] | None"
"""A parameter's value."""
Values: TypeAlias = dict[str, Value]
"""Parameters of a request or response by name, in their order."""

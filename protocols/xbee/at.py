"""AT registers and commands of XBee modules with Smart Energy firmware (reference xbee-se.md, 4).

A register that the module lacks answers `AtStatus.UNKNOWN_COMMAND`. Sizes of values differ between firmwares, so values
are read by the length that came; integers have their most significant byte first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from protocols.errors import RangeError
from protocols.install_code import hex_digits
from protocols.xbee.frames import SECRET_REGISTERS


class Access(Enum):
    """What can be done with it."""

    READ = "read"
    READ_WRITE = "read, write"
    WRITE = "write"
    EXECUTE = "execute"


class Effect(Enum):
    """What writing it does beyond itself."""

    NONE = ""
    LINK = "it would break the link to the module"
    NETWORK = "the network is formed or joined anew"
    FLASH = "flash memory is written, which wears out"


@dataclass(frozen=True, slots=True)
class Register:
    """A row of the table."""

    name: str
    size: int
    """Bytes of a value; 0: a command without one."""
    access: Access
    meaning: str
    unit: str = ""
    effect: Effect = Effect.NONE
    minimum: int = 0
    maximum: int | None = None
    """Of a value that is written; None: all that fits."""

    @property
    def code(self) -> bytes:
        """Its two characters as they are sent."""
        return self.name.encode("ascii")

    @property
    def is_secret(self) -> bool:
        """Whether its value is a key."""
        return self.code in SECRET_REGISTERS

    @property
    def can_write(self) -> bool:
        """Whether it takes a value, or is carried out."""
        return self.access is not Access.READ

    @property
    def is_written_only(self) -> bool:
        """Whether it is a key or a part of a certificate."""
        return self.access is Access.WRITE

    def effect_of(self, value: bytes | None) -> Effect:
        """What writing a value or carrying it out does; reading (None) does nothing."""
        if value is None and self.access is not Access.EXECUTE:
            return Effect.NONE
        if self.name == "CB" and value is not None and to_number(value) == LEAVE_PRESSES:
            return Effect.NETWORK
        return self.effect

    @property
    def allowed(self) -> str:
        """What may be written, for people."""
        if self.is_written_only:
            return f"{2 * self.size} hex digits ({self.size} bytes), or 00 to clear"
        if self.maximum is None and self.size > LONGEST_NUMBER:
            return f"at most {self.size} bytes"
        most = (1 << 8 * max(self.size, 1)) - 1 if self.maximum is None else self.maximum
        return f"{self.minimum} to {most}" + (f" (0x{self.minimum:X} to 0x{most:X})" if most > LARGEST_DIGIT else "")

    def value_of(self, said: int | str) -> bytes:
        """The bytes of a value that a person gave: a number, or hex digits, which keep their length.

        Keys and certificates may have separators between their digits, as they are printed. Raises `RangeError`,
        which never shows what was said in hex: it may be a key that is nearly right.
        """
        if isinstance(said, int):
            if said < 0:
                raise RangeError(f"register {self.name}", said, self.allowed)
            return to_value(said)
        digits = hex_digits(said) if self.is_written_only else re.sub("^0[xX]", "", said.strip())
        if not re.fullmatch("[0-9A-Fa-f]+", digits):
            shown = f"{len(said)} characters that are not all hex digits"
            raise RangeError(f"register {self.name}", shown, f"{self.allowed}; a number, or hex digits")
        if self.is_written_only and len(digits) % 2 and digits != "0":
            raise RangeError(f"register {self.name}", f"{len(digits)} hex digits", self.allowed)
        return bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))

    def check(self, value: bytes) -> None:
        """Raise `RangeError` for a value that cannot be written; keys and certificates are not shown."""
        if self.access is Access.READ:
            raise RangeError(f"register {self.name}", "written", "reading only")
        if self.access is Access.WRITE:
            # One zero byte clears a key or a certificate.
            if len(value) != self.size and value != b"\x00":
                raise RangeError(f"register {self.name}", f"{len(value)} bytes", self.allowed)
            return
        number, most = to_number(value), self.maximum
        if number < self.minimum or (most is not None and number > most) or number.bit_length() > 8 * max(self.size, 1):
            shown = f"{len(value)} bytes" if len(value) > LONGEST_NUMBER else number
            raise RangeError(f"register {self.name}", shown, self.allowed)
        if len(value) > max(self.size, 1):
            raise RangeError(f"register {self.name}", f"{len(value)} bytes", f"at most {max(self.size, 1)} bytes")


LONGEST_NUMBER: Final = 8
"""Bytes of a value that is meant as a number; longer ones are texts and keys."""
LARGEST_DIGIT: Final = 9
"""Up to here a number is the same in decimal and in hex."""
LEAVE_PRESSES: Final = 4
"""Of the commissioning button: the module leaves its network and starts anew (reference xbee-se.md, 4)."""
R, RW, W, X = Access.READ, Access.READ_WRITE, Access.WRITE, Access.EXECUTE
_NETWORK, _LINK, _FLASH = Effect.NETWORK, Effect.LINK, Effect.FLASH

_ROWS: Final = (
    Register("ID", 8, RW, "extended PAN id to form or join; 0: any", effect=_NETWORK),
    Register("OP", 8, R, "extended PAN id of the network"),
    Register("OI", 2, R, "PAN id of the network"),
    Register("CH", 1, R, "channel; 0: on no network"),
    Register("MY", 2, R, "network address; FFFE: on no network"),
    Register("SH", 4, R, "upper half of the extended address"),
    Register("SL", 4, R, "lower half of the extended address"),
    Register("DH", 4, RW, "upper half of the transparent mode's destination"),
    Register("DL", 4, RW, "lower half of the transparent mode's destination"),
    Register("II", 2, RW, "PAN id to form", effect=_NETWORK),
    Register("SC", 2, RW, "channels to scan, bit 0 is channel 11", effect=_NETWORK, minimum=1),
    Register("SD", 1, RW, "scan duration exponent", maximum=7),
    Register("NJ", 1, RW, "how long joining is open after it was changed", "s", maximum=0xFE),
    Register("CB", 1, X, "presses of the commissioning button: 2 opens joining, 4 leaves", minimum=1, maximum=4),
    Register("ZS", 1, R, "stack profile"),
    Register("CE", 1, RW, "1: coordinator, 0: router; firmware for all roles only", effect=_NETWORK, maximum=1),
    Register("EO", 1, RW, "encryption options; 8 on a router: establish keys after joining", effect=_NETWORK),
    Register("NK", 16, W, "network key; 00: a random one", effect=_NETWORK),
    Register("KY", 16, W, "link key: of the trust centre, or to join with", effect=_NETWORK),
    Register("ZU", 22, W, "public key of the certificate authority"),
    Register("ZT", 48, W, "implicit certificate"),
    Register("ZV", 21, W, "private key of the certificate"),
    Register("VC", 1, R, "1: there is a certificate"),
    Register("DO", 1, RW, "device options; bit 1: tell of joining devices"),
    Register("BR", 1, RW, "answer beacon requests", maximum=1),
    Register("AI", 1, R, "how far forming, joining and authentication have come"),
    Register("AP", 1, RW, "API mode", effect=_LINK, minimum=1, maximum=2),
    Register("AO", 1, RW, "3: the host answers what the stack does not", effect=_LINK, minimum=1, maximum=3),
    Register("NP", 2, R, "bytes of a payload", "B"),
    Register("NC", 1, R, "children that still find room"),
    Register("NH", 1, RW, "most hops of a unicast", "hops"),
    Register("BH", 1, RW, "most hops of a broadcast", "hops", maximum=0x1E),
    Register("AR", 1, RW, "many-to-one broadcasts; FF: never", "10 s"),
    Register("SP", 2, RW, "how long frames are kept for sleeping children", "10 ms", minimum=0x20, maximum=0xAF0),
    Register("PL", 1, RW, "power level", maximum=4),
    Register("PM", 1, RW, "boost", maximum=1),
    Register("PP", 1, R, "power at the highest level", "dBm"),
    Register("VR", 2, R, "firmware"),
    Register("HV", 2, R, "hardware"),
    Register("NT", 2, RW, "discovery timeout", "100 ms"),
    Register("RO", 1, RW, "packetization timeout", "characters"),
    Register("BD", 4, RW, "baud rate", effect=_LINK),
    Register("NB", 1, RW, "parity", effect=_LINK),
    Register("SB", 1, RW, "stop bits", effect=_LINK),
    Register("D5", 1, RW, "associate LED"),
    Register("D6", 1, RW, "RTS flow control", effect=_LINK),
    Register("D7", 1, RW, "CTS flow control", effect=_LINK),
    Register("LT", 1, RW, "blink time of the associate LED", "10 ms"),
    Register("GT", 2, RW, "guard time of command mode", "ms", effect=_LINK),
    Register("CC", 1, RW, "character of command mode", effect=_LINK),
    Register("CT", 2, RW, "timeout of command mode", "100 ms"),
    Register("CK", 2, R, "checksum over the configuration"),
    Register("%V", 2, R, "supply", "mV"),
    Register("TP", 2, R, "temperature", "°C"),
    Register("V+", 2, RW, "supply below which it is told", "mV"),
    Register("MP", 2, R, "network address of the parent"),
    Register("DB", 1, R, "strength of the last frame", "-dBm"),
    Register("EE", 1, RW, "encryption", maximum=1, effect=_NETWORK),
    Register("NI", 20, RW, "node identifier"),
    Register("JV", 1, RW, "channel verification", maximum=1),
    Register("JN", 1, RW, "join notification", maximum=1),
    Register("WR", 0, X, "keep all registers over a loss of power", effect=_FLASH),
    Register("RE", 0, X, "all registers as they left the factory", effect=_LINK),
    Register("FR", 0, X, "restart"),
    Register("AC", 0, X, "apply what was queued"),
    Register("NR", 1, X, "leave; 0: this module, 1: everybody", effect=_NETWORK, maximum=1),
)
REGISTERS: Final = {row.name: row for row in _ROWS}


def register(name: str) -> Register:
    """The row of a register, whatever its case. Raises `RangeError` for what is no AT command at all."""
    known = REGISTERS.get(name.upper())
    if known is not None:
        return known
    if len(name) != 2 or not name.isascii() or not name.isprintable():
        raise RangeError("AT command", name[:20], "two characters, as NJ or %V")
    # A module may have more than this table; it answers for itself.
    return Register(name.upper(), 255, Access.READ_WRITE, "not in the table of Smart Energy firmware")


def to_value(number: int) -> bytes:
    """The bytes of a value: as few as hold it, and one for 0, since none at all would be a question."""
    if number < 0:
        raise RangeError("value", number, "0 and more")
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def to_number(value: bytes) -> int:
    """The number in a value of any length."""
    return int.from_bytes(value, "big")


CHANNELS: Final = range(11, 27)


def channel_mask(channels: tuple[int, ...]) -> int:
    """Register SC for a choice of channels. Raises `RangeError` for none, or one that does not exist."""
    if not channels or any(channel not in CHANNELS for channel in channels):
        raise RangeError("channels", ", ".join(map(str, channels)) or "none", "some of 11 to 26")
    return sum(1 << channel - 11 for channel in set(channels))

"""Addresses on ZiGate's serial line: a mode, then two or eight bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from protocols.errors import RangeError
from protocols.fields import U16, U64, OpenEnum
from protocols.ids import Eui64
from protocols.packet import Usual

ieee = Annotated[Eui64, U64]
"""An extended address, most significant byte first."""


class AddressMode(OpenEnum):
    """What an address is, and how a frame is sent to it (ZIGATE firmware)."""

    BOUND = 0
    GROUP = 1
    SHORT = 2
    """With an APS acknowledgement, where the firmware can."""
    IEEE = 3
    BROADCAST = 4
    NO_TRANSMIT = 5
    BOUND_NO_ACK = 6
    SHORT_NO_ACK = 7
    IEEE_NO_ACK = 8
    BOUND_NON_BLOCKING = 9
    BOUND_NON_BLOCKING_NO_ACK = 10


_MODES = {int(mode): mode for mode in AddressMode}
_SHORT = int(AddressMode.SHORT)
ADDRESSES_KEPT = 1024
"""`Address` objects that are used again."""
_EIGHT_BYTES = frozenset({AddressMode.IEEE, AddressMode.IEEE_NO_ACK})


@dataclass(frozen=True, slots=True)
class Address:
    """An address with its mode."""

    mode: AddressMode
    value: int
    """A network address, group or broadcast address, or an extended address, by mode."""

    @property
    def is_ieee(self) -> bool:
        """Whether `value` is an extended address."""
        return self.mode in _EIGHT_BYTES


class _Shorts(dict[int, Address]):
    """Network addresses: there are as many as devices, and two in every frame that arrives."""

    def __missing__(self, value: int) -> Address:
        if len(self) >= ADDRESSES_KEPT:
            self.clear()
        self[value] = found = Address(AddressMode.SHORT, value)
        return found


_shorts = _Shorts()


@dataclass(frozen=True, slots=True)
class AddressWire:
    """How an `Address` lies on the line.

    `always_long`: firmware before 3.1a sends eight bytes whatever the mode, a network address in the first two; known
    by the bytes that are left: eight and the counter behind them.
    """

    always_long: bool = False
    usual: Usual | None = None

    def read(self, data: bytes, offset: int, order: str) -> tuple[Address, int]:
        """See `protocols.packet.Wire`."""
        start = offset + 1
        if data[offset] == _SHORT and start + 2 <= len(data) and not self.always_long:
            return _shorts[data[start] << 8 | data[start + 1]], start + 2
        mode = _MODES.get(data[offset]) or AddressMode(data[offset])
        if mode in _EIGHT_BYTES:
            end = start + 8
            if end > len(data):
                raise IndexError
            return Address(mode, int.from_bytes(data[start:end], "big")), end
        end = start + 2
        if end > len(data):
            raise IndexError
        value = int.from_bytes(data[start:end], "big")
        if self.always_long and len(data) == start + 9:
            end = start + 8
        return Address(mode, value), end

    def write(self, value: Address, order: str) -> bytes:
        """See `protocols.packet.Wire`."""
        size = 8 if value.is_ieee else 2
        try:
            return bytes((value.mode,)) + value.value.to_bytes(size, "big")
        except (OverflowError, ValueError):
            raise RangeError("Address.value", value.value, f"{8 * size} bits") from None


ADDRESS = AddressWire(usual=Usual(_SHORT, U16, _shorts))
FAILED_ADDRESS = AddressWire(always_long=True)

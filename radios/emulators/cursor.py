"""Reads the fields of a host's command, one after the other, least significant byte first."""

from __future__ import annotations

from radios.emulators.errors import EmulatorError


class TruncatedError(EmulatorError):
    """A command ends before its last field."""


class Cursor:
    """Where the next field of a command begins."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """Bytes that nobody has read yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next bytes. Raises `TruncatedError` when there are not so many."""
        if count > self.left:
            raise TruncatedError(f"{count} bytes wanted, {self.left} are left")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def u8(self) -> int:
        """One byte."""
        return self.number(1)

    def u16(self) -> int:
        """Two bytes."""
        return self.number(2)

    def u32(self) -> int:
        """Four bytes."""
        return self.number(4)

    def u64(self) -> int:
        """Eight bytes: an extended address, for one."""
        return self.number(8)

    def block(self) -> bytes:
        """One byte that tells how many follow, and those."""
        return self.take(self.u8())

    def rest(self) -> bytes:
        """Whatever is left."""
        return self.take(self.left)


def u16(value: int) -> bytes:
    """Two bytes."""
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    """Four bytes."""
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    """Eight bytes."""
    return value.to_bytes(8, "little")


def block(data: bytes) -> bytes:
    """Bytes, and before them one that tells how many."""
    return bytes((len(data),)) + data

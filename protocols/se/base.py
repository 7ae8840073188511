"""What all commands of the Smart Energy clusters have: a revision of the standard, and labels.

A command grows at its end from one revision to the next. What came is read as far as it goes; what goes out ends where
the revision that is spoken does (`SeCommand.cut`). A field that is there in part makes the command malformed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Annotated, ClassVar, Self, TypeVar

from protocols.fields import U32
from protocols.zcl.commands import ClusterPayload

utc = Annotated[int, U32]
"""Seconds since 2000-01-01 00:00:00 UTC."""
NOW = 0
"""A start time: at once."""
INVALID_UTC = 0xFFFFFFFF
SE_EPOCH_UNIX_S = 946_684_800
"""The standard's epoch as a Unix time."""


class SeVersion(IntEnum):
    """Revisions that the wire differs in: the profile's 1.0 (r15), 1.1 (r16, 1.1b) and 1.2 (1.2a, 1.2b, 1.4)."""

    V1_0 = 10
    V1_1 = 11
    V1_2 = 12


@dataclass(frozen=True, slots=True)
class Label:
    """UTF-8 text of at most `maximum` bytes behind its length; the invalid length 0xFF is no text.

    Bytes that are not UTF-8 are kept as surrogates and written back. A longer text is read, and never written.
    """

    maximum: int

    def read(self, data: bytes, offset: int, order: str) -> tuple[str, int]:
        """See `protocols.packet.Wire`."""
        size = data[offset]
        offset += 1
        if size == 0xFF:
            return "", offset
        end = offset + size
        if end > len(data):
            raise IndexError
        return data[offset:end].decode("utf-8", "surrogateescape"), end

    def write(self, value: str, order: str) -> bytes:
        """See `protocols.packet.Wire`."""
        raw = value.encode("utf-8", "surrogateescape")
        if len(raw) > self.maximum:
            raise ValueError(f"text of at most {self.maximum} bytes")
        return struct.pack("B", len(raw)) + raw


label12 = Annotated[str, Label(12)]
label20 = Annotated[str, Label(20)]
label24 = Annotated[str, Label(24)]
label25 = Annotated[str, Label(25)]


class SeCommand(ClusterPayload):
    """Base of the commands of these clusters."""

    __slots__ = ()
    SINCE: ClassVar[Mapping[str, SeVersion]] = {}
    """Fields at the end that a revision has added; all others were always there."""

    def cut(self, version: SeVersion) -> Self:
        """The command as `version` has it: what later revisions have added is left away."""
        later = {name: None for name, since in self.SINCE.items() if since > version}
        return replace(self, **later) if later else self


C = TypeVar("C", bound=type[SeCommand])


class Commands:
    """The commands of one cluster, by direction and id."""

    def __init__(self, cluster: int, *known: type[SeCommand]) -> None:
        self.cluster = cluster
        self.known = {(command.TO_SERVER, command.COMMAND): command for command in known}
        if len(self.known) != len(known) or any(cluster != command.CLUSTER for command in known):
            raise ValueError(f"cluster 0x{cluster:04X}: two commands of one id, or one of another cluster")

    def read(self, command: int, payload: bytes, *, to_server: bool) -> SeCommand | None:
        """The command in a payload; None for one that is not known. Raises `CodecError` for a malformed one."""
        found = self.known.get((to_server, command))
        return None if found is None else found.decode(payload)

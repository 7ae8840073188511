"""What versions of the EmberZNet firmware, and so of EZSP, do differently: a table, and statuses in both numberings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from radios.emulators.cursor import u16, u32


class Outcome(Enum):
    """A status: EZSP's own number, the stack's number before EZSP 14, and the only one since (`sl_status_t`)."""

    OK = 0x00, 0x00, 0x0000
    FAILED = 0x36, 0x01, 0x0001
    BAD_ARGUMENT = 0x36, 0x02, 0x0021
    UNKNOWN_ID = 0x37, 0x02, 0x0021
    INVALID_CALL = 0x38, 0x70, 0x0002
    NOT_FOUND = 0x36, 0x03, 0x002D
    NO_BUFFERS = 0x35, 0x18, 0x0019
    MESSAGE_LIMIT = 0x35, 0x72, 0x0C03
    TOO_LONG = 0x36, 0x74, 0x0038
    NOT_JOINED = 0x38, 0x93, 0x0017
    NETWORK_UP = 0x36, 0x90, 0x0015
    NETWORK_DOWN = 0x36, 0x91, 0x0016
    NETWORK_OPENED = 0x36, 0x9C, 0x0C18
    NETWORK_CLOSED = 0x36, 0x9D, 0x0C19
    JOIN_FAILED = 0x36, 0x94, 0x0017
    NO_BEACONS = 0x36, 0xAB, 0x0018
    NO_KEY_RECEIVED = 0x36, 0xAD, 0x0C1B
    NO_SECURITY_STATE = 0x38, 0xA8, 0x0C0B
    ENCRYPTION_ERROR = 0x36, 0xA6, 0x0C0A
    BAD_CHANNEL = 0x36, 0x8A, 0x0055
    BAD_POWER = 0x36, 0x8B, 0x0056
    BAD_MASK = 0x36, 0x35, 0x004F
    BAD_ENDPOINT = 0x36, 0xA3, 0x0021
    BAD_INDEX = 0x36, 0xB1, 0x0027
    BAD_KEY = 0x36, 0xB2, 0x0029
    TABLE_FULL = 0x36, 0xB4, 0x001C
    ERASED = 0x36, 0xB6, 0x002D
    NO_LIBRARY = 0x36, 0xB5, 0x000E
    DELIVERY_FAILED = 0x36, 0x66, 0x0C02
    INDIRECT_TIMEOUT = 0x36, 0x42, 0x0041
    NO_ROUTE = 0x36, 0xA9, 0x0C13

    @property
    def unified(self) -> int:
        """As `sl_status_t`."""
        return self.value[2]


VERSION_NOT_SET, UNKNOWN_FRAME, TRUNCATED = 0x30, 0x31, 0x33
"""Why a command is none, by EZSP's numbers."""
COMMAND_IS_INVALID = 0x0048
"""The same since EZSP 14, whatever the reason."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One version of EZSP."""

    version: int
    release: tuple[int, int, int]
    """Of the firmware that speaks it: major, minor, patch."""

    @property
    def stack_version(self) -> int:
        """As `version` answers it: a nibble for each part."""
        major, minor, patch = self.release
        return major << 12 | minor << 8 | patch << 4

    @property
    def has_unified_statuses(self) -> bool:
        """Since the Simplicity SDK all statuses have 32 bits."""
        return self.version >= 14

    @property
    def has_tokens(self) -> bool:
        """Flash can be read and written item by item, the stick's address among it."""
        return self.version >= 9

    @property
    def has_security_manager(self) -> bool:
        """Keys are imported and exported; the commands before are gone."""
        return self.version >= 13

    @property
    def message_tag_size(self) -> int:
        """Bytes of the number by which a message and its outcome belong together."""
        return 2 if self.version >= 14 else 1

    def ezsp(self, outcome: Outcome) -> bytes:
        """A status of settings."""
        return u32(outcome.unified) if self.has_unified_statuses else bytes((outcome.value[0],))

    def stack(self, outcome: Outcome) -> bytes:
        """A status of the stack."""
        return u32(outcome.unified) if self.has_unified_statuses else bytes((outcome.value[1],))

    def security(self, outcome: Outcome) -> bytes:
        """A status of the security manager, which has had 32 bits from the beginning."""
        return u32(outcome.unified)

    def invalid(self, reason: int) -> bytes:
        """Why a command is none."""
        return u32(COMMAND_IS_INVALID) if self.has_unified_statuses else bytes((reason,))


FIRMWARES: Mapping[str, Dialect] = {
    "6.7.8": Dialect(8, (6, 7, 8)),
    "6.10.3": Dialect(8, (6, 10, 3)),
    "7.0.2": Dialect(9, (7, 0, 2)),
    "7.1.5": Dialect(10, (7, 1, 5)),
    "7.2.5": Dialect(11, (7, 2, 5)),
    "7.3.2": Dialect(12, (7, 3, 2)),
    "7.4.4": Dialect(13, (7, 4, 4)),
    "8.0.2": Dialect(14, (8, 0, 2)),
    "8.1.1": Dialect(16, (8, 1, 1)),
    "8.2.0": Dialect(17, (8, 2, 0)),
    "9.0.0": Dialect(18, (9, 0, 0)),
}
"""By the firmware's release. EZSP 15 was never published."""
DEFAULT_FIRMWARE = "7.4.4"

RESPONSE, ASYNCHRONOUS, EXTENDED = 0x80, 0x10, 0x01
"""Frame control, low byte twice and high byte: it is a response; nobody asked for it; the long header."""
LEGACY_EXTENDED = 0xFF


@dataclass(frozen=True, slots=True)
class Header:
    """Of a frame: three forms are known (EZSP 4; 5 to 7; since 8)."""

    sequence: int
    command: int
    form: int
    """3, 5: short headers of that many bytes; 8: the long one, which has five too."""


def read(data: bytes) -> tuple[Header, bytes] | None:
    """Header and fields of a host's frame; None: it is too short to be one."""
    if len(data) < 3:
        return None
    if data[2] & 0x03 == EXTENDED and len(data) >= 5 and data[2] != LEGACY_EXTENDED:
        return Header(data[0], int.from_bytes(data[3:5], "little"), 8), data[5:]
    if data[2] == LEGACY_EXTENDED and len(data) >= 5:
        return Header(data[0], data[4], 5), data[5:]
    return Header(data[0], data[2], 3), data[3:]


def written(header: Header, fields: bytes, *, asked: bool) -> bytes:
    """A response, or what nobody asked for."""
    control = RESPONSE | (0 if asked else ASYNCHRONOUS)
    if header.form == 8:
        return bytes((header.sequence, control, EXTENDED)) + u16(header.command) + fields
    if header.form == 5:
        return bytes((header.sequence, control, LEGACY_EXTENDED, 0, header.command & 0xFF)) + fields
    return bytes((header.sequence, control, header.command & 0xFF)) + fields

"""General commands 0x00 to 0x16 of the ZCL, both ways (ZCL8, 2.5): `decode_general` reads any of them.

A list that breaks off, or goes on with a data type that nobody knows, gives the records before the break; what could
not be read is in `rest`. Only a command of which nothing can be read raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from protocols.errors import TruncatedError
from protocols.zcl.records import (
    AttributeAccess,
    AttributeType,
    ReadRecord,
    ReportingAnswer,
    ReportingQuery,
    ReportingRecord,
    ReportingStatus,
    StatusRecord,
    StructuredQuery,
    StructuredStatus,
    StructuredWrite,
    WriteRecord,
    from_u8,
    from_u16,
    read_records,
    u8_at,
    u16_at,
)
from protocols.zcl.status import Status


class General(IntEnum):
    """Ids of the general commands."""

    READ_ATTRIBUTES = 0x00
    READ_ATTRIBUTES_RESPONSE = 0x01
    WRITE_ATTRIBUTES = 0x02
    WRITE_ATTRIBUTES_UNDIVIDED = 0x03
    WRITE_ATTRIBUTES_RESPONSE = 0x04
    WRITE_ATTRIBUTES_NO_RESPONSE = 0x05
    CONFIGURE_REPORTING = 0x06
    CONFIGURE_REPORTING_RESPONSE = 0x07
    READ_REPORTING_CONFIGURATION = 0x08
    READ_REPORTING_CONFIGURATION_RESPONSE = 0x09
    REPORT_ATTRIBUTES = 0x0A
    DEFAULT_RESPONSE = 0x0B
    DISCOVER_ATTRIBUTES = 0x0C
    DISCOVER_ATTRIBUTES_RESPONSE = 0x0D
    READ_STRUCTURED = 0x0E
    WRITE_STRUCTURED = 0x0F
    WRITE_STRUCTURED_RESPONSE = 0x10
    DISCOVER_COMMANDS_RECEIVED = 0x11
    DISCOVER_COMMANDS_RECEIVED_RESPONSE = 0x12
    DISCOVER_COMMANDS_GENERATED = 0x13
    DISCOVER_COMMANDS_GENERATED_RESPONSE = 0x14
    DISCOVER_ATTRIBUTES_EXTENDED = 0x15
    DISCOVER_ATTRIBUTES_EXTENDED_RESPONSE = 0x16


RESPONSES: frozenset[int] = frozenset(
    (
        General.READ_ATTRIBUTES_RESPONSE,
        General.WRITE_ATTRIBUTES_RESPONSE,
        General.CONFIGURE_REPORTING_RESPONSE,
        General.READ_REPORTING_CONFIGURATION_RESPONSE,
        General.DEFAULT_RESPONSE,
        General.DISCOVER_ATTRIBUTES_RESPONSE,
        General.WRITE_STRUCTURED_RESPONSE,
        General.DISCOVER_COMMANDS_RECEIVED_RESPONSE,
        General.DISCOVER_COMMANDS_GENERATED_RESPONSE,
        General.DISCOVER_ATTRIBUTES_EXTENDED_RESPONSE,
    )
)
"""Commands that answer another one."""
REQUIRED_RESPONSE: dict[int, int] = {
    General.READ_ATTRIBUTES: General.READ_ATTRIBUTES_RESPONSE,
    General.WRITE_ATTRIBUTES: General.WRITE_ATTRIBUTES_RESPONSE,
    General.WRITE_ATTRIBUTES_UNDIVIDED: General.WRITE_ATTRIBUTES_RESPONSE,
    General.CONFIGURE_REPORTING: General.CONFIGURE_REPORTING_RESPONSE,
    General.READ_REPORTING_CONFIGURATION: General.READ_REPORTING_CONFIGURATION_RESPONSE,
    General.DISCOVER_ATTRIBUTES: General.DISCOVER_ATTRIBUTES_RESPONSE,
    General.READ_STRUCTURED: General.READ_ATTRIBUTES_RESPONSE,
    General.WRITE_STRUCTURED: General.WRITE_STRUCTURED_RESPONSE,
    General.DISCOVER_COMMANDS_RECEIVED: General.DISCOVER_COMMANDS_RECEIVED_RESPONSE,
    General.DISCOVER_COMMANDS_GENERATED: General.DISCOVER_COMMANDS_GENERATED_RESPONSE,
    General.DISCOVER_ATTRIBUTES_EXTENDED: General.DISCOVER_ATTRIBUTES_EXTENDED_RESPONSE,
}
"""Request -> the response that answers it."""
UNTIL_CHANGED = 0
NO_PERIODIC = 0xFFFF
"""Maximum reporting interval: never report (with minimum 0xFFFF: default), ZCL8, 2.5.7.1.6."""

# -- commands --------------------------------------------------------------------------------------------------------


class _Record(Protocol):
    def write(self) -> bytes: ...


_R = TypeVar("_R", bound=_Record)


@dataclass(frozen=True, slots=True)
class RecordList(Generic[_R]):
    """Base of commands that are a list of records."""

    _record: ClassVar[Any]
    records: tuple[_R, ...]
    rest: bytes = b""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the payload. Raises `CodecError`."""
        return cls(*read_records(cls._record.read, data))

    def encode(self) -> bytes:
        """The payload."""
        return b"".join(record.write() for record in self.records) + self.rest


@dataclass(frozen=True, slots=True)
class StatusList(Generic[_R]):
    """Base of answers that list what failed; a single SUCCESS when nothing did."""

    _record: ClassVar[Any]
    records: tuple[_R, ...] = ()
    rest: bytes = b""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the payload. Raises `CodecError`."""
        return cls() if data == b"\x00" else cls(*read_records(cls._record.read, data))

    def encode(self) -> bytes:
        """The payload."""
        return b"".join(record.write() for record in self.records) + self.rest or b"\x00"


@dataclass(frozen=True, slots=True)
class ReadAttributes:
    """Ask for attributes."""

    COMMAND: ClassVar[int] = General.READ_ATTRIBUTES
    attributes: tuple[int, ...]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the payload. Raises `CodecError`."""
        if len(data) % 2:
            raise TruncatedError("ReadAttributes", len(data) + 1, len(data))
        return cls(tuple(data[i] | data[i + 1] << 8 for i in range(0, len(data), 2)))

    def encode(self) -> bytes:
        """The payload."""
        return b"".join(from_u16("attribute", attribute) for attribute in self.attributes)


@dataclass(frozen=True, slots=True)
class ReadAttributesResponse(RecordList[ReadRecord]):
    """Attributes, each with its status."""

    COMMAND: ClassVar[int] = General.READ_ATTRIBUTES_RESPONSE
    _record = ReadRecord


@dataclass(frozen=True, slots=True)
class WriteAttributes(RecordList[WriteRecord]):
    """Write attributes, each by itself."""

    COMMAND: ClassVar[int] = General.WRITE_ATTRIBUTES
    _record = WriteRecord


@dataclass(frozen=True, slots=True)
class WriteAttributesUndivided(WriteAttributes):
    """Write all attributes, or none."""

    COMMAND: ClassVar[int] = General.WRITE_ATTRIBUTES_UNDIVIDED


@dataclass(frozen=True, slots=True)
class WriteAttributesNoResponse(WriteAttributes):
    """Write attributes without an answer."""

    COMMAND: ClassVar[int] = General.WRITE_ATTRIBUTES_NO_RESPONSE


@dataclass(frozen=True, slots=True)
class WriteAttributesResponse(StatusList[StatusRecord]):
    """What could not be written; empty: all was."""

    COMMAND: ClassVar[int] = General.WRITE_ATTRIBUTES_RESPONSE
    _record = StatusRecord


@dataclass(frozen=True, slots=True)
class ConfigureReporting(RecordList[ReportingRecord]):
    """Say what shall be reported, how often and upon which change."""

    COMMAND: ClassVar[int] = General.CONFIGURE_REPORTING
    _record = ReportingRecord


@dataclass(frozen=True, slots=True)
class ConfigureReportingResponse(StatusList[ReportingStatus]):
    """What could not be configured; empty: all was."""

    COMMAND: ClassVar[int] = General.CONFIGURE_REPORTING_RESPONSE
    _record = ReportingStatus


@dataclass(frozen=True, slots=True)
class ReadReportingConfiguration(RecordList[ReportingQuery]):
    """Ask how attributes are reported."""

    COMMAND: ClassVar[int] = General.READ_REPORTING_CONFIGURATION
    _record = ReportingQuery


@dataclass(frozen=True, slots=True)
class ReadReportingConfigurationResponse(RecordList[ReportingAnswer]):
    """How attributes are reported."""

    COMMAND: ClassVar[int] = General.READ_REPORTING_CONFIGURATION_RESPONSE
    _record = ReportingAnswer


@dataclass(frozen=True, slots=True)
class ReportAttributes(WriteAttributes):
    """Attributes, told by themselves."""

    COMMAND: ClassVar[int] = General.REPORT_ATTRIBUTES


@dataclass(frozen=True, slots=True)
class DefaultResponse:
    """How a command was taken that has no answer of its own."""

    COMMAND: ClassVar[int] = General.DEFAULT_RESPONSE
    command: int
    status: Status

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the payload. Raises `CodecError`."""
        if len(data) < 2:
            raise TruncatedError("DefaultResponse", 2, len(data))
        return cls(data[0], Status(data[1]))

    def encode(self) -> bytes:
        """The payload."""
        return from_u8("command", self.command) + from_u8("status", self.status)


@dataclass(frozen=True, slots=True)
class DiscoverAttributes:
    """Ask which attributes there are, from `first` on."""

    COMMAND: ClassVar[int] = General.DISCOVER_ATTRIBUTES
    first: int
    maximum: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the payload. Raises `CodecError`."""
        return cls(u16_at(data, 0), u8_at(data, 2))

    def encode(self) -> bytes:
        """The payload."""
        return from_u16("first", self.first) + from_u8("maximum", self.maximum)


@dataclass(frozen=True, slots=True)
class DiscoverAttributesExtended(DiscoverAttributes):
    """Ask which attributes there are and what may be done with them."""

    COMMAND: ClassVar[int] = General.DISCOVER_ATTRIBUTES_EXTENDED


@dataclass(frozen=True, slots=True)
class DiscoverAttributesResponse:
    """Attributes that there are; `complete`: these were the last."""

    COMMAND: ClassVar[int] = General.DISCOVER_ATTRIBUTES_RESPONSE
    complete: bool
    records: tuple[AttributeType, ...]
    rest: bytes = b""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the payload. Raises `CodecError`."""
        return cls(bool(u8_at(data, 0)), *read_records(AttributeType.read, data, 1))

    def encode(self) -> bytes:
        """The payload."""
        return bytes((self.complete,)) + b"".join(record.write() for record in self.records) + self.rest


@dataclass(frozen=True, slots=True)
class DiscoverAttributesExtendedResponse:
    """Attributes that there are and what may be done with them."""

    COMMAND: ClassVar[int] = General.DISCOVER_ATTRIBUTES_EXTENDED_RESPONSE
    complete: bool
    records: tuple[AttributeAccess, ...]
    rest: bytes = b""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the payload. Raises `CodecError`."""
        return cls(bool(u8_at(data, 0)), *read_records(AttributeAccess.read, data, 1))

    def encode(self) -> bytes:
        """The payload."""
        return bytes((self.complete,)) + b"".join(record.write() for record in self.records) + self.rest


@dataclass(frozen=True, slots=True)
class ReadStructured(RecordList[StructuredQuery]):
    """Ask for attributes, or parts of them."""

    COMMAND: ClassVar[int] = General.READ_STRUCTURED
    _record = StructuredQuery


@dataclass(frozen=True, slots=True)
class WriteStructured(RecordList[StructuredWrite]):
    """Write attributes, or parts of them."""

    COMMAND: ClassVar[int] = General.WRITE_STRUCTURED
    _record = StructuredWrite


@dataclass(frozen=True, slots=True)
class WriteStructuredResponse(StatusList[StructuredStatus]):
    """What could not be written; empty: all was."""

    COMMAND: ClassVar[int] = General.WRITE_STRUCTURED_RESPONSE
    _record = StructuredStatus


@dataclass(frozen=True, slots=True)
class DiscoverCommandsReceived:
    """Ask which commands a cluster takes, from `first` on."""

    COMMAND: ClassVar[int] = General.DISCOVER_COMMANDS_RECEIVED
    first: int
    maximum: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the payload. Raises `CodecError`."""
        return cls(u8_at(data, 0), u8_at(data, 1))

    def encode(self) -> bytes:
        """The payload."""
        return from_u8("first", self.first) + from_u8("maximum", self.maximum)


@dataclass(frozen=True, slots=True)
class DiscoverCommandsGenerated(DiscoverCommandsReceived):
    """Ask which commands a cluster sends."""

    COMMAND: ClassVar[int] = General.DISCOVER_COMMANDS_GENERATED


@dataclass(frozen=True, slots=True)
class DiscoverCommandsReceivedResponse:
    """Commands that a cluster takes."""

    COMMAND: ClassVar[int] = General.DISCOVER_COMMANDS_RECEIVED_RESPONSE
    complete: bool
    commands: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the payload. Raises `CodecError`."""
        return cls(bool(u8_at(data, 0)), data[1:])

    def encode(self) -> bytes:
        """The payload."""
        return bytes((self.complete,)) + self.commands


@dataclass(frozen=True, slots=True)
class DiscoverCommandsGeneratedResponse(DiscoverCommandsReceivedResponse):
    """Commands that a cluster sends."""

    COMMAND: ClassVar[int] = General.DISCOVER_COMMANDS_GENERATED_RESPONSE


GeneralCommand = (
    ReadAttributes
    | ReadAttributesResponse
    | WriteAttributes
    | WriteAttributesResponse
    | ConfigureReporting
    | ConfigureReportingResponse
    | ReadReportingConfiguration
    | ReadReportingConfigurationResponse
    | DefaultResponse
    | DiscoverAttributes
    | DiscoverAttributesResponse
    | DiscoverAttributesExtendedResponse
    | ReadStructured
    | WriteStructured
    | WriteStructuredResponse
    | DiscoverCommandsReceived
    | DiscoverCommandsReceivedResponse
)
_COMMANDS: dict[int, type[GeneralCommand]] = {
    found.COMMAND: found
    for found in (
        ReadAttributes,
        ReadAttributesResponse,
        WriteAttributes,
        WriteAttributesUndivided,
        WriteAttributesResponse,
        WriteAttributesNoResponse,
        ConfigureReporting,
        ConfigureReportingResponse,
        ReadReportingConfiguration,
        ReadReportingConfigurationResponse,
        ReportAttributes,
        DefaultResponse,
        DiscoverAttributes,
        DiscoverAttributesResponse,
        ReadStructured,
        WriteStructured,
        WriteStructuredResponse,
        DiscoverCommandsReceived,
        DiscoverCommandsReceivedResponse,
        DiscoverCommandsGenerated,
        DiscoverCommandsGeneratedResponse,
        DiscoverAttributesExtended,
        DiscoverAttributesExtendedResponse,
    )
}


def decode_general(command: int, payload: bytes) -> GeneralCommand | None:
    """The general command with id `command`; None for an id that ZCL8 does not have. Raises `CodecError`."""
    found = _COMMANDS.get(command)
    return found.decode(payload) if found is not None else None

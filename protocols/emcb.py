"""Eaton EMCB smart breakers: the datagrams of the Local Networking UDP API.

Source: Eaton EMCB "Local Networking UDP API", revision 1.0.1 (docs/sources.md: EMCB). Every number is little-endian.

    offset  size  field
    0       4     start: "ETNM" coordinator to breaker, "ETNS" breaker to coordinator      4.1.1
    4       4     sequence number, the same in request and response                        4.1.2
    8       2     message code, the same in request and response                           4.1.3
    10      n     message data, 0 to 1458 bytes                                            4.1.4
    10+n    32    HMAC-SHA256 of everything before it                                      4.1.5

A message is a frozen dataclass; `REQUESTS` and `RESPONSES` say which code carries which. The electric vehicle messages
(EVSE) and the waveform mode are not in the document; their layout comes from the vendor's public library
(docs/sources.md: EMCB-LIB).
"""

from __future__ import annotations

import hashlib
import struct
from hmac import compare_digest
from typing import Annotated, ClassVar, NamedTuple

from protocols.errors import RangeError, SignatureError, TrailingBytesError, TruncatedError
from protocols.fields import U8, Ascii, Frame, Octets, OpenEnum, Times, s32, s64, u8, u16, u32, u64
from protocols.record import record

UDP_PORT = 32866
"""The port every breaker listens on (chapter 3)."""
START_REQUEST = b"ETNM"
START_RESPONSE = b"ETNS"
SIGNATURE_SIZE = 32
KEY_SIZE = 32
"""Bytes of a UDP key (4.1.5)."""
MAX_MESSAGE_DATA = 1458
"""Bytes of message data that fit an Ethernet frame (4.1.4)."""
DEVICE_ID_SIZE = 16
PROTOCOL_VERSION = 1
"""The only protocol version of the document (5.1.3)."""
SEQUENCE_WINDOW = 100
"""How far ahead of the expected sequence number a breaker accepts (4.3), and how close to it, on both sides, it refuses
to be set (5.5.2)."""
LED_COUNT = 5
MAX_LED_DURATION_S = 10_737_418
"""Longest LED duration in seconds; zero or less means until the next command or restart (5.7.2)."""

_SHA256_BLOCK = 64
_SEQUENCE_MASK = 0xFFFF_FFFF


class HandlePosition(OpenEnum):
    """Feedback position of the contacts (5.3.3)."""

    OPEN = 0
    CLOSED = 1
    FEEDBACK_MISMATCH = 2
    INTERNAL_ERROR = 255


class HandleAction(OpenEnum):
    """What to do with the contacts (5.6.2)."""

    OPEN = 0
    CLOSE = 1
    TOGGLE = 2


class Ack(OpenEnum):
    """Positive acknowledge is 0, anything else is negative (5.5.3, 5.6.3, 5.7.3)."""

    ACKNOWLEDGE = 0
    RATE_LIMITED = 1
    BAD_SEQUENCE_NUMBER = 2


class EvseState(OpenEnum):
    """State of the charging station by the letters of SAE J1772 (EMCB-LIB)."""

    A_IDLE = 0
    B1_WAITING_ON_CHARGER = 1
    B2_WAITING_ON_VEHICLE = 2
    C_CHARGING = 3
    E_FAULT = 4
    F_FAULT = 5


class EvseMode(OpenEnum):
    """Who decides whether the station may charge (EMCB-LIB); settable are 1, 4, 5, 6 and 7."""

    NO_RESTRICTIONS = 1
    OFFLINE_NO_RESTRICTIONS = 2
    MANUAL_OVERRIDE = 3
    CLOUD_API = 4
    CHARGE_WINDOWS = 5
    API_OVERRIDE_ENABLE = 6
    API_OVERRIDE_DISABLE = 7
    OCPP = 8
    KEEP = 255


class EvseOfflineMode(OpenEnum):
    """What the station does while it has no cloud (EMCB-LIB)."""

    NO_RESTRICTIONS = 1
    NO_CHANGE = 2
    KEEP = 255


class EvseError(OpenEnum):
    """Why the station does not charge (EMCB-LIB)."""

    NONE = 0
    VENT = 2
    STATE_MACHINE_4 = 4
    STATE_MACHINE_5 = 5
    STATE_MACHINE_6 = 6
    GROUND_FAULT = 7
    GROUND_FAULT_TEST = 8
    PILOT_DIODE_SHORT = 9
    PILOT_MINUS_12_V = 10
    PILOT_VOLTAGE = 11
    ADC = 12
    WATCHDOG = 13
    CLP_CONFIGURATION = 16
    EEPROM = 30
    OVER_CURRENT = 34
    INDEX = 48
    CONTACTOR = 51
    SOLENOID_OPEN = 55
    SOLENOID_CLOSE = 56
    SOLENOID_POWER_58 = 58
    SOLENOID_POWER_59 = 59
    GROUND_FAULT_IMMEDIATE = 60
    GROUND_FAULT_IDLE = 61
    SUPPLY_P12V = 62
    SUPPLY_N12V = 63
    SUPPLY_P5V = 64
    SUPPLY = 65
    GROUND_MONITOR = 66
    HARDWARE = 67


# -- sequence numbers ------------------------------------------------------------------------------------------------


def sequence_add(sequence: int, step: int) -> int:
    """`sequence` plus `step`, modulo 2^32."""
    return (sequence + step) & _SEQUENCE_MASK


def sequence_distance(start: int, end: int) -> int:
    """How many steps lead from `start` up to `end`, modulo 2^32: 0 to 2^32 - 1."""
    return (end - start) & _SEQUENCE_MASK


def in_window(sequence: int, expected: int) -> bool:
    """Whether a breaker that expects `expected` accepts `sequence` (4.3)."""
    return sequence_distance(expected, sequence) < SEQUENCE_WINDOW


def is_settable(sequence: int, expected: int) -> bool:
    """Whether a breaker that expects `expected` may be set to `sequence`: outside 100 on both sides (5.5.2)."""
    return sequence_distance(sequence_add(expected, -SEQUENCE_WINDOW), sequence) >= 2 * SEQUENCE_WINDOW


# -- signature -------------------------------------------------------------------------------------------------------


class SigningKey:
    """A UDP key, ready to sign: HMAC-SHA256 (RFC 2104), its two contexts keyed once and copied for each datagram.

    It never shows the key: `repr` gives nothing away, and equality is by `compare_digest`.
    """

    __slots__ = ("_inner", "_key", "_outer")

    def __init__(self, key: bytes) -> None:
        """`key` holds 32 bytes; anything else raises `RangeError`, which says the length only."""
        if len(key) != KEY_SIZE:
            raise RangeError("UDP key length", len(key), f"{KEY_SIZE} bytes")
        block = key.ljust(_SHA256_BLOCK, b"\0")
        self._key = key
        self._inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in block))
        self._outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in block))

    def sign(self, data: bytes) -> bytes:
        """The 32 bytes that follow `data` on the wire."""
        inner = self._inner.copy()
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SigningKey) and compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return "SigningKey(...)"


# -- messages --------------------------------------------------------------------------------------------------------


@record
class Header(Frame):
    """The first ten bytes of every datagram (4.1)."""

    start: Annotated[bytes, Octets(4)]
    sequence: u32
    code: u16


class Message(Frame):
    """Base of every message; `code` is its message code."""

    __slots__ = ()

    code: ClassVar[int]


@record
class GetNextSequence(Message):
    """Ask which sequence number the breaker expects next, and who it is (5.1). Answered once in 2 s at most."""

    code: ClassVar[int] = 0x0000

    nonce: u32  # new for every request: the only proof that the answer is not an old one


@record
class NextSequence(Message):
    """Answer to `GetNextSequence` (5.1.3)."""

    code: ClassVar[int] = 0x0000

    sequence: u32
    device_id: Annotated[str, Ascii(DEVICE_ID_SIZE)]
    protocol_version: u32
    nonce: u32


@record
class GetDeviceStatus(Message):
    """Ask for handle position and meter telemetry at once (5.2)."""

    code: ClassVar[int] = 0x00FF


@record(kw_only=True)
class PoleTelemetry(Frame):
    """One pole of the meter (5.4.3): energies in mJ, mvar s and mVA s, counted up since they were last cleared.

    The document does not say how nets and quadrants relate; every capture obeys `is_consistent`.
    """

    active_energy_mj: s64
    reactive_energy_mvars: s64
    apparent_energy_mvas: u64
    voltage_mv: s32  # RMS
    current_ma: s32  # RMS
    active_q1_mj: u64
    active_q2_mj: u64
    active_q3_mj: u64
    active_q4_mj: u64
    reactive_q1_mvars: u64
    reactive_q2_mvars: u64
    reactive_q3_mvars: u64
    reactive_q4_mvars: u64
    apparent_q1_mvas: u64
    apparent_q2_mvas: u64
    apparent_q3_mvas: u64
    apparent_q4_mvas: u64

    def is_consistent(self) -> bool:
        """Whether the nets are what the quadrants say: active Q1-Q2-Q3+Q4, reactive Q1+Q2-Q3-Q4, apparent the sum."""
        return (
            self.active_energy_mj == self.active_q1_mj - self.active_q2_mj - self.active_q3_mj + self.active_q4_mj
            and self.reactive_energy_mvars
            == self.reactive_q1_mvars + self.reactive_q2_mvars - self.reactive_q3_mvars - self.reactive_q4_mvars
            and self.apparent_energy_mvas
            == self.apparent_q1_mvas + self.apparent_q2_mvas + self.apparent_q3_mvas + self.apparent_q4_mvas
        )


@record(kw_only=True)
class MeterRecord(Frame):
    """The meter's latest period (5.4.3)."""

    update_number: u8  # 0 at boot, one more with each period, wraps
    line_frequency_mhz: s32  # 0 when there is no line
    period_ms: u16
    pole_0: PoleTelemetry
    pole_1: PoleTelemetry
    line_to_line_voltage_mv: s32  # RMS

    @property
    def poles(self) -> tuple[PoleTelemetry, PoleTelemetry]:
        """Both poles, in order."""
        return self.pole_0, self.pole_1


@record
class DeviceStatus(Message):
    """Answer to `GetDeviceStatus` (5.2.3)."""

    code: ClassVar[int] = 0x00FF

    position: Annotated[HandlePosition, U8]
    meter: MeterRecord


@record
class GetHandlePosition(Message):
    """Ask for the feedback position of the contacts (5.3)."""

    code: ClassVar[int] = 0x0100


@record
class HandlePositionResponse(Message):
    """Answer to `GetHandlePosition` (5.3.3)."""

    code: ClassVar[int] = 0x0100

    position: Annotated[HandlePosition, U8]


@record
class GetMeterTelemetry(Message):
    """Ask for the meter's latest period (5.4)."""

    code: ClassVar[int] = 0x0200


@record
class MeterTelemetry(Message):
    """Answer to `GetMeterTelemetry` (5.4.3)."""

    code: ClassVar[int] = 0x0200

    meter: MeterRecord


@record
class SetNextSequence(Message):
    """Set the sequence number that the breaker expects next (5.5). Succeeds once in 10 s; see `is_settable`."""

    code: ClassVar[int] = 0x8000

    sequence: u32


@record
class SetNextSequenceResponse(Message):
    """Answer to `SetNextSequence` (5.5.3)."""

    code: ClassVar[int] = 0x8000

    ack: Annotated[Ack, U8]


@record
class SetHandlePosition(Message):
    """Move the contacts (5.6)."""

    code: ClassVar[int] = 0x8100

    action: Annotated[HandleAction, U8]


@record
class SetHandlePositionResponse(Message):
    """Answer to `SetHandlePosition` (5.6.3)."""

    code: ClassVar[int] = 0x8100

    ack: Annotated[Ack, U8]
    position: Annotated[HandlePosition, U8]


@record
class Led(Frame):
    """One bargraph LED: brightness of each colour 0 to 255; blinking is half a second on, half a second off (5.7.2)."""

    red: u8
    green: u8
    blue: u8
    blinking: u8


LED_OFF = Led(0, 0, 0, 0)


@record
class SetBargraphLeds(Message):
    """Show colours on the bargraph, or let it resume its normal operation with `enabled` 0 (5.7)."""

    code: ClassVar[int] = 0x8300

    enabled: u8
    duration_s: s32  # zero or less: until the next command or restart; at most MAX_LED_DURATION_S
    leds: Annotated[tuple[Led, ...], Times(LED_COUNT)]  # LED 0 is nearest the status LED


@record
class SetBargraphLedsResponse(Message):
    """Answer to `SetBargraphLeds` (5.7.3)."""

    code: ClassVar[int] = 0x8300

    ack: Annotated[Ack, U8]


@record
class SetMeterMode(Message):
    """Normal metering (0) or continuous waveforms (2) to an IPv4 address (EMCB-LIB)."""

    code: ClassVar[int] = 0x8201

    mode: u8
    address: Annotated[bytes, Octets(4)]


@record
class SetMeterModeResponse(Message):
    """Answer to `SetMeterMode` (EMCB-LIB)."""

    code: ClassVar[int] = 0x8201

    ack: Annotated[Ack, U8]


@record
class GetEvseSettings(Message):
    """Ask which charging limits apply now (EMCB-LIB)."""

    code: ClassVar[int] = 0x1100


@record
class EvseSettings(Message):
    """Answer to `GetEvseSettings` (EMCB-LIB)."""

    code: ClassVar[int] = 0x1100

    enabled: u8
    authorized: u8
    max_current_a: u8  # 0 none, 6 to 32
    max_energy_wh: s32  # 0 none, at most 200,000; the library's comment says "Watts"


@record
class GetEvseState(Message):
    """Ask for the state of the charging station (EMCB-LIB)."""

    code: ClassVar[int] = 0x1200


@record
class EvseStateResponse(Message):
    """Answer to `GetEvseState` (EMCB-LIB)."""

    code: ClassVar[int] = 0x1200

    state: Annotated[EvseState, U8]
    permanent_error: Annotated[EvseError, U8]
    error: Annotated[EvseError, U8]
    error_data_0: u16
    error_data_1: u16
    error_data_2: u16
    error_data_3: u16


@record
class GetEvseConfiguration(Message):
    """Ask how the charging station is configured (EMCB-LIB)."""

    code: ClassVar[int] = 0x1300


@record
class EvseConfiguration(Message):
    """Answer to `GetEvseConfiguration`; eight bytes of 0xFF mean an internal error (EMCB-LIB)."""

    code: ClassVar[int] = 0x1300

    mode: Annotated[EvseMode, U8]
    offline_mode: Annotated[EvseOfflineMode, U8]
    enabled: u8
    max_current_a: u8
    max_energy_wh: s32

    @property
    def is_internal_error(self) -> bool:
        """Whether the station could not read its configuration."""
        return self.encode() == b"\xff" * self.SIZE


EVSE_KEEP = 0xFF
"""In a u8 of `SetEvseConfiguration`: leave as it is (EMCB-LIB)."""
EVSE_KEEP_ENERGY = 0xFFFF_FFFF


@record
class SetEvseConfiguration(Message):
    """Configure the charging station (EMCB-LIB). The answer may take 5 s and comes before the change applies (2 s)."""

    code: ClassVar[int] = 0x9300

    mode: Annotated[EvseMode, U8]
    offline_mode: Annotated[EvseOfflineMode, U8]
    enabled: u8
    max_current_a: u8
    max_energy_wh: u32


@record
class SetEvseConfigurationResponse(Message):
    """Answer to `SetEvseConfiguration` (EMCB-LIB)."""

    code: ClassVar[int] = 0x9300

    ack: Annotated[Ack, U8]


REQUESTS: dict[int, type[Message]] = {
    message.code: message
    for message in (
        GetNextSequence,
        GetDeviceStatus,
        GetHandlePosition,
        GetMeterTelemetry,
        GetEvseSettings,
        GetEvseState,
        GetEvseConfiguration,
        SetNextSequence,
        SetHandlePosition,
        SetMeterMode,
        SetBargraphLeds,
        SetEvseConfiguration,
    )
}
RESPONSES: dict[int, type[Message]] = {
    message.code: message
    for message in (
        NextSequence,
        DeviceStatus,
        HandlePositionResponse,
        MeterTelemetry,
        EvseSettings,
        EvseStateResponse,
        EvseConfiguration,
        SetNextSequenceResponse,
        SetHandlePositionResponse,
        SetMeterModeResponse,
        SetBargraphLedsResponse,
        SetEvseConfigurationResponse,
    )
}


# -- datagrams -------------------------------------------------------------------------------------------------------

_unpack_header = struct.Struct("<4sIH").unpack_from
_MIN_DATAGRAM = Header.SIZE + SIGNATURE_SIZE
_MAX_DATAGRAM = _MIN_DATAGRAM + MAX_MESSAGE_DATA


class Datagram(NamedTuple):
    """A message with the sequence number that it travels under."""

    sequence: int
    message: Message


def parse_header(datagram: bytes) -> Header:
    """The header of a datagram of a possible size. Nothing is verified yet.

    Raises `TruncatedError` below 42 bytes and `TrailingBytesError` above 1500.
    """
    _check_size(len(datagram))
    return Header.decode_from(datagram, 0)


def _check_size(size: int) -> None:
    if size < _MIN_DATAGRAM:
        raise TruncatedError("EMCB datagram", _MIN_DATAGRAM, size)
    if size > _MAX_DATAGRAM:
        raise TrailingBytesError("EMCB datagram", _MAX_DATAGRAM, size)


def verify(datagram: bytes, key: SigningKey) -> None:
    """Raise `SignatureError` unless the datagram's last 32 bytes sign the rest with `key`. Takes constant time."""
    if not compare_digest(key.sign(datagram[:-SIGNATURE_SIZE]), datagram[-SIGNATURE_SIZE:]):
        raise SignatureError("EMCB datagram is not signed with this key")


def encode_request(sequence: int, message: Message, key: SigningKey) -> bytes:
    """A signed datagram to a breaker. Raises `RangeError` for a value that does not fit."""
    data = Header(START_REQUEST, sequence, message.code).encode() + message.encode()
    return data + key.sign(data)


def encode_response(sequence: int, message: Message, key: SigningKey) -> bytes:
    """A signed datagram from a breaker. Raises `RangeError` for a value that does not fit."""
    data = Header(START_RESPONSE, sequence, message.code).encode() + message.encode()
    return data + key.sign(data)


def decode_request(datagram: bytes, key: SigningKey) -> Datagram:
    """The request in a datagram: verified first, parsed after. Raises a `CodecError` of each kind."""
    return _decode(datagram, key, START_REQUEST, REQUESTS)


def decode_response(datagram: bytes, key: SigningKey) -> Datagram:
    """The response in a datagram: verified first, parsed after. Raises a `CodecError` of each kind."""
    return _decode(datagram, key, START_RESPONSE, RESPONSES)


def _decode(datagram: bytes, key: SigningKey, start: bytes, messages: dict[int, type[Message]]) -> Datagram:
    # Every poll's answer comes this way: no object for the header, no copy of the body.
    size = len(datagram)
    _check_size(size)
    found, sequence, code = _unpack_header(datagram)
    if found != start:
        raise RangeError("start", found, f"{start!r}")
    verify(datagram, key)
    message = messages.get(code)
    if message is None:
        raise RangeError("message code", code, "a code of the document")
    message.check_size(size - _MIN_DATAGRAM)
    return Datagram(sequence, message.decode_from(datagram, Header.SIZE))

"""How a port is asked which stick is behind it: one row for each kind, what is said and what comes back.

None of it changes anything on a stick, with one exception that the last row cannot do without: an EZSP stick says what
it is only after a reset. So those are asked first that are only asked, and it last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocols import ash, mt
from protocols.xbee import frames as xbee_frames
from protocols.xbee.at import to_number
from protocols.xbee.frames import AtCommand, AtResponse
from protocols.xbee.framing import ApiMode, deframer
from protocols.xbee.framing import encode as xbee_encode
from protocols.xbee.status import AtStatus
from protocols.zigate import frames as zigate_frames
from protocols.zigate.commands import GetVersion
from protocols.zigate.framing import Deframer
from protocols.zigate.framing import encode as zigate_encode
from protocols.zigate.responses import Version
from radios.errors import RadioLostError
from radios.ezsp.versions import version_of
from radios.stream import DEFAULT_BAUD
from radios.xbee.bringup import firmware_of as xbee_firmware_of
from radios.zigate.firmware import firmware_of as zigate_firmware_of

ANSWER_S = 0.5
"""For an answer; a stick that is up takes some milliseconds."""
RESET_S = 2.0
"""For an EZSP stick to have restarted; UG101 gives it 3.2 s, and sticks take less than one."""
ORDINARY_DEVICES = "for ordinary Zigbee 3.0 devices, too: well_known_key = true"
FACTORY_BAUD = 9600
"""Of an XBee, before anybody has set another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a stick said of itself."""

    firmware: str = ""
    """As its driver shows it; empty: it has not said."""
    model: str = ""
    problem: str = ""
    """Why its driver would not take it, and what to do; empty: it would."""
    hint: str = ""
    """What its configuration has to say besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One question."""

    ask: bytes
    read: Callable[[bytes], Answer | None]
    """What all bytes since the question say; None: not that yet. Never raises."""
    wait_s: float = ANSWER_S
    """All in all; each time that it is asked gets its part."""
    times: int = 2
    """It is asked until it is answered."""
    then: bytes = b""
    """Said when it was answered, so that the stick does not wait for it."""


@dataclass(frozen=True, slots=True)
class Line:
    """How a port is opened."""

    baud: int = DEFAULT_BAUD
    rtscts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One kind of stick."""

    driver: str
    model: str
    """For people, until the stick says it better."""
    steps: tuple[Step, ...]
    """It is there when the first is answered; each later one says more."""
    lines: tuple[Line, ...] = (Line(),)


# -- XBee ------------------------------------------------------------------------------------------------------------

_AT_ID = 1


def _read_xbee(line: bytes) -> Answer | None:
    """The module is in API mode 1 or 2, which it does not say."""
    for mode in (ApiMode.ESCAPED, ApiMode.PLAIN):
        reader = deframer(mode, xbee_frames.read)
        for frame in (*reader.feed(line), *reader.give_up()):
            if isinstance(frame, AtResponse) and (frame.frame_id, frame.command) == (_AT_ID, b"VR"):
                return _xbee_answer(frame)
    return None


def _xbee_answer(frame: AtResponse) -> Answer:
    if frame.status is not AtStatus.OK or len(frame.value) not in (2, 4):
        return Answer(problem="it does not say which firmware it has: load Smart Energy firmware with XCTU")
    version = to_number(frame.value)
    try:
        firmware = xbee_firmware_of({"VR": frame.value})
    except RadioLostError as error:
        return Answer(firmware=f"{version:04X}", problem=str(error))
    if firmware.is_router:
        return Answer(firmware=firmware.name, hint='a router: [hub] needs role = "esi_router" or "aux_gateway"')
    return Answer(firmware=firmware.name)


# -- ZiGate ----------------------------------------------------------------------------------------------------------


def _read_zigate(line: bytes) -> Answer | None:
    for found in Deframer(zigate_frames.read).feed(line):
        if isinstance(found, tuple) and isinstance(found[0], Version):
            firmware = zigate_firmware_of(found[0])
            return Answer(firmware=firmware.name, model=firmware.model)
    return None


# -- Z-Stack ---------------------------------------------------------------------------------------------------------

_PING, _VERSION, _PONG, _VERSION_ANSWER = 0x2101, 0x2102, 0x6101, 0x6102
"""SYS_PING, SYS_VERSION and their synchronous responses (MT-API)."""
_PONG_SIZE, _VERSION_SIZE = 2, 5
_PRODUCT_HOME, _PRODUCT_ZSTACK_30X = 0, 2
_RELEASE_ZSTACK_30X = (2, 7, 2)
"""Of the builds for CC2531 and CC2538; those for CC13x2 and CC26x2 are 2.7.1 and say product 1."""


def _read_pong(line: bytes) -> Answer | None:
    pongs = (frame for frame in mt.frames(line) if frame.command == _PONG and len(frame.data) == _PONG_SIZE)
    return next((Answer() for _ in pongs), None)


def _read_znp_version(line: bytes) -> Answer | None:
    for frame in mt.frames(line):
        if frame.command == _VERSION_ANSWER and len(frame.data) >= _VERSION_SIZE:
            product, release = frame.data[1], tuple(frame.data[2:5])
            if product == _PRODUCT_HOME:
                version = "1.2"
            else:
                is_30x = product == _PRODUCT_ZSTACK_30X or release == _RELEASE_ZSTACK_30X
                version = "3.0" if is_30x else "3.x"
            firmware = f"Z-Stack {version}, {'.'.join(map(str, release))}"
            build = int.from_bytes(frame.data[5:9], "little") if len(frame.data) >= 9 else 0
            return Answer(firmware=f"{firmware}, build {build}" if build else firmware, hint=ORDINARY_DEVICES)
    return None


# -- EZSP ------------------------------------------------------------------------------------------------------------

_FIRST_VERSION = bytes((0, 0, 0, 4))
"""`version` in the header that every firmware reads (EZSP 4), asking for version 4: the answer says which it has."""
_EZSP_RESPONSE, _EZSP_SIZE = 0x80, 7
_FIRST_DATA, _FIRST_ACKNOWLEDGEMENT = 0x00, 0x81


def _read_rstack(line: bytes) -> Answer | None:
    answers = (frame for frame in ash.frames(line) if frame.control == ash.RSTACK and len(frame.data) == 2)
    return next((Answer() for _ in answers), None)


def _read_ezsp_version(line: bytes) -> Answer | None:
    for frame in ash.frames(line):
        data = frame.data
        if not frame.is_data or len(data) != _EZSP_SIZE or not data[1] & _EZSP_RESPONSE or data[2]:
            continue
        release = int.from_bytes(data[5:7], "little")
        digits = [release >> shift & 0xF for shift in (12, 8, 4)]
        firmware = f"{'.'.join(map(str, digits))} (EZSP {data[3]})"
        try:
            version_of(data[3])
        except RadioLostError as error:
            return Answer(firmware=firmware, problem=str(error))
        return Answer(firmware=firmware, hint=ORDINARY_DEVICES)
    return None


PROBES: Mapping[str, Probe] = {
    probe.driver: probe
    for probe in (
        Probe(
            driver="xbee",
            model="XBee",
            # No byte of it needs an escape, so it is the same in both API modes.
            steps=(Step(ask=xbee_encode(AtCommand(_AT_ID, b"VR").to_data(), ApiMode.PLAIN), read=_read_xbee),),
            lines=(Line(), Line(FACTORY_BAUD)),
        ),
        Probe(
            driver="zigate",
            model="ZiGate",
            steps=(Step(ask=zigate_encode(GetVersion.CODE, GetVersion().encode()), read=_read_zigate),),
        ),
        Probe(
            driver="znp",
            model="Z-Stack stick",
            steps=(
                Step(ask=mt.encode(_PING), read=_read_pong),
                Step(ask=mt.encode(_VERSION), read=_read_znp_version),
            ),
        ),
        Probe(
            driver="ezsp",
            model="EZSP stick",
            steps=(
                # Once: the next one would restart it again.
                Step(ask=bytes((ash.CANCEL,)) + ash.encode(ash.RST), read=_read_rstack, wait_s=RESET_S, times=1),
                Step(
                    ask=ash.encode(_FIRST_DATA, _FIRST_VERSION),
                    read=_read_ezsp_version,
                    then=ash.encode(_FIRST_ACKNOWLEDGEMENT),
                ),
            ),
        ),
    )
}
"""By driver, in the order in which a port is asked that nothing is known of."""

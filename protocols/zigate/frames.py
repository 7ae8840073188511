"""Which class a ZiGate frame is: by its code, for both directions."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.packet import Decoders, Packet
from protocols.zigate import commands, responses
from protocols.zigate.framing import RawFrame


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame whose code nobody has described."""

    code: int
    payload: bytes


def _by_code(module: object, base: type[Packet]) -> dict[int, type[Packet]]:
    return {
        found.__dict__["CODE"]: found
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, base) and "CODE" in found.__dict__
    }


RESPONSES: dict[int, type[Packet]] = _by_code(responses, responses.Response)
COMMANDS: dict[int, type[Packet]] = _by_code(commands, commands.Command)
_DECODERS = Decoders(RESPONSES)


def read(code: int, payload: bytes, lqi: int) -> tuple[Packet | Unknown, int]:
    """What the stick said, and its link quality. Raises `CodecError` when the payload is too short for its code."""
    try:
        decode = _DECODERS[code]
    except KeyError:
        return _rare(code, payload), lqi
    return decode(payload), lqi


def parse(raw: RawFrame) -> Packet | Unknown:
    """`read` of a frame that is at hand."""
    return read(*raw)[0]


def parse_command(raw: RawFrame) -> Packet | Unknown:
    """What a host said to the stick. Raises `CodecError`."""
    found = COMMANDS.get(raw.code)
    if found is None:
        return _rare(raw.code, raw.payload)
    return found.decode(raw.payload)


def _rare(code: int, payload: bytes) -> Packet | Unknown:
    from protocols.zigate.catalogue import frame_class

    found = frame_class(code)
    return found.decode(payload) if found is not None else Unknown(code, payload)


def name_of(code: int) -> str:
    """A frame's name for traces and logs: `ApsIndication`, or `0x8ABC`."""
    found = RESPONSES.get(code) or COMMANDS.get(code)
    if found is None:
        from protocols.zigate.catalogue import frame_class

        found = frame_class(code)
    return found.__name__ if found is not None else f"0x{code:04X}"

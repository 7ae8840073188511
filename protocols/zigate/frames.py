"""Which class a ZiGate frame is: by its code, for both directions."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.packet import Packet
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
_DECODERS = {code: found.decode for code, found in RESPONSES.items()}


def parse(raw: RawFrame) -> Packet | Unknown:
    """What the stick said. Raises `CodecError` when the payload is too short for its code."""
    code, payload, _ = raw
    decode = _DECODERS.get(code)
    if decode is None:
        return _rare(raw)
    return decode(payload)


def parse_command(raw: RawFrame) -> Packet | Unknown:
    """What a host said to the stick. Raises `CodecError`."""
    found = COMMANDS.get(raw.code)
    if found is None:
        return _rare(raw)
    return found.decode(raw.payload)


def _rare(raw: RawFrame) -> Packet | Unknown:
    from protocols.zigate.catalogue import frame_class

    found = frame_class(raw.code)
    return found.decode(raw.payload) if found is not None else Unknown(raw.code, raw.payload)


def name_of(code: int) -> str:
    """A frame's name for traces and logs: `ApsIndication`, or `0x8ABC`."""
    found = RESPONSES.get(code) or COMMANDS.get(code)
    if found is None:
        from protocols.zigate.catalogue import frame_class

        found = frame_class(code)
    return found.__name__ if found is not None else f"0x{code:04X}"

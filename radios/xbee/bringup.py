"""What is asked of an XBee when it is opened, as a table, and what it turns out to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.ids import Eui64
from protocols.xbee.at import to_number
from protocols.xbee.framing import ApiMode
from protocols.xbee.status import AssociationStatus, AtStatus
from radios.api import RadioLostError
from radios.xbee.link import AtError, XbeeLink


@dataclass(frozen=True, slots=True)
class Step:
    """One AT command."""

    name: str
    value: bytes | None
    """None: it is read."""
    why: str
    is_optional: bool = False
    """The module may not have it."""


VOLATILE: Final = (
    Step("AP", b"\x02", "API mode 2: a lost byte costs one frame, never two"),
    Step("AO", b"\x03", "the hub answers device object requests that the stack does not know"),
)
"""What a restart of the module loses. Never written to flash: with AO=1 it answers by itself while no hub does."""
IDENTITY: Final = (
    Step("VR", None, "firmware: its first digits tell the role"),
    Step("HV", None, "hardware"),
    Step("SH", None, "extended address, upper half"),
    Step("SL", None, "extended address, lower half"),
    Step("NP", None, "longest payload"),
    Step("VC", None, "whether there is a certificate", is_optional=True),
)
NETWORK: Final = (
    Step("AI", None, "how far forming, joining and authentication have come"),
    Step("CH", None, "channel"),
    Step("OI", None, "PAN id"),
    Step("OP", None, "extended PAN id"),
    Step("MY", None, "network address"),
)
TRUST_CENTRE: Final = (Step("DO", b"\x02", "tell of devices that join and leave", is_optional=True),)
ROLE: Final = "CE"
"""Register that says which role firmware for all roles has."""
ROUTER: Final = (Step("EO", b"\x08", "establish keys with the trust centre after joining"),)
"""Kept in flash, where it is not there already: a router that restarts by itself joins by itself."""
NO_NETWORK: Final = 0xFFFE
"""Register MY while the module is on none."""
ON_CLOSING: Final = Step("AO", b"\x01", "the module answers device object requests by itself again")
ATTEMPTS = 3
"""Of each step: all may be done twice."""
COORDINATOR_STEPS: Final = (*VOLATILE, *IDENTITY, *NETWORK, *TRUST_CENTRE)
ROUTER_STEPS: Final = (*VOLATILE, *IDENTITY, *ROUTER, *NETWORK)


def table(*, is_router: bool = False) -> str:
    """The steps for people."""
    return "\n".join(
        f"{step.name + ('' if step.value is None else '=' + step.value.hex()):6} {step.why}"
        + (" (if the module has it)" if step.is_optional else "")
        for step in (ROUTER_STEPS if is_router else COORDINATOR_STEPS)
    )


async def keep(link: XbeeLink, steps: tuple[Step, ...]) -> bool:
    """Write registers that are not as wanted, and to flash if there were any; whether there were.

    Raises as `XbeeLink.at` does.
    """
    changed = False
    for step in steps:
        assert step.value is not None
        try:
            is_so = to_number(await link.at(step.name, attempts=ATTEMPTS)) == to_number(step.value)
            if not is_so:
                await link.at(step.name, step.value, attempts=ATTEMPTS)
                changed = True
        except AtError as error:
            if step.is_optional and error.status is AtStatus.UNKNOWN_COMMAND:
                continue
            raise RadioLostError(f"the module refuses {step.name} ({step.why}): {error.status.name}") from None
    if changed:
        await link.at("WR", attempts=ATTEMPTS)
    return changed


async def carry_out(link: XbeeLink, steps: tuple[Step, ...]) -> Mapping[str, bytes]:
    """Values read, by register; those that the module does not have are left away. Raises as `XbeeLink.at` does."""
    found: dict[str, bytes] = {}
    for step in steps:
        if step.name == "AP" and link.mode is ApiMode.PLAIN:
            continue  # it has been refused already
        try:
            answer = await link.at(step.name, step.value or b"", attempts=ATTEMPTS)
        except AtError as error:
            if step.is_optional and error.status is AtStatus.UNKNOWN_COMMAND:
                continue
            raise RadioLostError(f"the module refuses {step.name} ({step.why}): {error.status.name}") from None
        if step.value is None:
            found[step.name] = answer
    return found


@dataclass(frozen=True, slots=True)
class Firmware:
    """What VR says."""

    version: int
    is_router: bool
    is_either: bool = False
    """It has the role that register CE says."""

    @property
    def name(self) -> str:
        """For people: `3119`."""
        return f"{self.version:04X}"


_COORDINATORS, _ROUTERS, _END_DEVICES = (0x31,), (0x33, 0x34), (0x39,)
_EITHER = 0x51
"""S2C: one firmware for all roles."""


def firmware_of(values: Mapping[str, bytes]) -> Firmware:
    """Raises `RadioLostError` for firmware that is not Smart Energy's, with what to load instead."""
    version = to_number(values["VR"])
    family = version >> 8
    if family in _COORDINATORS or family == _EITHER:
        return Firmware(version, is_router=False, is_either=family == _EITHER)
    if family in _ROUTERS:
        return Firmware(version, is_router=True)
    what = "end device firmware" if family in _END_DEVICES else "no Smart Energy firmware"
    raise RadioLostError(
        f"the module has firmware {version:04X}, which is {what}: load Smart Energy firmware with XCTU, "
        "31xx for a coordinator, 33xx for a router, 51xx on S2C modules"
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where the module is."""

    association: AssociationStatus
    channel: int
    pan_id: int
    extended_pan_id: int
    short: int

    @property
    def is_on_network(self) -> bool:
        """It has a place there, though perhaps no keys yet."""
        return bool(self.channel) and self.short != NO_NETWORK

    @property
    def is_operational(self) -> bool:
        """It may send and hear all that there is."""
        return self.association is AssociationStatus.ON_NETWORK and self.short != NO_NETWORK


NOWHERE: Final = Place(AssociationStatus.SCANNING, 0, 0xFFFF, 0, NO_NETWORK)
"""Where a module is that looks for a network."""


def place_of(values: Mapping[str, bytes]) -> Place:
    """From the values of `NETWORK`."""
    number = {name: to_number(value) for name, value in values.items()}
    return Place(
        association=AssociationStatus(number["AI"]),
        channel=number["CH"],
        pan_id=number["OI"],
        extended_pan_id=number["OP"],
        short=number["MY"],
    )


def ieee_of(values: Mapping[str, bytes]) -> Eui64:
    """From the values of `IDENTITY`."""
    return Eui64(to_number(values["SH"]) << 32 | to_number(values["SL"]))

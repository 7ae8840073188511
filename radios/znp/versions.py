"""What a version of Z-Stack can do, as a table, and what follows from it for the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from radios.api import Capabilities, KeysBy, RadioLostError

MAX_PAYLOAD = 230
"""Bytes: what is left of the 250 of an MT frame (Monitor and Test API, AF_DATA_REQUEST_EXT) behind its head. The stick
cuts it into blocks for the air, and puts together those that arrive."""
MAX_WHOLE, ENCRYPTION_BYTES = 82, 9
"""Bytes of a frame that goes in one piece, and what a link key takes of them."""
_ROUTERS_ALONE = 20210708
"""From this build on devices may join at routers while the stick itself is closed (as zigpy-znp has it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZnpVersion:
    """One generation of the firmware."""

    name: str
    """For people."""
    chips: str
    has_commissioning: bool
    """It forms networks by the Base Device Behaviour, and has a policy for installation codes; older ones have one link
    key that all devices share which have none of their own."""
    has_tables: bool
    """Its flash has tables of its own for keys and addresses; otherwise all items have numbers in one row."""
    in_flight: int
    """Frames at once, as zigpy-znp has it; the rest of its buffers the stick needs for what it sends by itself."""
    build: int = 0
    """Date of the build, as a decimal number: 20230507."""

    @property
    def needs_own_window(self) -> bool:
        """Devices join at routers only while the stick itself is open too."""
        return self.build < _ROUTERS_ALONE


VERSIONS: Mapping[float, ZnpVersion] = {
    1.2: ZnpVersion(name="Z-Stack 1.2", chips="CC253x", has_commissioning=False, has_tables=False, in_flight=4),
    3.0: ZnpVersion(name="Z-Stack 3.0", chips="CC253x", has_commissioning=True, has_tables=False, in_flight=4),
    3.3: ZnpVersion(name="Z-Stack 3.x", chips="CC13x2/CC26x2", has_commissioning=True, has_tables=True, in_flight=16),
}
"""By the numbers that zigpy-znp gives them, from how a stick answers."""


def version_of(number: float, build: int) -> ZnpVersion:
    """Raises `RadioLostError` with what to do for a version that is not taken."""
    found = VERSIONS.get(number)
    if found is None:
        raise RadioLostError(f"the stick says that it is Z-Stack {number}; load 1.2, 3.0 or 3.x")
    return replace(found, build=build)


def capabilities_of() -> Capabilities:
    """What a stick can do: the same for all versions, since each takes link keys of its own for single devices."""
    return Capabilities(
        # The firmware answers for its node, its endpoints as they were registered, and its bindings.
        answers_zdo=True,
        answers_default_response=False,
        aps_encryption=True,
        install_codes=True,
        link_keys=True,
        router=False,
        group_send=True,
        broadcast_send=True,
        acks=True,
        max_payload=MAX_PAYLOAD,
        energy_scan=True,
        channel_change=True,
        led=False,
        tx_power=True,
        certification=False,
        erase=True,
        keys_by=KeysBy.HUB,
        configurable=True,
        backup=True,
    )

"""Which network an XBee forms or joins: what the configuration says, what a person says, and leaving the present one.

Registers that describe the network take effect at once, one by one: those of a person are queued and applied together.
All raise as `XbeeLink.at` does.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from protocols.xbee.at import channel_mask, to_number, to_value
from protocols.xbee.status import AssociationStatus
from radios.api import NetworkSettings, NoReplyError
from radios.xbee.link import XbeeLink
from radios.xbee.options import XbeeOptions

ATTEMPTS: Final = 3
"""Of what may be done twice."""
FOUND_NONE: Final = frozenset(
    (
        AssociationStatus.NO_PAN_FOUND,
        AssociationStatus.NO_VALID_PAN,
        AssociationStatus.COORDINATOR_START_FAILED,
    )
)
"""What a module says that is on no network, and not about to be."""


async def configure(link: XbeeLink, options: XbeeOptions) -> None:
    """Say what hub.toml says, and keep that in flash where it was changed. Only for a module without a network."""
    changed = await _changes(link, options)
    for name, value in changed:
        await link.at(name, value)
    if changed:
        await link.at("WR")
    if options.link_key is not None:
        # Not to flash: it cannot be read back, so it is written before each attempt to join.
        await link.at("KY", options.link_key)


async def write(link: XbeeLink, settings: NetworkSettings) -> None:
    """Say what a person says, and keep it; the module leaves its network for that."""
    changed = await _changes(link, settings)
    if settings.link_key is not None:
        changed.append(("KY", settings.link_key))
    if not changed:
        await renew(link)  # nothing to change, and still to be joined or formed anew
        return
    for name, value in changed:
        await link.at(name, value, attempts=ATTEMPTS, queued=True)
    await link.at("AC", attempts=ATTEMPTS)
    await link.at("WR", attempts=ATTEMPTS)


async def _changes(link: XbeeLink, wishes: XbeeOptions | NetworkSettings) -> list[tuple[str, bytes]]:
    """Registers of the network that are not what is wished, with what is."""
    wanted: list[tuple[str, int]] = []
    if wishes.extended_pan_id is not None:
        wanted.append(("ID", wishes.extended_pan_id))
    if wishes.channels is not None:
        wanted.append(("SC", channel_mask(wishes.channels)))
    return [(name, to_value(number)) for name, number in wanted if to_number(await link.at(name)) != number]


async def renew(link: XbeeLink) -> None:
    """Have the module leave its network. Asked once: the answer may be lost, and the network not be left twice."""
    with suppress(NoReplyError):
        await link.at("NR", b"\x00", attempts=1)

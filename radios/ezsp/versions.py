"""What a version of EZSP can do, as a table, and what follows from it for the hub."""

from __future__ import annotations

from dataclasses import dataclass

from radios.api import Capabilities, KeysBy, RadioLostError

OLDEST, NEWEST = 8, 18
"""EZSP 8 came with EmberZNet 6.7; older firmware has other headers, and no support since 2020."""
MAX_PAYLOAD = 255
"""Bytes, in blocks: what Smart Energy asks of a device is 128, and more than this few devices put together."""


@dataclass(frozen=True, slots=True)
class EzspVersion:
    """One version of the protocol."""

    number: int

    @property
    def has_security_manager(self) -> bool:
        """Keys are imported and exported; the commands before are gone."""
        return self.number >= 13

    @property
    def has_wide_messages(self) -> bool:
        """Since the Simplicity SDK: 32 bits of status, senders' extended addresses, other orders of fields."""
        return self.number >= 14

    @property
    def name(self) -> str:
        """For people."""
        return f"EZSP {self.number}"


def version_of(number: int) -> EzspVersion:
    """Raises `RadioLostError` with what to do for a version that is not taken."""
    if number < OLDEST:
        raise RadioLostError(
            f"the stick speaks EZSP {number}, which is older than {OLDEST}: load firmware from EmberZNet 6.7 on"
        )
    return EzspVersion(number)


def capabilities_of(*, is_router: bool = False) -> Capabilities:
    """What a stick can do, as trust centre or as a router."""
    return Capabilities(
        # It answers for its node and addresses, and does not show the hub such requests; the rest is the hub's.
        answers_zdo=False,
        answers_default_response=False,
        aps_encryption=True,
        install_codes=not is_router,
        link_keys=not is_router,
        router=is_router,
        group_send=True,
        broadcast_send=True,
        acks=True,
        max_payload=MAX_PAYLOAD,
        energy_scan=not is_router,
        channel_change=not is_router,
        led=False,
        tx_power=True,
        certification=False,
        erase=True,
        keys_by=KeysBy.HUB,
        configurable=True,
        backup=not is_router,
    )

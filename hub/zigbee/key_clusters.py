"""Key Establishment, cluster 0x0800, as a cluster of ours: for radios whose keys are established by the hub.

Both sides have the suites as an attribute. Commands go to `hub.zigbee.key_establishment`, which answers in its time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hub.zigbee.model import Side
from hub.zigbee.servers.base import Answer, ClusterServer, HostedAttribute
from protocols.aps import ApsFrame
from protocols.se import key_establishment as wire
from protocols.se.key_establishment import Suite
from protocols.zcl.datatypes import ENUM16
from protocols.zcl.header import ZclHeader, unsupported_command


class Heard(Protocol):
    """Who follows the exchanges."""

    def heard(self, header: ZclHeader, payload: bytes, frame: ApsFrame, *, to_server: bool) -> None:
        """A command of the cluster has come."""
        ...


_COMMANDS = tuple(sorted({number for _, number in wire.COMMANDS.known}))
"""Of the same ids both ways."""


class KeyServer(ClusterServer):
    """The side that answers: for devices that establish keys with us."""

    RECEIVES = GENERATES = _COMMANDS

    def __init__(self, heard: Heard, suites: Callable[[], Suite]) -> None:
        suite = HostedAttribute(
            id=wire.KEY_ESTABLISHMENT_SUITE,
            name="key_establishment_suite",
            type=ENUM16,
            get=lambda _now: int(suites()),
        )
        super().__init__([suite], cluster=wire.CLUSTER)
        self._heard = heard

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """See `ClusterServer`. What there is to say is said by the exchange: to a Terminate nothing."""
        to_server = self.SIDE is Side.SERVER
        if header.manufacturer is not None or (to_server, header.command) not in wire.COMMANDS.known:
            return Answer(unsupported_command(header))
        self._heard.heard(header, payload, frame, to_server=to_server)
        return Answer(silent=header.command != wire.TerminateByInitiator.COMMAND)


class KeyClient(KeyServer):
    """The side that begins: we have joined somebody's network."""

    SIDE = Side.CLIENT

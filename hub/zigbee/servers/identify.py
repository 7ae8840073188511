"""Identify: show people which device this is (ZCL8, 3.5)."""

from __future__ import annotations

import math
from collections.abc import Callable

from hub.zigbee.servers.base import Answer, ClusterServer, Response, bound
from protocols.aps import ApsFrame
from protocols.fields import OpenEnum
from protocols.zcl import commands
from protocols.zcl.clusters import IDENTIFY
from protocols.zcl.commands import Identify, IdentifyQueryResponse, TriggerEffect
from protocols.zcl.datatypes import Value
from protocols.zcl.header import ZclHeader, unsupported_command
from protocols.zcl.status import Status

MAX_IDENTIFY_S = 0xFFFE
"""Longest IdentifyTime: 0xFFFF is the data type's invalid value."""


class Effect(OpenEnum):
    """What a light, or whatever shows it, does (ZCL8, 3.5.2.3)."""

    BLINK = 0x00
    BREATHE = 0x01
    OKAY = 0x02
    CHANNEL_CHANGE = 0x0B
    FINISH_EFFECT = 0xFE
    STOP_EFFECT = 0xFF


class IdentifyServer(ClusterServer):
    """The Identify cluster of one of our endpoints. IdentifyTime runs down with `now`, nothing has to tick."""

    CLUSTER = IDENTIFY
    REVISION = 2
    RECEIVES = (Identify.COMMAND, commands.IDENTIFY_QUERY, TriggerEffect.COMMAND)
    GENERATES = (IdentifyQueryResponse.COMMAND,)

    def __init__(
        self,
        endpoint: int,
        on_identify: Callable[[int, int], None],
        on_effect: Callable[[int, Effect, int], None] | None = None,
    ) -> None:
        """`on_identify(endpoint, seconds)`: show for so long from now; 0 stops.

        `on_effect(endpoint, effect, variant)`: show an effect once.
        """
        self._endpoint = endpoint
        self._on_identify, self._on_effect = on_identify, on_effect
        self._until = -math.inf
        super().__init__((bound(IDENTIFY, 0x0000, self.seconds_left, self._set),))

    def seconds_left(self, now: float) -> int:
        """IdentifyTime: whole seconds still to go, begun ones counted."""
        return max(0, min(MAX_IDENTIFY_S, math.ceil(self._until - now))) if self._until > now else 0

    def _set(self, value: Value, now: float) -> Status:
        if not isinstance(value, int) or isinstance(value, bool):
            return Status.INVALID_VALUE
        was = self.seconds_left(now)
        self._until = now + value
        if value or was:
            self._on_identify(self._endpoint, value)
        return Status.SUCCESS

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """Identify, Identify Query, Trigger Effect."""
        if header.manufacturer is not None:
            return Answer(unsupported_command(header))
        match header.command:
            case Identify.COMMAND:
                seconds = Identify.decode(payload).duration_s
                if seconds > MAX_IDENTIFY_S:
                    return Answer(Status.INVALID_VALUE)
                return Answer(self._set(seconds, now))
            case commands.IDENTIFY_QUERY:
                left = self.seconds_left(now)
                # Who is not identifying has nothing to say to a query, which is mostly a broadcast.
                if not left:
                    return Answer()
                return Answer(
                    responses=(Response(IdentifyQueryResponse.COMMAND, IdentifyQueryResponse(left).encode()),)
                )
            case TriggerEffect.COMMAND:
                asked = TriggerEffect.decode(payload)
                effect = Effect(asked.effect)
                if not effect.is_known:
                    return Answer(Status.INVALID_FIELD)
                if self._on_effect is not None:
                    # A variant that nobody knows is shown as the default one: that is for whoever shows it.
                    self._on_effect(self._endpoint, effect, asked.variant)
                return Answer()
            case _:
                return Answer(unsupported_command(header))

"""set_time and resync_time: what a hub can do of them that never steps its machine's clock (CPX2-SE)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub import ntp
from hub.errors import RefusedError, UnavailableError
from hub.hub import Hub
from hub.registry import NTP_SERVER_1, NTP_SERVER_2
from hub.smart_energy.utc import EPOCH, to_utc
from web.rpc import fields
from web.rpc.check import Checked
from web.rpc.engine import Handler
from web.rpc.types import ValueRefusedError
from web.rpc.values import Values

EPOCH_1970 = datetime(1970, 1, 1, tzinfo=UTC)
AS_GOOD_AS_SET = timedelta(seconds=5)
"""Chosen: a request may be on its way for so long. A clock that is nearer to the time given needs no setting."""
CLOSE = timedelta(seconds=1)
"""Chosen: a clock so near to a time server's is right; one that follows it is nearer by far."""


class Times:
    """Handlers of these requests."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def handlers(self) -> dict[str, Handler]:
        """By the names of their requests."""
        return {"set_time": self.set_time, "resync_time": self.resync_time}

    async def set_time(self, request: Checked) -> Values:
        """The time, if it is the one that is given; else how far it is off, and who can set it.

        Raises `RefusedError`, `ValueRefusedError`.
        """
        given = [
            epoch + timedelta(seconds=seconds)
            for name, epoch in (("UTC_1970", EPOCH_1970), ("UTC_2000", EPOCH))
            if (seconds := fields.maybe_number(request.arguments, name)) is not None
        ]
        if not given:
            raise ValueRefusedError("UTC_1970", "missing", "an int, here or as UTC_2000")
        if len(given) > 1 and given[0] != given[1]:
            raise ValueRefusedError("UTC_2000", f"{given[1]:%FT%TZ}", f"the time of UTC_1970, {given[0]:%FT%TZ}")
        now = self._hub.clock.now()
        if abs(given[0] - now) > AS_GOOD_AS_SET:
            raise RefusedError(
                f"the clock of this machine is {_apart(given[0] - now)} the time given, and is not set from here: "
                "all of the machine goes by it; allowed: its own time, or a clock that is set there (timedatectl)"
            )
        return {"UTC_1970": int((now - EPOCH_1970).total_seconds()), "UTC_2000": to_utc(now)}

    async def resync_time(self, request: Checked) -> Values:
        """On a network whose client we are read its time again; else see whether the machine's clock is right.

        Raises `UnavailableError`, `RefusedError`.
        """
        times = self._hub.premises.times
        if times:
            told = [await one.resync() for one in times.values()]
            if not any(told):
                raise UnavailableError("no device on the network tells the time")
            return {}
        clock = self._hub.clock
        if clock.look() is not None:
            return {}
        registry = self._hub.registry
        server, offset = await ntp.offset((registry.text(NTP_SERVER_1), registry.text(NTP_SERVER_2)), clock)
        if abs(offset) > CLOSE:
            raise RefusedError(
                f"the clock of this machine is {_apart(offset)} that of {server}, follows no NTP and is not set from "
                "here; allowed: a clock that a time service of the machine keeps right"
            )
        clock.confirm()
        return {}


def _apart(offset: timedelta) -> str:
    seconds = offset.total_seconds()
    return f"{abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'}"

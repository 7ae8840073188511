"""How far the start is, in the gateway manual's steps (CPX2-SE, Startup Sequence).

1. core: configuration, database, devices are loaded; requests are answered from here on.
2. time: the machine's clock is set. A board without a clock of its own starts in the past until it has asked NTP.
3. network: each Zigbee radio is on its network. Until then what is sent there is refused, and the refusal says so.
4. operational.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from hub.zigbee.model import NetworkState, NetworkStatus

TIME_IS_SET = datetime(2026, 1, 1, tzinfo=UTC)
"""A clock before this was never set: the hub is younger."""


class StartupStep(StrEnum):
    """The steps, in order."""

    CORE = "core"
    TIME = "time"
    NETWORK = "network"
    OPERATIONAL = "operational"


@dataclass(frozen=True, slots=True)
class Startup:
    """Where it is, and what it waits for there."""

    step: StartupStep
    detail: str = ""

    @property
    def number(self) -> int:
        """1 to 4."""
        return list(StartupStep).index(self.step) + 1


def startup(now: datetime, networks: Sequence[NetworkStatus], *, is_loaded: bool = True) -> Startup:
    """The first step that is not over."""
    if not is_loaded:
        return Startup(StartupStep.CORE, "configuration and database are read")
    if now < TIME_IS_SET:
        return Startup(StartupStep.TIME, f"the clock says {now:%Y-%m-%d}: it has not been set since the power came")
    waiting = [network for network in networks if network.state is not NetworkState.UP]
    if waiting:
        told = "; ".join(f"{network.radio}: {network.detail or network.state.value}" for network in waiting)
        return Startup(StartupStep.NETWORK, told)
    return Startup(StartupStep.OPERATIONAL)

"""A utility's electricity meter: registers both ways and by tier, and what is to flow through it on demand."""

from __future__ import annotations

from collections.abc import Callable
from math import floor

from radios.emulators import zcl
from radios.emulators.attributes import Attribute
from radios.emulators.device import Cluster, EmulatedDevice
from radios.emulators.errors import EmulatorError
from radios.emulators.se_endpoint import Clock
from radios.emulators.se_profile import Profile
from radios.emulators.servers import JOULES_PER_WH, Meter

A = Attribute
TIERS = 4
TIER_SHARES = (0.55, 0.25, 0.15, 0.05)
"""Of what was counted before anybody watched."""
MAX_WATTS = 8_000_000.0
"""What InstantaneousDemand, 24 bits of watts, can say."""
MAX_WH = float((1 << 48) - 2)


class UtilityMeter(Meter):
    """Counts what flows in and out each by itself, the first also in the tier that is active."""

    def __init__(
        self,
        device: EmulatedDevice,
        watts: Callable[[], float],
        start_wh: int,
        clock: Clock,
        past: Callable[[float], float],
    ) -> None:
        """`watts()`: of the home, negative while it generates more than it needs; `past(utc)`: at another time."""
        self._home = watts
        self.usage = "home"
        """home, fixed, or rising."""
        self.usage_w = 0.0
        """Of a rising one."""
        self.export_w = 0.0
        """Flows out beside what the home does."""
        self.tier = 1
        """0: none; only the whole is counted."""
        self.tiers_delivered = [start_wh * share for share in TIER_SHARES]
        self.tiers_received = [0.0] * TIERS
        self._delivers = self._receives = 0.0
        self.profile = Profile(clock, lambda: (self.delivered_wh, self.received_wh), past)
        super().__init__(device, self._both, start_wh)

    def tick(self) -> None:
        """Count, and close the intervals that are over."""
        super().tick()
        self.profile.tick()

    def _both(self) -> float:
        """What flows, in less out."""
        home = self._home() if self.usage == "home" else self.usage_w
        self._delivers, self._receives = max(0.0, home), max(0.0, -home) + self.export_w
        return self._delivers - self._receives

    def _count(self, elapsed_s: float) -> None:
        """Each direction by itself."""
        delivered = self._delivers * elapsed_s / JOULES_PER_WH
        received = self._receives * elapsed_s / JOULES_PER_WH
        self.delivered_wh += delivered
        self.received_wh += received
        if self.tier:
            self.tiers_delivered[self.tier - 1] += delivered
            self.tiers_received[self.tier - 1] += received

    # -- on demand -----------------------------------------------------------------------------------------------------

    def follow_home(self) -> None:
        """It measures the home."""
        self._use("home", 0.0)

    def stand_still(self, watt_hours: float) -> None:
        """CurrentSummationDelivered is, and stays, so much. Raises `EmulatorError`."""
        if not 0 <= watt_hours <= MAX_WH:
            raise EmulatorError(f"usage {watt_hours:g}: must be from 0 to {MAX_WH:g} Wh")
        self._use("fixed", 0.0)
        counted = self.delivered_wh
        shares = [tier / counted for tier in self.tiers_delivered] if counted else TIER_SHARES
        self.delivered_wh = watt_hours
        self.tiers_delivered = [watt_hours * share for share in shares]

    def rise(self, watts: float) -> None:
        """Usage grows linearly. Raises `EmulatorError`."""
        self._use("rising", _checked("usage", watts))

    def _use(self, usage: str, watts: float) -> None:
        self.tick()
        self.usage, self.usage_w = usage, watts
        self.tick()

    def export(self, watts: float) -> None:
        """So much flows out, whatever the home does. Raises `EmulatorError`."""
        checked = _checked("export", watts)
        self.tick()
        self.export_w = checked
        self.tick()

    def use_tier(self, tier: int) -> None:
        """From now on that tier is counted. Raises `EmulatorError`."""
        if not 0 <= tier <= TIERS:
            raise EmulatorError(f"tier {tier}: must be from 1 to {TIERS}, or 0 for none")
        self.tick()
        self.tier = tier

    def cluster(self, *, both_ways: bool = True, kind: int = 0x00) -> Cluster:
        """The Metering server, with a register for each tier, the profile and the days."""
        made = super().cluster(both_ways=both_ways, kind=kind)
        self.profile.add_to(made)
        for number in range(TIERS):
            first = 0x0100 + 2 * number
            made.attributes[first] = _register(self, "tiers_delivered", number)
            made.attributes[first + 1] = _register(self, "tiers_received", number)
        return made

    def shown(self) -> dict[str, object]:
        """For those who look on."""
        return {
            "usage": self.usage,
            "watts": round(self.power_w),
            "delivered_wh": floor(self.delivered_wh),
            "received_wh": floor(self.received_wh),
            "export_watts": self.export_w,
            "tier": self.tier,
            "tiers_delivered_wh": [floor(tier) for tier in self.tiers_delivered],
            "tiers_received_wh": [floor(tier) for tier in self.tiers_received],
        }


def _register(meter: UtilityMeter, name: str, number: int) -> Attribute:
    return A(zcl.UINT48, lambda: floor(getattr(meter, name)[number]), reportable=True)


def _checked(name: str, watts: float) -> float:
    if not 0 <= watts <= MAX_WATTS:
        raise EmulatorError(f"{name} {watts:g}: must be from 0 to {MAX_WATTS:g} W")
    return watts

"""The charging side of an EVSE breaker (EV-EMCB): settings, state, and the car that comes and goes.

From the vendor's public library (EMCB-LIB), not from the EMCB document, which has no EVSE messages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from struct import Struct

from radios.emulators.home import DAY_S, HOUR_S, Demand, Home

MIN_AMPS, MAX_AMPS = 6, 32
MAX_ENERGY = 200_000
"""Called "Watts" by the library; taken as Wh."""
KEEP_U8, KEEP_U32 = 0xFF, 0xFFFFFFFF
APPLY_S = 1.0
"""Chosen: an accepted configuration takes effect so much later. EMCB-LIB waits 2 s before it reads back."""
VOLTS = 240.0
CAR_ARRIVES_S, CAR_FULL_S, CAR_LEAVES_S = 17.5 * HOUR_S, 23.75 * HOUR_S, 7.5 * HOUR_S

MODE_NO_RESTRICTIONS, MODE_CHARGE_WINDOWS, MODE_ENABLE, MODE_DISABLE, MODE_OCPP = 1, 5, 6, 7, 8
SETTABLE_MODES = (1, 4, 5, 6, 7)
OFFLINE_MODES = (1, 2)
WINDOW_BEGINS_S, WINDOW_ENDS_S = 22 * HOUR_S, 6 * HOUR_S

IDLE, WAITING_ON_CHARGER, WAITING_ON_CAR, CHARGING, FAULT = range(5)

_APPLIED = Struct("<BBBi")
_STATE = Struct("<BBB4H")
_CONFIG = Struct("<BBBBi")
_NEW_CONFIG = Struct("<BBBBI")
NEW_CONFIG_SIZE = _NEW_CONFIG.size


@dataclass(frozen=True, slots=True, kw_only=True)
class EvseConfig:
    """What 0x9300 sets."""

    mode: int = MODE_NO_RESTRICTIONS
    offline_mode: int = 1
    enabled: int = 1
    max_amps: int = MAX_AMPS
    """0: no limit of its own."""
    max_energy: int = 0
    """Wh per session; 0: no limit."""


class Evse:
    """One charger."""

    two_pole = True

    def __init__(self, home: Home) -> None:
        self._home = home
        self.config = EvseConfig()
        self.pending: tuple[float, EvseConfig] | None = None
        """When an accepted configuration takes effect, and which."""
        self.car: bool | None = None
        """Plugged in or not, by hand; None: by the time of day."""
        self.error = 0
        """EVSE error code; 0: none."""
        self.contacts_closed = True
        self.session_mj = 0

    def due(self, now: float) -> float | None:
        """When a pending configuration took effect, if it has by now."""
        return self.pending[0] if self.pending is not None and self.pending[0] <= now else None

    def apply(self) -> None:
        """The pending configuration takes effect."""
        if self.pending is not None:
            self.config = self.pending[1]
            self.pending = None

    def consumed(self, millijoules: int) -> None:
        """Energy that the meter saw go to the car."""
        self.session_mj += millijoules

    def demand(self, time_s: float) -> Demand:
        """What the car draws."""
        if self.state(time_s) != CHARGING:
            return Demand(0.0, 0.0)
        amps = min(self.config.max_amps or MAX_AMPS, MAX_AMPS)
        return Demand(VOLTS * amps, -0.02 * VOLTS * amps)

    def state(self, time_s: float) -> int:
        """Charging state at a model time."""
        if self.error:
            return FAULT
        time_of_day = time_s % DAY_S
        plugged = self.car
        if plugged is None:
            plugged = time_of_day >= CAR_ARRIVES_S or time_of_day < CAR_LEAVES_S
        if not plugged:
            self.session_mj = 0
            return IDLE
        limit_mj = self.config.max_energy * 3_600_000
        used_up = limit_mj > 0 and self.session_mj >= limit_mj
        if not self.contacts_closed or not self._allowed(time_of_day) or used_up:
            return WAITING_ON_CHARGER
        full = self.car is None and not CAR_ARRIVES_S <= time_of_day < CAR_FULL_S
        return WAITING_ON_CAR if full else CHARGING

    def _allowed(self, time_of_day: float) -> bool:
        mode = self.config.mode
        if mode == MODE_DISABLE:
            return False
        if mode in (MODE_NO_RESTRICTIONS, MODE_ENABLE):
            return True
        if mode == MODE_CHARGE_WINDOWS:
            return time_of_day >= WINDOW_BEGINS_S or time_of_day < WINDOW_ENDS_S
        return bool(self.config.enabled)

    def applied_settings(self, now: float) -> bytes:
        """Response data of 0x1100."""
        allowed = self._allowed(self._home.model_time(now) % DAY_S)
        return _APPLIED.pack(allowed, 1, self.config.max_amps, self.config.max_energy)

    def charging_state(self, now: float) -> bytes:
        """Response data of 0x1200."""
        return _STATE.pack(self.state(self._home.model_time(now)), 0, self.error, 0, 0, 0, 0)

    def configuration(self) -> bytes:
        """Response data of 0x1300."""
        config = self.config
        return _CONFIG.pack(config.mode, config.offline_mode, config.enabled, config.max_amps, config.max_energy)

    def configure(self, now: float, data: bytes) -> bool:
        """Request data of 0x9300: whether it is acknowledged. All of it counts, or nothing."""
        mode, offline_mode, enabled, max_amps, max_energy = _NEW_CONFIG.unpack(data)
        if self.config.mode == MODE_OCPP:
            return False
        checks = (
            mode in (*SETTABLE_MODES, KEEP_U8),
            offline_mode in (*OFFLINE_MODES, KEEP_U8),
            enabled in (0, 1, KEEP_U8),
            max_amps in (0, KEEP_U8) or MIN_AMPS <= max_amps <= MAX_AMPS,
            max_energy == KEEP_U32 or max_energy <= MAX_ENERGY,
        )
        if not all(checks):
            return False
        base = self.pending[1] if self.pending is not None else self.config
        self.pending = (
            now + APPLY_S,
            replace(
                base,
                mode=base.mode if mode == KEEP_U8 else mode,
                offline_mode=base.offline_mode if offline_mode == KEEP_U8 else offline_mode,
                enabled=base.enabled if enabled == KEEP_U8 else enabled,
                max_amps=base.max_amps if max_amps == KEEP_U8 else max_amps,
                max_energy=base.max_energy if max_energy == KEEP_U32 else max_energy,
            ),
        )
        return True

"""Basic, the cluster that every endpoint has: what we are (ZCL8, 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub.zigbee.servers.base import ClusterServer, bound, constant
from protocols.zcl.clusters import BASIC
from protocols.zcl.datatypes import Value
from protocols.zcl.status import Status

MANUFACTURER = "home-energy-hub"
ZCL_VERSION = 8
"""ZCLVersion of ZCL8 (ZCL8, 3.2.2.2). Smart Energy 1.x says 3: see `BasicFacts.zcl_version`."""
SMART_ENERGY_ZCL_VERSION = 3
SINGLE_PHASE_MAINS = 0x01
"""PowerSource (ZCL8, 3.2.2.2)."""
MAX_NAME_BYTES = 32
"""ManufacturerName and ModelIdentifier (ZCL8, 3.2.2.2)."""
MAX_SHORT_TEXT_BYTES = 16
"""DateCode, LocationDescription, SWBuildID (ZCL8, 3.2.2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicFacts:
    """What the Basic cluster tells of us. Texts that are longer than the standard allows are refused."""

    zcl_version: int = ZCL_VERSION
    application_version: int = 1
    stack_version: int = 0
    hardware_version: int = 1
    manufacturer: str = MANUFACTURER
    model: str = "hub"
    date_code: str = ""
    """`YYYYMMDD`, then free text."""
    software_build: str = ""
    power_source: int = SINGLE_PHASE_MAINS

    def __post_init__(self) -> None:
        for name, text, limit in (
            ("manufacturer", self.manufacturer, MAX_NAME_BYTES),
            ("model", self.model, MAX_NAME_BYTES),
            ("date_code", self.date_code, MAX_SHORT_TEXT_BYTES),
            ("software_build", self.software_build, MAX_SHORT_TEXT_BYTES),
        ):
            if len(text.encode()) > limit:
                raise ValueError(f"{name} is {text!r}; allowed: at most {limit} bytes of UTF-8")


class BasicServer(ClusterServer):
    """The Basic cluster of one of our endpoints.

    Chosen: Reset to Factory Defaults (0x00, optional) is not supported, and DeviceEnabled is read only. Whoever has the
    network key could otherwise clear or switch off what belongs to the people of the home; the hub has its own,
    authenticated ways for both.
    """

    CLUSTER = BASIC
    REVISION = 3

    def __init__(
        self,
        facts: BasicFacts,
        *,
        location: str = "",
        on_location: Callable[[str], None] | None = None,
        environment: Callable[[], int] | None = None,
    ) -> None:
        """`environment()`: PhysicalEnvironment, by which an energy service interface says whether it can mirror."""
        self.location = location
        self._on_location = on_location
        fixed: dict[int, Value] = {
            0x0000: facts.zcl_version,
            0x0001: facts.application_version,
            0x0002: facts.stack_version,
            0x0003: facts.hardware_version,
            0x0004: facts.manufacturer,
            0x0005: facts.model,
            0x0006: facts.date_code,
            0x0007: facts.power_source,
            0x0012: True,
            0x4000: facts.software_build,
        }
        super().__init__(
            (
                *(bound(BASIC, number, constant(value)) for number, value in fixed.items()),
                bound(BASIC, 0x0010, lambda _now: self.location, self._locate, max_bytes=MAX_SHORT_TEXT_BYTES),
                *((bound(BASIC, 0x0011, lambda _now: environment()),) if environment is not None else ()),
            )
        )

    def _locate(self, value: Value, _now: float) -> Status:
        if not isinstance(value, str):
            return Status.INVALID_VALUE
        self.location = value
        if self._on_location is not None:
            self._on_location(value)
        return Status.SUCCESS

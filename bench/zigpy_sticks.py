"""Sticks that zigpy's libraries drive, to be measured: a row for each kind, with its emulated stick and its library."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from protocols import ash
from radios.api import RadioConfig, ZigbeeRadio
from radios.emulators.air import AirFrame
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.stick import EmulatedStick
from radios.emulators.znp import ZnpConfig, ZnpEmulator
from radios.loader import SHIPPED, load_driver
from radios.zigpy_backend import LIBRARIES

QUIET: dict[str, Any] = {
    "database_path": None,
    "ota": {"enabled": False},
    "topology_scan_enabled": False,
    "backup_enabled": False,
    "startup_energy_scan": False,
    "watchdog_enabled": False,
}
"""Of a library by itself: nothing that goes on beside what is measured."""
LQI = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A row."""

    driver: str
    library: str
    """For people."""
    new: Callable[[], EmulatedStick]
    """A stick that has a network."""
    application: Callable[[dict[str, Any]], Any]
    """The library's own application, by its settings."""
    protocol: Callable[[Any], Any]
    """Of a started application: what takes the bytes of the line, and has them written to `_transport`."""
    says: Callable[[Any, AirFrame], bytes]
    """What the stick has for the host when a frame arrives, without its number on the line."""
    line: Callable[[Any, Sequence[bytes]], list[bytes]]
    """The same as it is on the line, by the protocol's present numbers."""


def kinds() -> list[Kind]:
    """Those that there is a driver for."""
    return [kind for kind in _ALL if kind.driver in SHIPPED]


def quiet() -> None:
    """The libraries log errors only, on either side."""
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)


def ours(kind: Kind, url: str) -> ZigbeeRadio:
    """Our radio on a stick."""
    return load_driver(kind.driver).open(RadioConfig(name="han", driver=kind.driver, pipe=url), None)  # type: ignore[return-value]


def theirs(kind: Kind, url: str) -> Any:
    """The library on a stick."""
    return kind.application({"device": {"path": url.partition(":")[2]}, **QUIET})


# -- EZSP ------------------------------------------------------------------------------------------------------------


def _bellows(settings: dict[str, Any]) -> Any:
    from bellows.zigbee.application import ControllerApplication

    return ControllerApplication(settings | {"use_thread": False})


def _ash(application: Any) -> Any:
    return application._ezsp._gw._obj._transport


def _ezsp_says(stick: Any, frame: AirFrame) -> bytes:
    said: list[bytes] = []
    send, stick.ash.send = stick.ash.send, said.append
    try:
        stick.receive(frame, LQI)
    finally:
        stick.ash.send = send
    [data] = said
    return data


def _ash_line(protocol: Any, said: Sequence[bytes]) -> list[bytes]:
    first, answered = protocol._rx_seq, protocol._tx_seq
    return [ash.encode((first + number & 7) << 4 | answered, data) for number, data in enumerate(said)]


# -- Z-Stack ---------------------------------------------------------------------------------------------------------


def _zigpy_znp(settings: dict[str, Any]) -> Any:
    from zigpy_znp.zigbee.application import ControllerApplication

    return ControllerApplication(settings | {"znp_config": {"skip_bootloader": False, "prefer_endpoint_1": False}})


def _mt(application: Any) -> Any:
    return application._znp._uart


def _znp_says(stick: Any, frame: AirFrame) -> bytes:
    said: list[bytes] = []
    send, stick.end.send_frame = stick.end.send_frame, said.append
    try:
        stick.receive(frame, LQI)
    finally:
        stick.end.send_frame = send
    [data] = said
    return data


_ALL = (
    Kind(
        driver="ezsp",
        library="bellows",
        new=lambda: EzspEmulator(EzspConfig(is_formed=True, devices=())),
        application=_bellows,
        protocol=_ash,
        says=_ezsp_says,
        line=_ash_line,
    ),
    Kind(
        driver="znp",
        library="zigpy-znp",
        new=lambda: ZnpEmulator(ZnpConfig(is_formed=True, devices=())),
        application=_zigpy_znp,
        protocol=_mt,
        says=_znp_says,
        line=lambda _, said: list(said),
    ),
)

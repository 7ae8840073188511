"""What the parts of an emulated Z-Stack stick share: its state, its flash, its line to the host."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from random import Random

from radios.emulators.air import Air
from radios.emulators.cursor import Cursor
from radios.emulators.own_object import OwnObject
from radios.emulators.stick import StatusFaults
from radios.emulators.znp_firmware import Firmware
from radios.emulators.znp_keys import Keys
from radios.emulators.znp_nvram import Nvram

Handler = Callable[[Cursor], "bytes | None"]
"""Takes the data of a command; gives those of its answer, or None: it has none. Raises `TruncatedError`."""
Handlers = Mapping[int, Handler]
"""By subsystem and number, without the kind: 0x0102 is SYS_VERSION."""

OK, FAILED, BAD_PARAMETER, NO_MEMORY = b"\x00", b"\x01", b"\x02", b"\x10"
"""Statuses."""


class DeviceState(IntEnum):
    """As `ZDO_STATE_CHANGE_IND` tells it."""

    HELD = 0
    STARTING = 8
    COORDINATOR = 9


@dataclass(slots=True, kw_only=True)
class Core:
    """One stick. Its parts read and change it."""

    firmware: Firmware
    nvram: Nvram
    keys: Keys
    air: Air
    random: Random
    statuses: StatusFaults
    own: OwnObject
    say: Callable[[int, bytes], None]
    """Tell the host what nobody asked for: subsystem and number, and data."""
    after: Callable[[float, Callable[[], None]], None]
    spawn: Callable[[Coroutine[None, None, None]], None]
    state: DeviceState = DeviceState.HELD
    clusters: set[int] = field(default_factory=set)
    """Of the device object, that the host wants to hear of; 0xFFFF: all."""
    next_counter: Callable[[], int] = lambda: 0
    """Frame counter of the next frame."""
    heard: dict[int, int] = field(default_factory=dict)
    """Extended addresses of those whom the stick knows since its start, and their network addresses."""

    @property
    def is_up(self) -> bool:
        """It has its network."""
        return self.state is DeviceState.COORDINATOR

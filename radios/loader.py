"""Driver name to driver. The only place that knows the shipped drivers' module names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoints, entry_points
from typing import cast

from radios.api import Driver, OptionError

ENTRY_POINT_GROUP = "home_energy_hub.radios"

SHIPPED: Mapping[str, str] = {
    "emcb": "radios.emcb.driver:DRIVER",
    "ezsp": "radios.ezsp.driver:DRIVER",
    "xbee": "radios.xbee.driver:DRIVER",
    "zigate": "radios.zigate.driver:DRIVER",
    "znp": "radios.znp.driver:DRIVER",
}
"""Name -> module:attribute of every driver that comes with the hub."""


@cache
def _outside() -> EntryPoints:
    """Drivers that other packages bring. Looked for once: it takes reading what each installed package says."""
    return entry_points(group=ENTRY_POINT_GROUP)


def driver_names() -> tuple[str, ...]:
    """All drivers that can be named in hub.toml, ours first. Two drivers of one name are an `OptionError`."""
    names = [*SHIPPED, *(point.name for point in _outside())]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError("driver", f"two installed drivers are called {', '.join(map(repr, twice))}: remove one")
    return tuple(names)


def load_driver(name: str) -> Driver:
    """The driver called `name`, its module imported now. Raises `OptionError` that lists the known ones."""
    names = driver_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise OptionError("driver", f"{name!r} is not known{hint}; known are {', '.join(names)}")
    if name in SHIPPED:
        module, _, attribute = SHIPPED[name].partition(":")
        return cast("Driver", getattr(import_module(module), attribute))
    [point] = _outside().select(name=name)
    return cast("Driver", point.load())

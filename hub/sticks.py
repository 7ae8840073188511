"""Sticks that could become radios of a hub: what is plugged in, and the lines of hub.toml for each. Needs no hub."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.errors import ConfigError
from radios.errors import OptionError
from radios.sticks import LINKS, ROOT, TTYS, PortReport, PortState, look_for_sticks

ROOT_FOLDER = ROOT
LOOKED_IN = tuple(f"/{folder}" for folder in (TTYS, LINKS))
"""Where USB serial ports are looked for."""
WITH_LINES = (PortState.FOUND, PortState.NOT_ASKED)
"""In other states nobody would get a radio by pasting lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stick:
    """A port, what is behind it, and how it becomes a radio."""

    port: str
    """"/dev/serial/by-id/usb-...", or host and port."""
    make: str
    driver: str
    firmware: str
    usb: str
    """Vendor and product, "10c4:ea60"; empty: no USB device."""
    state: str
    """A value of `PortState`."""
    detail: str
    toml: str
    """`[[radio]]` and what is below it; empty: it cannot be one, or nobody knows of which kind."""

    @property
    def is_found(self) -> bool:
        """A stick of that driver has answered."""
        return self.state == PortState.FOUND.value

    @property
    def is_forbidden(self) -> bool:
        """This user may not open it."""
        return self.state == PortState.FORBIDDEN.value


async def find_sticks(
    places: Sequence[str] = (),
    *,
    probes: bool = True,
    root: Path = ROOT_FOLDER,
    told: Callable[[str], None] | None = None,
    patience: float = 1.0,
) -> list[Stick]:
    """USB serial ports and `places`, each asked what is behind it; see `look_for_sticks`. Raises `ConfigError`."""
    try:
        reports = await look_for_sticks(places, probes=probes, root=root, told=told, patience=patience)
    except OptionError as error:
        raise ConfigError(error.key, error.problem) from None
    named = Counter[str]()
    return [_stick(report, named) for report in reports]


def _stick(report: PortReport, named: Counter[str]) -> Stick:
    return Stick(
        port=report.url.peer,
        make=report.make,
        driver=report.driver,
        firmware=report.firmware,
        usb=report.usb,
        state=report.state.value,
        detail=report.detail,
        toml=_lines(report, named) if report.driver and report.state in WITH_LINES else "",
    )


def _lines(report: PortReport, named: Counter[str]) -> str:
    """`named` counts radios by name: no two may have the same."""
    named[report.driver] += 1
    number = named[report.driver]
    name = report.driver if number == 1 else f"{report.driver}{number}"
    told = [("name", name), ("driver", report.driver), ("pipe", report.url.text)]
    # TOML's basic strings are written as JSON's are.
    lines = ["[[radio]]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in told)]
    if report.state is PortState.NOT_ASKED:
        lines.append("# by its USB device alone: it was not asked")
    if report.hint:
        lines.append(f"# {report.hint}")
    return "\n".join(lines) + "\n"

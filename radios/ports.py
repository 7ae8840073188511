"""The USB serial ports of this machine, as Linux tells of them: what they are called, and what is behind them.

`/sys/class/tty` has a folder for each port, which leads to the device that brings it; a USB device has its ids and
names in files some folders above. `/dev/serial/by-id` has links whose names stay when the ports' numbers do not.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
TTYS, LINKS, DEVICES, PROCESSES = "sys/class/tty", "dev/serial/by-id", "dev", "proc"
"""Where is looked, below the root."""
LONGEST_NAME = 126
"""Characters of a string descriptor (USB 2.0, 9.6.7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbPort:
    """A serial port that a USB device brings."""

    path: str
    """To open: the link that stays, or `device` where there is none."""
    device: str
    """"/dev/ttyUSB0"."""
    vendor: int
    product: int
    maker: str = ""
    """As the device says, as the next two; empty where it says nothing."""
    name: str = ""
    serial: str = ""

    @property
    def ids(self) -> str:
        """ "10c4:ea60"."""
        return f"{self.vendor:04x}:{self.product:04x}"

    @property
    def words(self) -> str:
        """All that it says of itself, in small letters, with blanks as its link has underscores."""
        return f"{self.maker} {self.name} {Path(self.path).name}".casefold().replace("_", " ")


def usb_ports(root: Path = ROOT) -> list[UsbPort]:
    """All of them, by the numbers of their ports. Where nothing can be read nothing is found."""
    links = _links(root)
    found = []
    for tty in sorted((root / TTYS).glob("*"), key=_order):
        usb = _usb_device(tty / "device", root)
        if usb is None:
            continue
        vendor, product = _number(usb / "idVendor"), _number(usb / "idProduct")
        if vendor is None or product is None:
            continue
        device = str(root / DEVICES / tty.name)
        found.append(
            UsbPort(
                path=links.get(tty.name, device),
                device=device,
                vendor=vendor,
                product=product,
                maker=_text(usb / "manufacturer"),
                name=_text(usb / "product"),
                serial=_text(usb / "serial"),
            )
        )
    return found


def holder_of(port: UsbPort, root: Path = ROOT) -> str:
    """Another process that has the port open, as far as this user may see it: "hubd (4242)"; empty: none.

    Some programs neither lock a port nor open it exclusively.
    """
    device, own = os.path.realpath(port.device), str(os.getpid())
    for process in (root / PROCESSES).glob("[0-9]*"):
        if process.name == own:
            continue
        try:
            if any(os.path.realpath(file) == device for file in (process / "fd").iterdir()):
                return f"{_text(process / 'comm') or 'process'} ({process.name})"
        except OSError:
            continue  # somebody else's, or it has ended
    return ""


def _order(path: Path) -> tuple[str, int]:
    """ttyUSB10 after ttyUSB9."""
    letters = path.name.rstrip("0123456789")
    digits = path.name[len(letters) :]
    return letters, int(digits or 0)


def _links(root: Path) -> dict[str, str]:
    """A port's name -> the link to it; the first where there are several."""
    found: dict[str, str] = {}
    for link in sorted((root / LINKS).glob("*")):
        try:
            found.setdefault(link.readlink().name, str(link))
        except OSError:
            continue  # no link
    return found


def _usb_device(device: Path, root: Path) -> Path | None:
    """The folder of the USB device above a port's; None: the port is on something else, or on nothing."""
    try:
        place = device.resolve(strict=True)
    except OSError:
        return None
    for folder in (place, *place.parents):
        if folder == root.resolve():
            return None
        if (folder / "idVendor").is_file():
            return folder
    return None


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return re.sub(r"\s+", " ", text).strip()[:LONGEST_NAME]


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text, 16) if re.fullmatch(r"[0-9a-fA-F]{4}", text) else None

"""A made-up `/sys`, `/dev` and `/proc`: USB serial ports that are pseudo terminals."""

from __future__ import annotations

import os
from pathlib import Path

from radios.emulators.stick import EmulatedStick


def plug_in(
    root: Path,
    tty: str,
    leads_to: str,
    ids: str = "10c4:ea60",
    *,
    maker: str = "Silicon Labs",
    name: str = "CP2102N USB to UART Bridge Controller",
    link: str = "",
) -> Path:
    """A USB device with one port, `tty`, whose far side is at `leads_to`. Returns the path to open.

    `link`: its name in /dev/serial/by-id; empty: there is none.
    """
    number = len(list((root / "sys/class/tty").glob("*"))) + 1
    device = root / f"sys/devices/pci0000:00/0000:00:14.0/usb1/1-{number}"
    port = device / f"1-{number}:1.0" / tty
    (port / "tty" / tty).mkdir(parents=True)
    vendor, _, product = ids.partition(":")
    for file, text in (("idVendor", vendor), ("idProduct", product), ("manufacturer", maker), ("product", name)):
        if text:
            (device / file).write_text(text + "\n", encoding="utf-8")
    (port / "tty" / tty / "device").symlink_to(Path("../.."))
    (root / "sys/class/tty").mkdir(parents=True, exist_ok=True)
    (root / "sys/class/tty" / tty).symlink_to(port / "tty" / tty)
    (root / "dev").mkdir(exist_ok=True)
    path = root / "dev" / tty
    path.symlink_to(leads_to)
    if not link:
        return path
    links = root / "dev/serial/by-id"
    links.mkdir(parents=True, exist_ok=True)
    (links / link).symlink_to(Path("../..") / tty)
    return links / link


def path_of(stick: EmulatedStick) -> str:
    """Of an emulated stick's pseudo terminal."""
    return os.path.realpath(stick.pipe_url.removeprefix("pty:"))

"""tshark, as a second opinion on our frames: what it makes of each packet of a pcap, and which bytes it leaves."""

from __future__ import annotations

import os
import shutil
import subprocess

# What is read here comes from tshark, on a file of ours.
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TSHARK = shutil.which("tshark")
MISSING = "tshark is not installed: python tests/prepare.py installs it where it may"
LONGEST_S = 60.0
ABOUT_THE_FILE = ("geninfo", "frame")
"""What tshark says of a packet without having looked at its bytes."""

needs_tshark = pytest.mark.skipif(TSHARK is None and not os.environ.get("CI"), reason=MISSING)


@dataclass(frozen=True, slots=True)
class Packet:
    """What tshark makes of one packet."""

    layers: tuple[str, ...]
    """From the outside in: wpan, zbee_nwk, zbee_aps, zbee_zcl ..."""
    values: dict[str, str]
    """By tshark's name of the field; of one that is there twice the last."""
    malformed: tuple[str, ...]
    """Why it gave up."""
    left: tuple[int, ...]
    """Bytes, from the packet's start, that belong to no field: what no layer has decoded."""

    @property
    def command(self) -> tuple[int, bool]:
        """Id of a cluster's command, and whether it is for the server; raises `LookupError` where it knows none."""
        for name, value in self.values.items():
            if name.endswith((".cmd.srv_rx.id", ".cmd.srv_tx.id")):
                return int(value, 0), name.endswith(".cmd.srv_rx.id")
        raise LookupError("no command is named")


def decode(path: Path) -> list[Packet]:
    """All packets of a pcap, with tshark's defaults: no keys, no preferences."""
    assert TSHARK is not None, MISSING
    ran = subprocess.run(
        [TSHARK, "-n", "-r", str(path), "-T", "pdml"], capture_output=True, check=False, timeout=LONGEST_S
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return [_packet(found) for found in ET.fromstring(ran.stdout)]


def _packet(found: ET.Element) -> Packet:
    layers = [layer for layer in found if layer.tag == "proto" and layer.get("name") not in ABOUT_THE_FILE]
    size = int(next(field.get("size", "0") for field in found.iter("field") if field.get("name") == "len"))
    decoded: set[int] = set()
    values: dict[str, str] = {}
    malformed: list[str] = []
    for layer in layers:
        if str(layer.get("name")).startswith("_ws.malformed"):
            malformed.append(str(layer.get("showname")))
        for field in layer.iter("field"):
            name = field.get("name", "")
            if name.startswith("_ws.malformed"):
                malformed.append(field.get("showname", ""))
            if name and not name.startswith("_ws") and _is_whole(field):
                values[name] = field.get("show", "")
                at = int(field.get("pos", "0"))
                decoded.update(range(at, at + int(field.get("size", "0"))))
    names = tuple(str(layer.get("name")) for layer in layers)
    return Packet(names, values, tuple(malformed), tuple(sorted(set(range(size)) - decoded)))


def _is_whole(field: ET.Element) -> bool:
    """A value by itself, or bits of one; not the heading above several."""
    return all(_place(part) == _place(field) for part in _parts(field))


def _parts(field: ET.Element) -> Iterator[ET.Element]:
    return (part for part in field if int(part.get("size", "0")))


def _place(field: ET.Element) -> tuple[str | None, str | None]:
    return field.get("pos"), field.get("size")

"""USB devices that people know by their ids and names: which stick is behind them, and how its port is opened.

Most sticks have a common bridge (CP210x, CH340, FTDI), so that only their names tell; a bridge without such a name may
have any stick behind it, and is asked for all of them. What a stick turns out to speak counts, whatever stands here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from radios.ports import UsbPort
from radios.probes import Line

SILICON_LABS, FTDI, PROLIFIC, WCH, TI, ESPRESSIF, DRESDEN = 0x10C4, 0x0403, 0x067B, 0x1A86, 0x0451, 0x303A, 0x1CF1
EZSP_OLD, EZSP_FLOW, EZSP_FAST = Line(57600), Line(115200, rtscts=True), Line(460800, rtscts=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownUsb:
    """A row: which devices it speaks of, and what is known of them."""

    vendor: int
    product: int | None = None
    """None: any."""
    words: str = ""
    """A regular expression that is found in what the device says of itself, in small letters."""
    make: str
    driver: str = ""
    """Which kind is asked for first; empty: as if nothing were known."""
    line: Line | None = None
    """How its port is opened; None: as for its kind."""
    never: str = ""
    """Why it is not asked at all."""

    def fits(self, port: UsbPort) -> bool:
        """Whether it speaks of this one."""
        is_one = self.vendor == port.vendor and self.product in (None, port.product)
        return is_one and re.search(self.words, port.words) is not None


KNOWN: tuple[KnownUsb, ...] = (
    KnownUsb(vendor=SILICON_LABS, product=0xEA60, words="zigate", make="ZiGate", driver="zigate"),
    KnownUsb(vendor=PROLIFIC, product=0x2303, words="zigate", make="ZiGate", driver="zigate"),
    KnownUsb(vendor=FTDI, product=0x6015, words="zigate", make="ZiGate+ V2", driver="zigate"),
    KnownUsb(vendor=FTDI, product=0x6001, words="zigate", make="ZiGate DIN", driver="zigate"),
    KnownUsb(vendor=FTDI, words="xbee|xstick|digi int", make="Digi XBee", driver="xbee"),
    KnownUsb(
        vendor=SILICON_LABS, product=0xEA60, words="skyconnect|connect zbt-1", make="Home Assistant Connect ZBT-1",
        driver="ezsp", line=EZSP_FLOW,
    ),
    KnownUsb(
        vendor=ESPRESSIF, words="zbt-2", make="Home Assistant Connect ZBT-2", driver="ezsp", line=EZSP_FAST
    ),
    KnownUsb(vendor=SILICON_LABS, words=r"sonoff.*(plus v2|max)", make="Sonoff Dongle (EFR32)", driver="ezsp"),
    KnownUsb(vendor=WCH, product=0x55D4, words=r"sonoff.*plus", make="Sonoff Dongle Plus-E", driver="ezsp"),
    KnownUsb(vendor=SILICON_LABS, words=r"sonoff.*plus", make="Sonoff Dongle Plus-P", driver="znp"),
    KnownUsb(vendor=SILICON_LABS, words=r"slzb-0\d+p", make="SMLIGHT SLZB (CC2652)", driver="znp"),
    KnownUsb(vendor=SILICON_LABS, words=r"slzb-0\d", make="SMLIGHT SLZB (EFR32)", driver="ezsp"),
    KnownUsb(vendor=SILICON_LABS, product=0x8A2A, make="HUSBZB-1", driver="ezsp", line=EZSP_OLD),
    KnownUsb(vendor=SILICON_LABS, product=0x8B34, words="bv 2010", make="Bitron AV2010", driver="ezsp", line=EZSP_OLD),
    KnownUsb(vendor=SILICON_LABS, words="cc2652", make="CC2652 stick", driver="znp"),
    KnownUsb(vendor=SILICON_LABS, words="tubeszb", make="TubesZB", driver="znp"),
    KnownUsb(vendor=WCH, product=0x7523, words="tubeszb|zigstar", make="CC2652 stick", driver="znp"),
    KnownUsb(vendor=FTDI, words="electrolama", make="zig-a-zig-ah!", driver="znp"),
    KnownUsb(vendor=TI, product=0x16A8, make="TI CC2531", driver="znp"),
    KnownUsb(vendor=TI, product=0x16C8, make="TI CC2538", driver="znp"),
    KnownUsb(vendor=TI, product=0xBEF3, make="TI LaunchPad", driver="znp"),
    KnownUsb(vendor=DRESDEN, make="ConBee", never="it speaks the deCONZ protocol, for which there is no driver"),
    KnownUsb(vendor=FTDI, words="conbee", make="ConBee III", never="it speaks deCONZ, for which there is no driver"),
    KnownUsb(vendor=0x0658, make="Z-Wave stick", never="it is no Zigbee stick"),
    KnownUsb(vendor=0x2341, make="Arduino", never="it is no Zigbee stick, and being opened restarts it"),
    KnownUsb(vendor=0x1546, make="u-blox receiver", never="it is no Zigbee stick"),
    KnownUsb(vendor=0x2C7C, make="Quectel modem", never="it is no Zigbee stick"),
    KnownUsb(vendor=0x12D1, make="Huawei modem", never="it is no Zigbee stick"),
)  # fmt: skip
"""The first that fits counts."""


def known_usb(port: UsbPort) -> KnownUsb | None:
    """What is known of a port's device."""
    return next((row for row in KNOWN if row.fits(port)), None)

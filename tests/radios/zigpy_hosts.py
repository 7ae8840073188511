"""The real hosts of emulated EZSP and Z-Stack sticks, kept away from the network: bellows and zigpy-znp, on zigpy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import bellows.zigbee.application
import zigpy.types
import zigpy_znp.zigbee.application
from zigpy.application import ControllerApplication

from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.stick import EmulatedStick
from radios.emulators.znp import ZnpConfig, ZnpEmulator

SMART_ENERGY = 0x0109
OURS = 0x5E
"""Our Smart Energy endpoint."""
ENDPOINT = {
    "endpoint": OURS,
    "profile": SMART_ENERGY,
    "device_type": 0x0500,
    "device_version": 0,
    "input_clusters": [0x0000, 0x0700, 0x0800],
    "output_clusters": [0x0702, 0x0800],
}
EZSP_FIRMWARES = ("6.10.3", "7.0.2", "7.1.5", "7.2.5", "7.3.2", "7.4.4", "8.0.2", "8.1.1", "8.2.0", "9.0.0")
ZNP_FIRMWARES = ("1.2", "3.0", "3.x-20210120", "3.x")


def url_of(stick: EmulatedStick) -> str:
    """What the libraries open."""
    scheme, _, rest = stick.pipe_url.partition(":")
    return f"tcp://{rest}" if scheme == "tcp" else rest


class Heard(list[zigpy.types.ZigbeePacket]):
    """Packets that an application has received."""

    async def until(self, cluster: int, source: int | None = None, within_s: float = 10.0) -> zigpy.types.ZigbeePacket:
        """The first one about a cluster."""
        async with asyncio.timeout(within_s):
            while True:
                for at, packet in enumerate(self):
                    if packet.cluster_id == cluster and source in (None, packet.src.address):
                        del self[: at + 1]
                        return packet
                await asyncio.sleep(0.01)


def application(stick: EmulatedStick, **more: Any) -> ControllerApplication:
    """The library for a stick; nothing leaves the machine, nothing happens by itself."""
    quiet = {
        "device": {"path": url_of(stick)},
        "database_path": None,
        "ota": {"enabled": False},
        "topology_scan_enabled": False,
        "backup_enabled": False,
        "additional_endpoints": [ENDPOINT],
    }
    if isinstance(stick, EzspEmulator):
        return bellows.zigbee.application.ControllerApplication(quiet | {"use_thread": False} | more)
    settings = {"skip_bootloader": False, "prefer_endpoint_1": False}
    return zigpy_znp.zigbee.application.ControllerApplication(quiet | {"znp_config": settings} | more)


@asynccontextmanager
async def running(stick: EmulatedStick, *, form: bool = False, **more: Any) -> AsyncIterator[ControllerApplication]:
    """The library, started. `app.heard` gets what it receives."""
    app = application(stick, **more)
    heard = Heard()
    received = app.packet_received

    def packet_received(packet: zigpy.types.ZigbeePacket) -> None:
        heard.append(packet)
        received(packet)

    app.packet_received = packet_received
    app.heard = heard
    try:
        await app.startup(auto_form=form)
        yield app
    finally:
        await app.shutdown(db=False)


def new_stick(family: str, firmware: str, room: EmulatedStick | None = None, **settings: Any) -> Any:
    """An emulated stick of a family."""
    if family == "ezsp":
        return EzspEmulator(EzspConfig(firmware=firmware, **settings), room)
    return ZnpEmulator(ZnpConfig(firmware=firmware, **settings), room)


def packet(
    device_short: int, cluster: int, data: bytes, *, tsn: int, secured: bool = False, profile: int = SMART_ENERGY,
    to: int = 0x0A, source: int = OURS,
) -> zigpy.types.ZigbeePacket:  # fmt: skip
    """A message to a device, acknowledged."""
    options = zigpy.types.TransmitOptions.ACK
    if secured:
        options |= zigpy.types.TransmitOptions.APS_Encryption
    return zigpy.types.ZigbeePacket(
        src=zigpy.types.AddrModeAddress(addr_mode=zigpy.types.AddrMode.NWK, address=0x0000),
        src_ep=source,
        dst=zigpy.types.AddrModeAddress(addr_mode=zigpy.types.AddrMode.NWK, address=device_short),
        dst_ep=to,
        tsn=tsn,
        profile_id=profile,
        cluster_id=cluster,
        data=zigpy.types.SerializableBytes(data),
        tx_options=options,
    )

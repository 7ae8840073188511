"""Sticks that zigpy's radio libraries drive: what is the same for all of them, and every contact with zigpy itself.

The libraries speak the stick's own protocol, know its flash, and read and write the open coordinator format. Nothing
else of zigpy is used: frames come here before its model of devices sees them, and what it does by itself (broadcasts at
the start, permitting, images of firmware, scans, saved devices) never begins. Only the drivers of such sticks import
this, so a hub without one does not load any of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol, cast

import zigpy.application
import zigpy.types

from protocols.aps import ApsFrame, Delivery, Security
from protocols.ids import UNKNOWN_ADDRESS, Eui64
from radios.api import DeliveryError, NetworkInfo
from radios.stream import StreamUrl

LIBRARIES = ("zigpy", "bellows", "zigpy_znp", "serialx")
"""Their loggers say nothing below an error: some of what they log are keys."""
HOME_ENDPOINT, SMART_ENERGY_ENDPOINT = 0x01, 0x5E
"""Ours: those that the hub answers for."""
WELL_KNOWN = b"ZigBeeAlliance09"
"""The link key that everybody knows (Zigbee R21, 4.4.10)."""
ANYBODY = (1 << 64) - 1
"""In place of an extended address: whoever has none of its own."""

if TYPE_CHECKING:
    _Application = zigpy.application.ControllerApplication
else:
    _Application = object


class NoBuffersError(DeliveryError):
    """Nothing was sent: the stick has no room at the moment."""


class Listener(Protocol):
    """Who is told what a library has heard."""

    def heard(self) -> None:
        """The stick has said something: it is alive."""

    def received(self, packet: zigpy.types.ZigbeePacket) -> None:
        """A frame arrived."""

    def arrived(self, frame: ApsFrame) -> None:
        """The same, of a driver that reads frames by itself."""

    def joined(self, ieee: Eui64, *, rejoined: bool | None) -> None:
        """The trust centre let a device in; its own announce follows."""

    def left(self, ieee: Eui64, *, rejoin: bool = False) -> None:
        """A device is gone, or will come back (`rejoin`)."""

    def unreadable(self) -> None:
        """What the stick has said makes no sense."""

    def stick_lost(self, reason: BaseException | None) -> None:
        """The port is closed, or the stick has restarted unasked."""

    def network_moved(self) -> None:
        """Something about its network is new."""


class Quiet(_Application):
    """Put before a library's application in its bases: it tells the listener, and does nothing by itself."""

    listener: Listener

    def packet_received(self, packet: zigpy.types.ZigbeePacket) -> None:
        """Everything that arrives, before zigpy's devices see it: they never do."""
        self.listener.received(packet)

    def gp_packet_received(self, packet: Any) -> None:
        """Green Power: we host nothing of it."""

    def handle_join(self, nwk: Any, ieee: Any, parent_nwk: Any, **more: Any) -> None:
        """A device joined; zigpy would begin its interview."""
        self.listener.joined(eui64_of(ieee), rejoined=None)

    def handle_leave(self, nwk: Any, ieee: Any) -> None:
        """A device left."""
        self.listener.left(eui64_of(ieee))

    def handle_relays(self, nwk: Any, relays: Any) -> None:
        """The stick keeps its own routes."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """zigpy never connects again: our supervisor does."""
        self.listener.stick_lost(exc)

    async def permit(self, time_s: int = 60, node: Any = None) -> None:
        """zigpy would let in everybody who knows the key that everybody knows."""
        raise NotImplementedError

    async def register_endpoints(self) -> None:
        """Those of zigpy's own device are not ours."""


def silence_libraries() -> None:
    """Whatever this process logs, the libraries' debug lines, which hold keys, are not among it."""
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)


def settings_for(url: StreamUrl, **more: object) -> dict[str, object]:
    """What a library's application is made with: the port, and everything that it does by itself switched off."""
    path = url.path or f"tcp://{url.host}:{url.port}"
    flow = "hardware" if url.rtscts else None
    return {
        "device": {"path": path, "baudrate": url.baud, "flow_control": flow},
        "database_path": None,
        "ota": {"enabled": False},
        "topology_scan_enabled": False,
        "backup_enabled": False,
        "startup_energy_scan": False,
        "watchdog_enabled": False,
        **more,
    }


def eui64_of(ieee: Any) -> Eui64:
    """Of a library's address, whose bytes are in the order of the wire."""
    return Eui64(int.from_bytes(ieee.serialize(), "little"))


def address_of(ieee: int) -> zigpy.types.EUI64:
    """An extended address as the libraries have them."""
    found, _ = zigpy.types.EUI64.deserialize(int(ieee).to_bytes(8, "little"))
    return found


def key_of(key: bytes) -> zigpy.types.KeyData:
    """A key as the libraries have them, 16 bytes."""
    found, _ = zigpy.types.KeyData.deserialize(key)
    return found


def nowhere(ieee: Eui64, model: str, firmware: str, mode: str, waits_for: str) -> NetworkInfo:
    """Of a stick that is on no network, and what it waits for."""
    return NetworkInfo(
        ieee=ieee,
        short=UNKNOWN_ADDRESS,
        pan_id=0xFFFF,
        extended_pan_id=0,
        channel=0,
        is_coordinator=False,
        model=model,
        firmware=firmware,
        mode=mode,
        waits_for=waits_for,
    )


def frame_of(packet: zigpy.types.ZigbeePacket) -> ApsFrame:
    """The frame that a library tells of."""
    destination = packet.dst
    delivery, short = Delivery.UNICAST, None
    if destination is not None:
        short = int(cast("int", destination.address))
        if destination.addr_mode is zigpy.types.AddrMode.Group:
            delivery = Delivery.GROUP
        elif destination.addr_mode is zigpy.types.AddrMode.Broadcast:
            delivery = Delivery.BROADCAST
    is_encrypted = bool(packet.tx_options & zigpy.types.TransmitOptions.APS_Encryption)
    source = packet.src
    return ApsFrame(
        profile=int(packet.profile_id),
        cluster=int(packet.cluster_id),
        source_endpoint=int(packet.src_ep or 0),
        destination_endpoint=int(packet.dst_ep or 0),
        payload=packet.data.serialize(),
        source=int(cast("int", source.address)) if source is not None else None,
        destination=short,
        delivery=delivery,
        security=Security.LINK_KEY if is_encrypted else Security.NETWORK,
        counter=None if packet.tsn is None else int(packet.tsn),
        lqi=None if packet.lqi is None else int(packet.lqi),
        rssi_dbm=None if packet.rssi is None else int(packet.rssi),
    )

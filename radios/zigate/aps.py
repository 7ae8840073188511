"""Between the hub's frames and the stick's words: addresses and modes, capabilities, indications."""

from __future__ import annotations

from protocols.aps import ApsFrame, Delivery
from protocols.ids import FIRST_BROADCAST, Eui64, Profile
from protocols.zigate.address import Address, AddressMode
from protocols.zigate.responses import ApsIndication
from radios.api import Capabilities, FixedEndpoint, NotSupportedError
from radios.zigate.firmware import Firmware

OUR_ENDPOINT = 1
MAX_ASDU = 80
"""Bytes of a frame's payload that fit one radio packet without fragmentation, which the stick does not do."""
_ENDPOINT = FixedEndpoint(
    endpoint=OUR_ENDPOINT,
    profile=Profile.HOME_AUTOMATION,
    device_type=0x0840,
    server_clusters=(0x0000, 0x0003, 0x0004, 0x0019, 0x000A),
    client_clusters=(0x0000, 0x0003, 0x0004, 0x0005, 0x0006, 0x0008, 0x0101, 0x0300, 0x0201, 0x0402, 0x0702),
)
"""What the firmware's endpoint 1 is on the air (ZIGATE, control bridge)."""


def capabilities_of(firmware: Firmware) -> Capabilities:
    """What a stick with this firmware can do."""
    return Capabilities(
        answers_zdo=True,
        answers_default_response=firmware.has_confirms,
        aps_encryption=False,
        install_codes=False,
        link_keys=False,
        router=False,
        group_send=firmware.has_groups_and_broadcasts,
        broadcast_send=firmware.has_groups_and_broadcasts,
        acks=firmware.has_confirms,
        endpoints=(_ENDPOINT,),
        max_payload=MAX_ASDU,
        energy_scan=True,
        channel_change=True,
        led=True,
        tx_power=True,
        certification=True,
        erase=True,
    )


def frame_of(frame: ApsIndication, lqi: int) -> ApsFrame:
    """The frame that an indication tells of."""
    source, destination = frame.source, frame.destination
    return ApsFrame(
        profile=frame.profile,
        cluster=frame.cluster,
        source_endpoint=frame.source_endpoint,
        destination_endpoint=frame.destination_endpoint,
        payload=frame.data,
        source=None if source.is_ieee else source.value,
        source_ieee=Eui64(source.value) if source.is_ieee else None,
        destination=None if destination.is_ieee else destination.value,
        destination_ieee=Eui64(destination.value) if destination.is_ieee else None,
        delivery=_delivery(destination),
        lqi=lqi or None,
    )


def _delivery(destination: Address) -> Delivery:
    if destination.mode is AddressMode.GROUP:
        return Delivery.GROUP
    if not destination.is_ieee and destination.value >= FIRST_BROADCAST:
        return Delivery.BROADCAST
    return Delivery.UNICAST


def address_of(frame: ApsFrame, firmware: Firmware) -> tuple[Address, bool]:
    """Address and mode of 0x0530 by what the firmware really sends, and whether an acknowledgement comes."""
    if frame.delivery is not Delivery.UNICAST:
        if not firmware.has_groups_and_broadcasts:
            raise NotSupportedError(f"firmware {firmware.name} sends no groups and broadcasts; 3.23 does")
        mode = AddressMode.GROUP if frame.delivery is Delivery.GROUP else AddressMode.BROADCAST
        return Address(mode, frame.destination or 0), False
    acknowledged = frame.ack and firmware.has_confirms
    if frame.destination is not None:
        # Older firmware knows the mode without acknowledgement, and does not send with it.
        with_ack = frame.ack or not firmware.has_confirms
        return Address(AddressMode.SHORT if with_ack else AddressMode.SHORT_NO_ACK, frame.destination), acknowledged
    if frame.destination_ieee is None:
        raise NotSupportedError("a frame needs an address")
    if not firmware.has_confirms:
        raise NotSupportedError(f"firmware {firmware.name} sends to network addresses only; 3.1e to extended ones too")
    return Address(AddressMode.IEEE if frame.ack else AddressMode.IEEE_NO_ACK, frame.destination_ieee), acknowledged

"""Between the hub's frames and the module's: addresses, options, capabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.aps import ApsFrame, Delivery, Security
from protocols.ids import FIRST_BROADCAST, Eui64, Profile
from protocols.xbee.frames import (
    BROADCAST_IEEE,
    COORDINATOR_IEEE,
    SHORT_ONLY_IEEE,
    UNKNOWN_SHORT,
    ExplicitReceive,
    ExplicitTransmit,
    ReceiveOption,
    TransmitOption,
)
from protocols.xbee.status import DeliveryStatus, RegistrationStatus
from protocols.zdo import DeviceAnnounce, MacCapability, ZdoRequest, encode_zdo
from radios.api import Capabilities, DeliveryError, KeysBy, NetworkSettings, NoLinkKeyError, NotSupportedError

APS_ENCRYPTION_BYTES = 9
"""What encryption takes of a payload (90033931_A, p. 54)."""
BROADCAST_BYTES = 66
"""Of a broadcast, which no stack puts together from fragments: what one packet of a secured network carries (Digi,
knowledge base 3345)."""


ADDRESSES_KEPT = 1024
_NO_LINK_KEY = frozenset((DeliveryStatus.NO_LINK_KEY, DeliveryStatus.KEY_NOT_AUTHORIZED))


def capabilities_of(max_payload: int, *, is_router: bool = False) -> Capabilities:
    """What a module with Smart Energy firmware can do, as trust centre or as a router. `max_payload`: register NP."""
    return Capabilities(
        answers_zdo=False,
        answers_default_response=False,
        aps_encryption=True,
        install_codes=not is_router,
        link_keys=not is_router,
        router=is_router,
        group_send=False,
        broadcast_send=True,
        acks=True,
        max_payload=max_payload - APS_ENCRYPTION_BYTES,
        energy_scan=False,
        channel_change=False,
        led=False,
        tx_power=True,
        certification=False,
        erase=True,
        certificates=True,
        keys_by=KeysBy.RADIO,
        configurable=True,
        at_commands=True,
    )


def address_of(frame: ApsFrame) -> tuple[Eui64, int]:
    """Extended and network address of a transmission. Raises `NotSupportedError`."""
    if frame.delivery is Delivery.GROUP:
        raise NotSupportedError("an XBee with Smart Energy firmware sends to no groups")
    if frame.delivery is Delivery.BROADCAST:
        if frame.security is Security.LINK_KEY:
            raise NotSupportedError("a broadcast cannot be encrypted with a link key")
        return BROADCAST_IEEE, UNKNOWN_SHORT if frame.destination in (None, 0xFFFF) else frame.destination or 0
    short = UNKNOWN_SHORT if frame.destination is None else frame.destination
    if frame.destination_ieee is not None:
        return frame.destination_ieee, short
    if short == 0:
        return COORDINATOR_IEEE, UNKNOWN_SHORT
    if short == UNKNOWN_SHORT:
        raise NotSupportedError("a frame needs an address")
    return SHORT_ONLY_IEEE, short


def check_size(frame: ApsFrame, max_payload: int) -> None:
    """Raise `NotSupportedError` for a payload that is too long for a module whose register NP says `max_payload`.

    Unicasts up to there are fragmented by the module where they have to be.
    """
    limit, what = max_payload, "this module carries"
    if frame.delivery is Delivery.BROADCAST:
        limit, what = BROADCAST_BYTES, "a broadcast, which cannot be fragmented, carries"
    elif frame.security is Security.LINK_KEY:
        limit, what = max_payload - APS_ENCRYPTION_BYTES, "encrypted, this module carries"
    if len(frame.payload) > limit:
        raise NotSupportedError(f"{what} {limit} bytes, not {len(frame.payload)}")


def transmit_of(frame: ApsFrame, number: int, *, sleeps: bool) -> ExplicitTransmit:
    """The frame as the module takes it. `sleeps`: the destination may answer late."""
    ieee, short = address_of(frame)
    options = TransmitOption(0)
    if frame.security is Security.LINK_KEY:
        options |= TransmitOption.APS_ENCRYPTION
    if sleeps:
        options |= TransmitOption.EXTENDED_TIMEOUT
    return ExplicitTransmit(
        frame_id=number,
        ieee=ieee,
        short=short,
        source_endpoint=frame.source_endpoint,
        destination_endpoint=frame.destination_endpoint,
        cluster=frame.cluster,
        profile=frame.profile,
        radius=frame.radius,
        options=options,
        data=frame.payload,
    )


def frame_of(frame: ExplicitReceive) -> ApsFrame:
    """The frame that the module tells of."""
    is_encrypted = bool(frame.options & ReceiveOption.APS_ENCRYPTED)
    return ApsFrame(
        profile=frame.profile,
        cluster=frame.cluster,
        source_endpoint=frame.source_endpoint,
        destination_endpoint=frame.destination_endpoint,
        payload=frame.data,
        source=None if frame.short == UNKNOWN_SHORT else frame.short,
        source_ieee=frame.ieee if frame.ieee != SHORT_ONLY_IEEE else None,
        delivery=Delivery.BROADCAST if frame.options & ReceiveOption.BROADCAST else Delivery.UNICAST,
        security=Security.LINK_KEY if is_encrypted else Security.NETWORK,
        ack=bool(frame.options & ReceiveOption.ACKNOWLEDGED),
    )


class Sleepers:
    """Network addresses of devices that hear only when they poll."""

    def __init__(self) -> None:
        self._known: dict[int, None] = {}

    def __contains__(self, short: int | None) -> bool:
        return short in self._known

    def add(self, short: int) -> None:
        """The module says that it is an end device."""
        self._known[short] = None
        if len(self._known) > ADDRESSES_KEPT:
            del self._known[next(iter(self._known))]

    def announced(self, announce: DeviceAnnounce) -> None:
        """A device says it itself: older firmware does not; and a router may have a sleeper's old address."""
        if announce.mac_capability & MacCapability.RECEIVER_ON_WHEN_IDLE:
            self._known.pop(announce.short, None)
        else:
            self.add(announce.short)


def undelivered(status: DeliveryStatus) -> DeliveryError:
    """The error for a transmission that failed, by the module's status."""
    detail = "the module did not deliver it"
    if status in _NO_LINK_KEY:
        return NoLinkKeyError(detail, status.name, int(status))
    return DeliveryError(detail, status.name, int(status), is_silence=status.is_silence_of_the_far_end)


def request_frame(request: ZdoRequest, tsn: int, to: int | None, ieee: Eui64 | None) -> ApsFrame:
    """A request to a device's object, by its network address or its extended one, or to several by broadcast."""
    return ApsFrame(
        profile=Profile.ZDO,
        cluster=request.CLUSTER,
        source_endpoint=0,
        destination_endpoint=0,
        payload=encode_zdo(tsn, request),
        destination=to,
        destination_ieee=ieee,
        delivery=Delivery.BROADCAST if to is not None and to >= FIRST_BROADCAST else Delivery.UNICAST,
    )


KEYS_HELD: Final = 10
"""Devices whose link keys the module holds at once (90033931_A, p. 26)."""
_REFUSED: Final = {
    RegistrationStatus.TABLE_FULL: f"its table of {KEYS_HELD} devices is full: remove one first",
    RegistrationStatus.TRANSIENT_TABLE_FULL: "too many devices are joining at once: try again once these have joined",
    RegistrationStatus.INVALID_ADDRESS: "no device can have this address",
}


def refused_key(status: RegistrationStatus) -> DeliveryError:
    """The error for a device's key that the module does not take."""
    why = _REFUSED.get(status)
    detail = "the trust centre refuses the key" + (f": {why}" if why else "")
    return DeliveryError(detail, status.name, int(status))


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the module may take to tell a frame's status, and how often a frame is tried that it has no room for."""

    status_s: float
    retries: int

    def changed(self, settings: NetworkSettings) -> Patience:
        """As the settings say, else as before."""
        again = settings.send_retries
        return Patience(
            status_s=settings.tx_status_timeout_s or self.status_s, retries=self.retries if again is None else again
        )

    def pauses(self, back_offs: Sequence[float]) -> Iterator[float | None]:
        """What to wait between attempts, the longest again and again where there are more; None behind the last."""
        yield from (back_offs[min(number, len(back_offs) - 1)] for number in range(self.retries))
        yield None

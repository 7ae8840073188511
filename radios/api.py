"""The contract between a radio and the hub: all that the hub knows of a driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Protocol, Self

from protocols.aps import ApsFrame
from protocols.certificate import DeviceCertificate
from protocols.emcb import Ack, DeviceStatus, HandleAction, HandlePosition, Led
from protocols.ids import Eui64
from protocols.zdo import SimpleDescriptor
from radios.errors import (
    DeliveryError,
    NoLinkKeyError,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    OptionError,
    PipeError,
    RadioError,
    RadioLostError,
)
from radios.keys import UdpKeys

__all__ = [
    "BreakerAck",
    "BreakerEvent",
    "BreakerRadio",
    "BreakerReported",
    "BreakerSeen",
    "BreakerUnanswered",
    "Capabilities",
    "DeliveryError",
    "DeliveryFailed",
    "DeviceAuthenticated",
    "DeviceJoined",
    "DeviceLeft",
    "Driver",
    "FixedEndpoint",
    "FrameReceived",
    "KeysBy",
    "NetworkChanged",
    "NetworkInfo",
    "NetworkSettings",
    "NoLinkKeyError",
    "NoReplyError",
    "NotReachableError",
    "NotSupportedError",
    "OptionError",
    "PipeError",
    "RadioConfig",
    "RadioError",
    "RadioLostError",
    "UdpKeys",
    "ZigbeeEvent",
    "ZigbeeRadio",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioConfig:
    """One `[[radio]]` of hub.toml. What is below `options` belongs to the driver, which checks it."""

    name: str
    driver: str
    pipe: str
    options: Mapping[str, object] = field(default_factory=dict)
    joins: bool = False
    """It shall join somebody else's network as a router (`hub.role`), instead of forming one."""


# -- breakers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BreakerSeen:
    """A breaker answered discovery: new, or at another address than before, or restarted."""

    device_id: str
    address: str
    has_key: bool
    """Whether there is a unicast key for it; without one it can be shown, not used."""
    restarted: bool


@dataclass(frozen=True, slots=True)
class BreakerReported:
    """A breaker answered a poll."""

    device_id: str
    status: DeviceStatus
    received: float
    """Monotonic seconds of the loop's clock."""


@dataclass(frozen=True, slots=True)
class BreakerUnanswered:
    """A breaker left a poll unanswered."""

    device_id: str
    misses: int
    """In a row, this one included."""
    answers_discovery: bool
    """It answered broadcast discovery meanwhile: it is there, but its unicast key is not valid any more."""


BreakerEvent = BreakerSeen | BreakerReported | BreakerUnanswered


@dataclass(frozen=True, slots=True)
class BreakerAck:
    """A breaker's own answer to a command."""

    ack: Ack
    position: HandlePosition


class BreakerRadio(Protocol):
    """A radio that carries smart breakers. One object lives once: after `RadioLostError` it is not used again."""

    async def __aenter__(self) -> Self:
        """Open the pipe and begin discovery and polling. Raises `PipeError`."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def counters(self) -> Mapping[str, int]:
        """Datagrams sent, received and dropped, with one entry for each reason."""
        ...

    def events(self) -> AsyncIterator[BreakerEvent]:
        """What the breakers say, in order; ends by raising `RadioLostError`."""
        ...

    async def position(self, device_id: str) -> HandlePosition:
        """Read the feedback position, with repeats. Raises `NoReplyError`, `NotReachableError`."""
        ...

    async def move(self, device_id: str, action: HandleAction) -> BreakerAck:
        """Send one command, once. Raises `NoReplyError`, or `NotReachableError` when nothing was sent."""
        ...

    async def move_all(self, action: HandleAction) -> Mapping[str, BreakerAck | None]:
        """Send one command to every breaker by broadcast; None for a breaker that did not answer.

        It acts on every device that holds the broadcast key. Raises `NotSupportedError` without a broadcast key.
        """
        ...

    async def set_leds(self, device_id: str, leds: tuple[Led, ...] | None, duration_s: int) -> Ack:
        """Show five colours for `duration_s` (0: until told otherwise), or None: back to normal."""
        ...

    def set_keys(self, keys: UdpKeys) -> None:
        """Use these keys from now on; kinds and breakers that are not named keep theirs."""
        ...

    def forget(self, device_id: str) -> None:
        """Drop what is known of a breaker; it comes back if it answers discovery again."""
        ...


# -- Zigbee ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedEndpoint:
    """An endpoint that the radio's firmware brings, which we cannot change."""

    endpoint: int
    profile: int
    device_type: int
    server_clusters: tuple[int, ...] = ()
    client_clusters: tuple[int, ...] = ()


class KeysBy(Enum):
    """Who establishes keys with devices of Smart Energy, with certificates (CBKE)."""

    NOBODY = "nobody"
    RADIO = "radio"
    """The firmware, with a certificate of its own. It tells of each device with `DeviceAuthenticated`."""
    HUB = "hub"
    """The host: the radio carries the messages of cluster 0x0800 like any others, and is given what comes out
    (`ZigbeeRadio.set_link_key`). It tells nobody of `DeviceAuthenticated`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a Zigbee radio can do. What it cannot do is refused with `NotSupportedError`, never done in part."""

    answers_zdo: bool
    """It answers node, power, simple, active endpoint, match descriptor and address requests itself."""
    answers_default_response: bool
    """It sends ZCL default responses of success itself; a second one from the host would be one too many."""
    aps_encryption: bool
    install_codes: bool
    link_keys: bool
    router: bool
    """It is a router on a network that somebody else has formed."""
    group_send: bool
    broadcast_send: bool
    acks: bool
    """`ApsFrame.ack` is honoured; without it a send returns once the first hop has it."""
    endpoints: tuple[FixedEndpoint, ...] = ()
    """Fixed endpoints; empty where the host registers its own."""
    max_payload: int
    """Bytes of `ApsFrame.payload` that a unicast carries however it is protected: with a link key, where it can.

    Longer frames are refused before anything is sent. A radio may take a few more bytes without encryption, and fewer
    of a broadcast.
    """
    energy_scan: bool
    channel_change: bool
    led: bool
    tx_power: bool
    certification: bool
    erase: bool
    certificates: bool = False
    """It has a Smart Energy certificate, which can be exchanged."""
    keys_by: KeysBy = KeysBy.NOBODY
    """Who establishes keys with devices."""
    configurable: bool = False
    """Extended PAN id, channels and link key of its network can be set (`ZigbeeRadio.configure`)."""
    at_commands: bool = False
    """Its registers can be read and written."""
    backup: bool = False
    """Its network with all keys can be read, and written to another stick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInfo:
    """The network that a radio is on, and the radio itself."""

    ieee: Eui64
    short: int
    pan_id: int
    extended_pan_id: int
    channel: int
    """11 to 26; 0 while not on a network."""
    is_coordinator: bool
    model: str
    """What the stick is, for people: "ZiGate V1"."""
    firmware: str
    """Its version for people: "3.1e"."""
    mode: str = ""
    """How the driver uses it, for people: "raw APS, acknowledged"."""
    waits_for: str = ""
    """What it waits for before anything can be sent, for people: "joining: no network lets it in". Empty: nothing."""

    @property
    def is_operational(self) -> bool:
        """It is on its network, with all keys that it needs."""
        return not self.waits_for


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Which network to form or to join, as far as it is to change (CPX2-SE, configure_zigbee_network)."""

    extended_pan_id: int | None = None
    """0: any."""
    channels: tuple[int, ...] | None = None
    """11 to 26, one at least."""
    link_key: bytes | None = field(default=None, repr=False)
    """That it joins with, 16 bytes."""
    join_interval_s: float | None = None
    """Between attempts to join."""
    tx_status_timeout_s: float | None = None
    """For the radio to say whether it has sent something."""
    send_retries: int | None = None
    """How often a frame is given to the radio again that it had no room for."""

    @property
    def changes_network(self) -> bool:
        """Whether the present network is left for it."""
        return (self.extended_pan_id, self.channels, self.link_key) != (None, None, None)


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """An APS frame arrived. Duplicates on the radio's own wire are dropped by the driver."""

    frame: ApsFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceJoined:
    """A device announced itself: new, back, or with another network address."""

    ieee: Eui64
    short: int
    mac_capability: int | None = None
    """Capability bits of the announce (Zigbee R21, 2.4.3.1.11), where the radio tells them."""
    rejoined: bool | None = None
    """Whether it used its old keys; None where the radio does not tell."""
    lqi: int | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    """A device was silent to a frame, told after `send` had returned: by radios whose `acks` is False.

    Told only of what `DeliveryError.is_silence` would be true of.
    """

    short: int
    status: str
    code: int


@dataclass(frozen=True, slots=True)
class DeviceAuthenticated:
    """Key establishment with a device is complete: frames with a link key may go to it."""

    ieee: Eui64
    short: int


@dataclass(frozen=True, slots=True)
class DeviceLeft:
    """A device left the network."""

    ieee: Eui64
    rejoin: bool
    """It said that it will come back."""


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """The radio's network is not what it was: another channel, a restart, formed anew."""

    network: NetworkInfo


ZigbeeEvent = FrameReceived | DeviceJoined | DeviceAuthenticated | DeviceLeft | DeliveryFailed | NetworkChanged


class ZigbeeRadio(Protocol):
    """All that the hub knows of a Zigbee radio. One object lives once: after `RadioLostError` it is not used again.

    Every call may raise `RadioLostError`, `NoReplyError` (the radio itself did not answer in time) and, where the
    capabilities say no, `NotSupportedError`.
    """

    async def __aenter__(self) -> Self:
        """Open the pipe, identify the radio, resume its network or form one. Raises `PipeError`, `RadioLostError`."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def capabilities(self) -> Capabilities:
        """What this radio can do, known once it is open."""
        ...

    @property
    def network(self) -> NetworkInfo:
        """Where it is now."""
        ...

    @property
    def counters(self) -> Mapping[str, int]:
        """Frames sent, received and dropped, with one entry for each reason."""
        ...

    def events(self) -> AsyncIterator[ZigbeeEvent]:
        """What is heard, in order; ends by raising `RadioLostError`."""
        ...

    async def send(self, frame: ApsFrame) -> None:
        """Send one frame, once; returns on the far end's acknowledgement (or the first hop's without `ack`).

        Waits its turn behind frames in flight. Raises `DeliveryError`, `NoReplyError` when its fate is unknown.
        """
        ...

    async def host(self, endpoints: Sequence[SimpleDescriptor]) -> None:
        """These are the endpoints that the hub serves from now on, all of them.

        For a stick whose firmware answers for the host's endpoints, or lets nothing through to others; the rest need
        not know.
        """
        ...

    async def permit_join(self, duration_s: int, via: int | None = None) -> None:
        """Let devices join for 0 (close) to 254 s, at every router, or only at the one with network address `via`."""
        ...

    async def register_key(self, ieee: Eui64, key: bytes) -> None:
        """As trust centre: a device may join with this link key, 16 bytes. Needs `link_keys`."""
        ...

    async def remove_key(self, ieee: Eui64) -> None:
        """As trust centre: forget a device's link key. Needs `link_keys`."""
        ...

    async def set_link_key(self, ieee: Eui64, key: bytes) -> None:
        """Keys were established by the hub: from now on frames with a link key from and to this device use this one.

        16 bytes. It takes the place of the one that the device has joined with (`register_key`), or, as a router, of
        the one that we have joined with when the device is the trust centre. A later `register_key` takes its place
        again, `remove_key` removes it. Frames that are protected with the network key alone are not touched by it.
        Needs `keys_by` HUB. Raises `DeliveryError` when the radio has no room for it, or refuses it.
        """
        ...

    async def has_certificate(self) -> bool:
        """Whether devices can establish keys with it. Needs `certificates`, as the next two do."""
        ...

    async def install_certificate(self, certificate: DeviceCertificate) -> None:
        """Use this certificate from now on; the radio restarts. Raises `DeliveryError` when it does not take it."""
        ...

    async def remove_certificate(self) -> None:
        """Go back to the one that it was made with, if it has one."""
        ...

    async def at_command(self, name: str, value: bytes | None = None) -> bytes:
        """Read a register (None), write it, or carry out a command. Needs `at_commands`.

        Raises `OptionError` for what is refused before anything is sent, `DeliveryError` when the radio refuses it.
        """
        ...

    async def remove(self, ieee: Eui64, parent: Eui64 | None = None) -> None:
        """As trust centre: make a device leave, by way of its parent (default: ourselves)."""
        ...

    async def energy_scan(self, channels: Sequence[int]) -> Mapping[int, int]:
        """Energy per channel, 0 (quiet) to 255."""
        ...

    async def set_channel(self, channel: int) -> None:
        """Move the network to another channel, 11 to 26; devices follow, sleepy ones when they wake."""
        ...

    async def set_led(self, on: bool) -> None:
        """The stick's own LED."""
        ...

    async def set_tx_power(self, level: int) -> int:
        """Transmit power in the stick's own steps; returns what it says it uses now."""
        ...

    async def set_certification(self, region: str) -> None:
        """`CE` (Europe) or `FCC` (North America)."""
        ...

    async def set_time(self, utc_s: int) -> None:
        """The stick's own clock, seconds since 2000-01-01 UTC."""
        ...

    async def erase(self) -> None:
        """Forget the network, all devices and keys. Who calls has asked a person twice."""
        ...

    async def configure(self, settings: NetworkSettings) -> None:
        """Leave the network, and form or join the one that the settings describe. Needs `configurable`.

        `join_interval_s`, `tx_status_timeout_s` and `send_retries` change nothing of that. Who calls has asked a person
        twice about the rest.
        """
        ...

    async def backup(self) -> Mapping[str, object]:
        """The network with its keys and counters, in the open coordinator format. Needs `backup`, as the next does.

        Whoever has it can read the whole network: it is a secret as the keys are.
        """
        ...

    async def restore(self, kept: Mapping[str, object]) -> None:
        """Forget the present network, and be the stick that the backup was made of: address, keys, counters further on.

        Who calls has asked a person twice. Raises `DeliveryError` when it is no backup, or the stick cannot be that
        one; nothing has changed then.
        """
        ...

    async def leave(self) -> None:
        """As a router: leave the network; joining is tried again at the join interval. Needs `router`."""
        ...


Radio = BreakerRadio | ZigbeeRadio


class Driver(Protocol):
    """What `radios.loader` finds under a driver's name."""

    @property
    def carries(self) -> str:
        """`breakers` (it opens a `BreakerRadio`) or `zigbee` (it opens a `ZigbeeRadio`)."""
        ...

    @property
    def joins(self) -> bool:
        """Whether its radios can join a network that somebody else has formed (`RadioConfig.joins`)."""
        ...

    def check(self, config: RadioConfig) -> None:
        """Raise `OptionError` when the configuration is wrong. Opens nothing."""
        ...

    def open(self, config: RadioConfig, trace: Callable[[str, bytes, str], None] | None) -> Radio:
        """A radio that is not open yet. `trace(direction, frame, peer)` is told every frame."""
        ...

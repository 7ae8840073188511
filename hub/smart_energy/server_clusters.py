"""The Price, Demand Response and Messaging servers as clusters that we host: commands in, answers out.

What clients ask is answered by the engines; what they tell is handed to `Heard`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hub.smart_energy.drlc_server import DrlcServer, ServerEvent
from hub.smart_energy.messages import MessageServer, ServerMessage
from hub.smart_energy.peer import Peer, peer_of
from hub.smart_energy.price_server import PriceServer, ServerPrice
from hub.zigbee.servers.base import Answer, ClusterServer, Get, Response, bound
from protocols.aps import ApsFrame
from protocols.se import drlc, messaging, price
from protocols.se.base import SeCommand, SeVersion
from protocols.zcl.header import ZclHeader, unsupported_command
from protocols.zcl.status import Status

NOTHING = Answer(Status.NOT_FOUND)
"""There is none: said although the client has asked not to be told of success (ZCL8, 2.5.12)."""


class Heard(Protocol):
    """Whoever keeps what clients tell."""

    def received(self, client: Peer, command: SeCommand, status: Status) -> None:
        """A command has come, and what became of it (`heard.HeardCommand`)."""
        ...

    def reported(self, peer: Peer, report: drlc.ReportEventStatus, event: ServerEvent | None) -> None:
        """Report Event Status; None: of an event that is not ours."""
        ...

    def acknowledged(self, peer: Peer, item: ServerPrice) -> None:
        """Price Acknowledgement."""
        ...

    def confirmed(self, peer: Peer, item: ServerMessage) -> None:
        """Message Confirmation."""
        ...

    def has(self, peer: Peer, items: list[ServerEvent] | list[ServerPrice] | list[ServerMessage]) -> None:
        """A client was given what it has asked for."""
        ...

    def asked(self, peer: Peer, cluster: int) -> None:
        """A client has asked what there is."""
        ...


Now = Callable[[], int]


class _Server(ClusterServer):
    """A base: an answer of several commands, cut at the revision that is spoken."""

    def __init__(self, cluster: int, now: Now, heard: Heard, version: SeVersion) -> None:
        super().__init__(cluster=cluster)
        self._now, self._heard, self._version = now, heard, version

    def _answers(self, commands: list[SeCommand]) -> Answer:
        if not commands:
            return NOTHING
        return Answer(responses=tuple(Response(one.COMMAND, one.cut(self._version).encode()) for one in commands))


class DrlcServerCluster(_Server):
    """Demand Response and Load Control."""

    RECEIVES = (drlc.ReportEventStatus.COMMAND, drlc.GetScheduledEvents.COMMAND)
    GENERATES = (
        drlc.LoadControlEvent.COMMAND,
        drlc.CancelLoadControlEvent.COMMAND,
        drlc.CancelAllLoadControlEvents.COMMAND,
    )

    def __init__(self, server: DrlcServer, now: Now, heard: Heard, version: SeVersion) -> None:
        super().__init__(drlc.CLUSTER, now, heard, version)
        self._server = server

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """See `ClusterServer`."""
        peer = peer_of(frame)
        found = None
        if header.manufacturer is None:
            found = drlc.COMMANDS.read(header.command, payload, to_server=True)
        match found:
            case drlc.ReportEventStatus() if peer is not None:
                self._heard.reported(peer, found, self._server.hear(peer, found, self._now()))
                return Answer()
            case drlc.GetScheduledEvents():
                if peer is not None:
                    self._heard.asked(peer, self.cluster)
                return self._answers(list(self._server.answer(found, self._now())))
        return Answer(unsupported_command(header))


class PriceServerCluster(_Server):
    """Price."""

    RECEIVES = (
        price.GetCurrentPrice.COMMAND,
        price.GetScheduledPrices.COMMAND,
        price.PriceAcknowledgement.COMMAND,
    )
    GENERATES = (price.PublishPrice.COMMAND,)

    def __init__(self, server: PriceServer, now: Now, heard: Heard, version: SeVersion) -> None:
        super().__init__(price.CLUSTER, now, heard, version)
        self._server = server
        self._told: frozenset[int] = frozenset()
        """Ids of the attributes that there are."""

    def general(self, header: ZclHeader, payload: bytes, limit: int, now: float) -> Answer:
        """See `ClusterServer`. There are as many attributes as the tariff and the prices of now give."""
        values = self._server.attributes()
        if values.keys() != self._told:
            self._told = frozenset(values)
            self.host(bound(price.CLUSTER, number, self._value(number)) for number in values)
        return super().general(header, payload, limit, now)

    def _value(self, number: int) -> Get:
        return lambda _now: self._server.attributes().get(number)

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """See `ClusterServer`."""
        peer, at = peer_of(frame), self._now()
        found = None
        if header.manufacturer is None:
            found = price.COMMANDS.read(header.command, payload, to_server=True)
        match found:
            case price.GetCurrentPrice():
                return self._given(peer, self._server.current(at), at)
            case price.GetScheduledPrices():
                return self._given(peer, self._server.scheduled(found.start_time, found.number_of_events, at), at)
            case price.PriceAcknowledgement() if peer is not None:
                item = self._server.acknowledge(peer, found.provider_id, found.issuer_event_id, found.acknowledge_time)
                if item is None:
                    return NOTHING
                self._heard.acknowledged(peer, item)
                return Answer()
        return Answer(unsupported_command(header))

    def _given(self, peer: Peer | None, items: list[ServerPrice], at: int) -> Answer:
        if peer is not None:
            self._heard.has(peer, items)
        return self._answers([item.command(at) for item in items])


class MessagingServerCluster(_Server):
    """Messaging."""

    RECEIVES = (messaging.GetLastMessage.COMMAND, messaging.MessageConfirmation.COMMAND)
    GENERATES = (messaging.DisplayMessage.COMMAND, messaging.CancelMessage.COMMAND)

    def __init__(self, server: MessageServer, now: Now, heard: Heard, version: SeVersion) -> None:
        super().__init__(messaging.CLUSTER, now, heard, version)
        self._server = server

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """See `ClusterServer`."""
        peer = peer_of(frame)
        found = None
        if header.manufacturer is None:
            found = messaging.COMMANDS.read(header.command, payload, to_server=True)
        match found:
            case messaging.GetLastMessage():
                if peer is not None:
                    self._heard.asked(peer, self.cluster)
                last = self._server.last(self._now())
                if last is None:
                    return NOTHING
                if peer is not None:
                    self._heard.has(peer, [last])
                return self._answers([last.command()])
            case messaging.MessageConfirmation() if peer is not None:
                item = self._server.confirm(peer, found)
                self._heard.received(peer, found, Status.NOT_FOUND if item is None else Status.SUCCESS)
                if item is None:
                    return NOTHING
                self._heard.confirmed(peer, item)
                return Answer()
        return Answer(unsupported_command(header))

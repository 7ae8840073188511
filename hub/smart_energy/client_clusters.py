"""Our clients of the Smart Energy clusters: what an energy service interface sends, and what is answered at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Protocol

from hub.smart_energy.drlc_client import DrlcClient, Taken
from hub.smart_energy.messages import MessageClient
from hub.smart_energy.peer import Peer, peer_of
from hub.smart_energy.price_client import PriceClient
from hub.zigbee.model import Side
from hub.zigbee.servers.base import Answer, ClusterServer, HostedAttribute, Response, bound
from protocols.aps import ApsFrame
from protocols.se import drlc, messaging, price
from protocols.se.base import Commands, SeCommand, SeVersion
from protocols.se.drlc import DeviceClass, EventStatus
from protocols.zcl.datatypes import Value
from protocols.zcl.header import Direction, ZclHeader, unsupported_command
from protocols.zcl.status import Status

Now = Callable[[], int]
"""The standard's time; 0 while the clock is not set."""
POLICY_ATTRIBUTES = {
    0x0000: "utility_enrollment_group",
    0x0001: "start_randomize_min",
    0x0002: "stop_randomize_min",
    0x0003: "device_class",
}
"""Attributes of the load control client, by the fields of `DrlcPolicy`."""
REFUSALS: Mapping[EventStatus, Status] = {
    EventStatus.REJECTED: Status.INVALID_FIELD,
    EventStatus.REJECTED_EXPIRED: Status.INVALID_FIELD,
    EventStatus.REJECTED_CANCEL: Status.INVALID_FIELD,
    EventStatus.REJECTED_EFFECTIVE_TIME: Status.INVALID_FIELD,
    EventStatus.REJECTED_UNDEFINED: Status.NOT_FOUND,
}
"""What is reported of a command that is refused, and the status that says as much. On the air only the report does."""


class Heard(Protocol):
    """Who is told what has come."""

    def received(self, server: Peer, command: SeCommand, status: Status) -> None:
        """A command has come, and what became of it (`heard.HeardCommand`)."""
        ...

    def report(self, report: drlc.ReportEventStatus, issuer: Peer, tsn: int | None) -> None:
        """Tell an issuer, in order; `tsn`: it answers the command with this number."""
        ...

    def event_changed(self, number: int, status: EventStatus | None) -> None:
        """An event is not what it was; `status`: what is reported of it."""
        ...

    def prices_changed(self, number: int) -> None:
        """A price has come."""
        ...

    def time_told(self, utc: int) -> None:
        """A server has said what time it is by its own clock."""
        ...

    def message_changed(self, number: int, what: str) -> None:
        """A message is not what it was."""
        ...

    def policy_changed(self) -> None:
        """Somebody has written an attribute of the load control client."""
        ...


class _Client(ClusterServer):
    """A base: commands of the server, as `version` has them."""

    SIDE = Side.CLIENT
    COMMANDS: ClassVar[Commands]

    def __init__(
        self, cluster: int, now: Now, heard: Heard, version: SeVersion, attributes: Iterable[HostedAttribute] = ()
    ) -> None:
        super().__init__(attributes, cluster=cluster)
        self._now, self._heard, self._version = now, heard, version

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """See `ClusterServer`."""
        peer, found = peer_of(frame), None
        if header.manufacturer is None and header.direction is Direction.TO_CLIENT:
            found = self.COMMANDS.read(header.command, payload, to_server=False)
        if found is None or peer is None:
            return Answer(unsupported_command(header))
        if not self._now():
            return Answer(Status.FAILURE)  # it is asked for again as soon as there is a time
        answer = self._take(found, peer, header.tsn)
        return Answer(unsupported_command(header)) if answer is None else answer

    def _take(self, command: SeCommand, server: Peer, tsn: int) -> Answer | None:
        """None: it is not known here."""
        raise NotImplementedError

    def _response(self, command: SeCommand) -> Answer:
        return Answer(responses=(Response(command.COMMAND, command.cut(self._version).encode()),))


class DrlcClientCluster(_Client):
    """Demand Response and Load Control."""

    COMMANDS = drlc.COMMANDS
    RECEIVES = (
        drlc.LoadControlEvent.COMMAND,
        drlc.CancelLoadControlEvent.COMMAND,
        drlc.CancelAllLoadControlEvents.COMMAND,
    )
    GENERATES = (drlc.ReportEventStatus.COMMAND, drlc.GetScheduledEvents.COMMAND)

    def __init__(self, client: DrlcClient, now: Now, heard: Heard, version: SeVersion) -> None:
        super().__init__(drlc.CLUSTER, now, heard, version, self._bound())
        self._client = client

    def _bound(self) -> Iterable[HostedAttribute]:
        """The attributes of the client (SE 1.1b, D.2.3.2), which an energy service interface may write."""
        for number, name in POLICY_ATTRIBUTES.items():

            def get(_now: float, name: str = name) -> Value:
                return int(getattr(self._client.policy, name))

            def put(value: Value, _now: float, name: str = name) -> Status:
                assert isinstance(value, int), "checked by its type"
                setattr(self._client.policy, name, DeviceClass(value) if name == "device_class" else value)
                self._heard.policy_changed()
                return Status.SUCCESS

            yield bound(drlc.CLUSTER, number, get, put, side=Side.CLIENT)

    def _take(self, command: SeCommand, server: Peer, tsn: int) -> Answer | None:
        match command:
            case drlc.LoadControlEvent():
                is_known = command.issuer_event_id in self._client.events
                taken = self._client.receive(command, server, self._now())
                self._heard.received(server, command, _outcome(taken, is_known=is_known))
            case drlc.CancelLoadControlEvent():
                taken = self._client.cancel(command, server, self._now())
                self._heard.received(server, command, _outcome(taken))
                if not taken.reports:
                    self._heard.event_changed(command.issuer_event_id, None)  # it waits for its time
            case drlc.CancelAllLoadControlEvents():
                taken = self._client.cancel_all(command.cancel_control, self._now())
                self._heard.received(server, command, taken.status)
            case _:
                return None
        is_answered = False
        for report in taken.reports:
            answers = report.answers and report.issuer == server and not is_answered
            is_answered |= answers
            self._heard.report(report.status, report.issuer, tsn if answers else None)
            self._heard.event_changed(report.status.issuer_event_id, report.status.status)
        return Answer(taken.status, silent=is_answered)


class PriceClientCluster(_Client):
    """Price."""

    COMMANDS = price.COMMANDS
    RECEIVES = (price.PublishPrice.COMMAND,)
    GENERATES = (
        price.GetCurrentPrice.COMMAND,
        price.GetScheduledPrices.COMMAND,
        price.PriceAcknowledgement.COMMAND,
    )

    def __init__(self, client: PriceClient, now: Now, heard: Heard, version: SeVersion) -> None:
        super().__init__(price.CLUSTER, now, heard, version)
        self._client = client

    def _take(self, command: SeCommand, server: Peer, tsn: int) -> Answer | None:
        if not isinstance(command, price.PublishPrice):
            return None
        self._heard.time_told(command.current_time)
        is_known = (command.provider_id, command.issuer_event_id) in self._client.prices
        taken = self._client.receive(command, server, self._now())
        self._heard.received(server, command, Status.DUPLICATE_EXISTS if is_known else taken.status)
        if taken.is_new:
            self._heard.prices_changed(command.issuer_event_id)
        return Answer(taken.status) if taken.acknowledgement is None else self._response(taken.acknowledgement)


class MessagingClientCluster(_Client):
    """Messaging."""

    COMMANDS = messaging.COMMANDS
    RECEIVES = (
        messaging.DisplayMessage.COMMAND,
        messaging.CancelMessage.COMMAND,
        messaging.DisplayProtectedMessage.COMMAND,
        messaging.CancelAllMessages.COMMAND,
    )
    GENERATES = (messaging.GetLastMessage.COMMAND, messaging.MessageConfirmation.COMMAND)

    def __init__(self, client: MessageClient, now: Now, heard: Heard, version: SeVersion) -> None:
        super().__init__(messaging.CLUSTER, now, heard, version)
        self._client = client

    def _take(self, command: SeCommand, server: Peer, tsn: int) -> Answer | None:
        client, at = self._client, self._now()
        before = {number: (one.state, one.confirmed_at) for number, one in client.messages.items()}
        match command:
            case messaging.DisplayMessage():
                status = client.receive(command, server, at)
            case messaging.CancelMessage():
                status = client.cancel(command, at)
            case messaging.CancelAllMessages():
                status = client.cancel_all(command.implementation_time, at)
            case _:
                return None
        self._heard.received(server, command, status)
        for number, one in client.messages.items():
            if before.get(number) != (one.state, one.confirmed_at):
                self._heard.message_changed(number, one.state)
        return Answer(status)


def _outcome(taken: Taken, *, is_known: bool = False) -> Status:
    """What became of an event or a cancel; `is_known`: the event was here before."""
    for report in taken.reports:
        if report.answers and report.status.status in REFUSALS:
            return REFUSALS[report.status.status]
    return Status.DUPLICATE_EXISTS if is_known else taken.status

"""Unsolicited responses of Smart Energy: what devices send, and what is active at our clients (CPX2-SE, Appendix A).

What has come is told in front of what has changed by it, as the manual's samples have it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from hub.bus import SubscriberLaggedError, Subscription
from hub.events import EventStatusReported, HubEvent, SmartEnergyChanged
from hub.hub import Hub
from hub.smart_energy.heard import HeardCommand
from hub.smart_energy.kept import DRLC, MESSAGE, PRICE
from hub.smart_energy.premises import EnergyClient
from hub.zigbee.member import ieee_of
from protocols.se import drlc, messaging, price
from protocols.se.base import SeCommand
from protocols.zcl.status import Status
from web.rpc.engine import Engine
from web.rpc.handlers.drlc import as_kept
from web.rpc.handlers.messaging import record_of_message
from web.rpc.handlers.places import our_endpoint
from web.rpc.handlers.price import record_of_price
from web.rpc.response import Response, Severity
from web.rpc.rows.shared import INVALID_FIELD
from web.rpc.se_records import record_of
from web.rpc.values import Mac, Record, Value, Values

log = logging.getLogger(__name__)

_RECEIVED: dict[type[SeCommand], str] = {
    drlc.LoadControlEvent: "received_DRLC_event",
    drlc.CancelLoadControlEvent: "received_DRLC_cancel_event",
    drlc.CancelAllLoadControlEvents: "received_DRLC_cancel_all_events",
    messaging.DisplayMessage: "received_message_event",
    messaging.DisplayProtectedMessage: "received_message_event",
    messaging.CancelMessage: "received_message_cancel_event",
    price.PublishPrice: "received_price_event",
}
"""What our clients receive. There is no response for Cancel All Messages, which is of SE 1.2."""
_UPDATED = {
    DRLC: ("updated_active_DRLC_events", drlc.CLUSTER),
    PRICE: ("updated_active_price_events", price.CLUSTER),
    MESSAGE: ("updated_active_message_events", messaging.CLUSTER),
}
_TOLD = frozenset((Status.SUCCESS, Status.INVALID_FIELD, Status.DUPLICATE_EXISTS, Status.NOT_FOUND))


class Announcer:
    """Tells the engine what happens in Smart Energy."""

    def __init__(self, hub: Hub, engine: Engine) -> None:
        self._hub, self._engine = hub, engine
        self._active: dict[tuple[str, str], list[Record]] = {}
        """Network and kind -> what was told to be active last."""

    async def run(self) -> None:
        """Announce what happens from now on, until it is cancelled."""
        with ExitStack() as ends:
            for services in (self._hub.premises.clients, self._hub.smart_energy.services):
                for service in services.values():
                    ends.callback(service.commands.add(self._heard))
            for name, client in self._hub.premises.clients.items():
                for kind in _UPDATED:
                    self._active[name, kind] = self._active_of(client, kind)
            while True:
                async with self._hub.bus.subscribe(EventStatusReported, SmartEnergyChanged) as changes:
                    try:
                        await self._follow(changes)
                    except SubscriberLaggedError as error:
                        log.error("reports of devices were missed: %s", error)
                        self._engine.message(Severity.ERROR, f"reports of devices were missed: {error}")
                self._update()

    async def _follow(self, changes: Subscription[HubEvent]) -> None:
        async for first in changes:
            # Whatever came together is told first, and then once what is active by it.
            try:
                for change in (first, *changes.drain()):
                    if isinstance(change, EventStatusReported):
                        self._reported(change)
                self._update()
            except Exception:  # an announcement's top: the next ones are made all the same
                log.exception("an announcement failed by a fault of ours")

    def _heard(self, heard: HeardCommand) -> None:
        """A command has come: at once, in front of what changes by it."""
        sender: Values = {
            "source_address": Mac.of(heard.sender.ieee),
            "source_endpoint_id": heard.sender.endpoint,
        }
        name = _RECEIVED.get(type(heard.command))
        if name is not None and heard.radio in self._hub.premises.clients:
            # What it is refused for beside these, that it is over or that there is no room, has no status here.
            status = heard.status if heard.status in _TOLD else INVALID_FIELD
            ours = our_endpoint(self._hub.premises.clients[heard.radio].network)
            place: Values = {"destination_endpoint_id": ours, "cluster_id": heard.command.CLUSTER}
            self._tell(name, {"status": int(status), **sender, **place, "record": record_of(heard.command)})
        elif isinstance(heard.command, messaging.MessageConfirmation):
            place = {"cluster_id": messaging.CLUSTER}
            self._tell("received_message_confirmation", {**sender, **place, "record": record_of(heard.command)})

    def _reported(self, change: EventStatusReported) -> None:
        service = self._hub.smart_energy.services.get(change.radio)
        self._tell(
            "received_report_event_status",
            {
                "source_address": Mac.of(ieee_of(change.device_id)),
                "source_endpoint_id": change.endpoint,
                "record": record_of(change.report),
                "cluster_id": drlc.CLUSTER,
                "destination_endpoint_id": our_endpoint(service.network if service is not None else None),
            },
        )

    def _update(self) -> None:
        """Tell what is active where that is not what it was."""
        for name, client in self._hub.premises.clients.items():
            for kind, (response, cluster) in _UPDATED.items():
                active = self._active_of(client, kind)
                if active != self._active.get((name, kind), []):
                    self._active[name, kind] = active
                    self._tell(
                        response,
                        {
                            "destination_endpoint_id": our_endpoint(client.network),
                            "cluster_id": cluster,
                            "record_list": list[Value](active),
                        },
                    )

    def _active_of(self, client: EnergyClient, kind: str) -> list[Record]:
        found: dict[str, Callable[[], Iterator[Record]]] = {
            DRLC: lambda: (record_of(as_kept(client, one)) for one in client.drlc.active()),
            PRICE: lambda: (
                record_of_price(one)
                for _, one in sorted(client.prices.active(self._hub.premises.utc(client.name)).items())
            ),
            MESSAGE: lambda: (record_of_message(one) for one in client.messages.on_display),
        }
        return list(found[kind]())

    def _tell(self, name: str, parameters: Values) -> None:
        self._engine.unsolicited(Response(name, parameters))

"""Demand response requests: events that we make, and events that we receive (CPX2-SE, SE Requests/Responses)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hub.errors import HubError, InvalidError, NotFoundError, RefusedError
from hub.smart_energy.drlc_client import ClientEvent, State
from hub.smart_energy.drlc_server import ServerEvent
from hub.smart_energy.esi import EnergyService
from hub.smart_energy.kept import DRLC
from hub.smart_energy.peer import Peer
from hub.smart_energy.premises import EnergyClient
from hub.smart_energy.signatures import Signature
from protocols.se.drlc import CLUSTER, CancelControl, GetScheduledEvents, LoadControlEvent
from web.rpc import fields
from web.rpc.check import Checked
from web.rpc.engine import Handler
from web.rpc.handlers.places import Places, devices, endpoint_in
from web.rpc.rows.shared import DUPLICATE, INVALID_FIELD, NOT_FOUND, SUCCESS
from web.rpc.se_records import cancel_event_of, event_of, record_of
from web.rpc.values import Mac, Record, Value, Values


class DemandResponse:
    """Handlers of demand response requests."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def handlers(self) -> dict[str, Handler]:
        """By the names of their requests."""
        return {
            "get_DRLC_events": self.get_events,
            "create_DRLC_event": self.create_event,
            "cancel_DRLC_event": self.cancel_event,
            "cancel_all_DRLC_events": self.cancel_all_events,
            "get_scheduled_DRLC_events": self.get_scheduled_events,
            "clear_DRLC_events": self.clear_events,
            "opt_out_DRLC_event": self.opt_out,
            "opt_in_DRLC_event": self.opt_in,
            "get_DRLC_event_status": self.get_event_status,
        }

    async def get_events(self, request: Checked) -> Values:
        """Valid events of either side, each with the time when it begins."""
        place = self._places.either(request, CLUSTER)
        if isinstance(place, EnergyService):
            now = self._places.hub.smart_energy.now()
            found = [one.command() for one in place.drlc.valid(now)]
        else:
            found = [as_kept(place, one) for one in valid_events(place)]
        return {"endpoint_id": endpoint_in(request), "events_record_list": [record_of(one) for one in found]}

    # -- server ------------------------------------------------------------------------------------------------------

    async def create_event(self, request: Checked) -> Values:
        """Make an event and send it. What is wrong with it is the status, and a message."""
        service, record = self._places.server(request, CLUSTER), fields.record(request.arguments, "record")
        event, status = event_of(record), SUCCESS
        known = service.drlc.events.get(event.issuer_event_id)
        try:
            await self._places.hub.smart_energy.create_event(service.name, event)
        except InvalidError as error:
            status = self._places.refused(request, error, INVALID_FIELD)
        except RefusedError as error:
            if known is None or not known.has_number(self._places.hub.smart_energy.now()):
                raise
            status = self._places.refused(request, error, DUPLICATE)
        return self._sent(request, service, record, status)

    async def cancel_event(self, request: Checked) -> Values:
        """Cancel an event, known or not, whole or for some classes."""
        service, record = self._places.server(request, CLUSTER), fields.record(request.arguments, "record")
        await self._places.hub.smart_energy.cancel_event(service.name, cancel_event_of(record))
        return self._sent(request, service, record)

    async def cancel_all_events(self, request: Checked) -> Values:
        """Cancel all events."""
        service, record = self._places.server(request, CLUSTER), fields.record(request.arguments, "record")
        control = CancelControl(fields.number(record.fields, "cancel_control"))
        await self._places.hub.smart_energy.cancel_all_events(service.name, control)
        return self._sent(request, service, record)

    async def get_event_status(self, request: Checked) -> Values:
        """What each device has said last: those that have said something, and those that were sent it or will be."""
        service = self._places.server(request, CLUSTER)
        known = service.drlc.events.get(_number(request))
        if known is None:
            return {**_chosen(request), "status": NOT_FOUND}
        active = [peer for _, peer in service.clients(CLUSTER)]
        rest = sorted(known.delivered | set(active), key=lambda peer: (peer.ieee, peer.endpoint))
        peers = dict.fromkeys([*known.told, *rest])
        told: list[Value] = [_told(known, peer) for peer in peers]
        return {**_chosen(request), "status": SUCCESS, "device_status_list": told}

    @staticmethod
    def _sent(request: Checked, service: EnergyService, record: Record, status: int = SUCCESS) -> Values:
        told = [peer for _, peer in service.clients(CLUSTER)] if status == SUCCESS else []
        return {
            "source_endpoint_id": endpoint_in(request),
            "cluster_id": CLUSTER,
            "status": status,
            "record": record,
            "device_list": devices(told),
        }

    # -- client ------------------------------------------------------------------------------------------------------

    async def get_scheduled_events(self, request: Checked) -> Values:
        """Ask every server; their events come as if they had sent them by themselves."""
        client, record = self._places.client(request, CLUSTER), fields.maybe_record(request.arguments, "record")
        question = GetScheduledEvents()
        if record is not None:
            question = GetScheduledEvents(
                start_time=fields.number(record.fields, "start_time"),
                number_of_events=fields.number(record.fields, "number_of_events"),
            )
        asked = await self._places.ask(client, question)
        answer: Values = {"source_endpoint_id": endpoint_in(request), "cluster_id": CLUSTER}
        if record is not None:
            answer["record"] = record
        return {**answer, "device_list": devices(asked)}

    async def clear_events(self, request: Checked) -> Values:
        """Forget the events that have come."""
        self._places.client(request, CLUSTER).clear(DRLC)
        await self._places.hub.premises.keep()
        return {"source_endpoint_id": endpoint_in(request), "cluster_id": CLUSTER}

    async def opt_out(self, request: Checked) -> Values:
        """Take no part in an event."""
        return await self._chose(request, self._places.client(request, CLUSTER).opt_out)

    async def opt_in(self, request: Checked) -> Values:
        """Take part again."""
        return await self._chose(request, self._places.client(request, CLUSTER).opt_in)

    async def _chose(self, request: Checked, choose: Callable[[int], ClientEvent]) -> Values:
        status = SUCCESS
        try:
            choose(_number(request))
            await self._places.hub.premises.keep()
        except NotFoundError as error:
            status = self._places.refused(request, error, NOT_FOUND)
        except HubError as error:
            status = self._places.refused(request, error, INVALID_FIELD)
        return {**_chosen(request), "status": status}


def valid_events(client: EnergyClient) -> list[ClientEvent]:
    """Events at our client that are not over, the earliest first."""
    found = [one for one in client.drlc.events.values() if one.state is not State.OVER]
    return sorted(found, key=lambda one: (one.start, one.number))


def as_kept(client: EnergyClient, one: ClientEvent) -> LoadControlEvent:
    """An event that has come, from when on it holds, without the classes that it was cancelled or superseded for."""
    lost = one.event.device_class & client.drlc.policy.device_class & ~one.classes
    return replace(one.event, device_class=one.event.device_class & ~lost, start_time=one.start)


def _number(request: Checked) -> int:
    return fields.number(request.arguments, "issuer_event_id")


def _chosen(request: Checked) -> Values:
    return {"endpoint_id": endpoint_in(request), "issuer_event_id": _number(request)}


def _told(event: ServerEvent, peer: Peer) -> Values:
    row: Values = {
        "device_address": Mac.of(peer.ieee),
        "device_endpoint_id": peer.endpoint,
        "delivered": peer in event.delivered,
    }
    told = event.told.get(peer)
    if told:
        last = told[-1]
        row |= {
            "event_status": int(last.status),
            "event_status_time": last.time,
            "is_signed": last.signature is Signature.VALID,
        }
    return row

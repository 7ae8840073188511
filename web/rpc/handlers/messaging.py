"""Messaging requests: messages that we have shown, and messages that we show (CPX2-SE, SE Requests/Responses)."""

from __future__ import annotations

from dataclasses import replace

from hub.errors import InvalidError, RefusedError
from hub.smart_energy.esi import EnergyService
from hub.smart_energy.kept import MESSAGE
from hub.smart_energy.messages import ClientMessage, Shown
from hub.smart_energy.peer import Peer
from protocols.se.messaging import CLUSTER, GetLastMessage, MessageControl
from web.rpc import fields
from web.rpc.check import Checked
from web.rpc.engine import Handler
from web.rpc.handlers.places import Places, devices, endpoint_in
from web.rpc.rows.shared import DUPLICATE, INVALID_FIELD, NOT_FOUND, SUCCESS
from web.rpc.se_records import message_of, record_of
from web.rpc.values import Record, Values


class Messages:
    """Handlers of messaging requests."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def handlers(self) -> dict[str, Handler]:
        """By the names of their requests."""
        return {
            "get_message_events": self.get_messages,
            "create_message_event": self.create_message,
            "cancel_message_event": self.cancel_message,
            "cancel_all_message_events": self.cancel_all_messages,
            "get_last_message_event": self.get_last_message,
            "confirm_message": self.confirm_message,
            "clear_message_events": self.clear_messages,
        }

    async def get_messages(self, request: Checked) -> Values:
        """Valid messages of either side, each with the time when it begins."""
        place = self._places.either(request, CLUSTER)
        if isinstance(place, EnergyService):
            now = self._places.hub.smart_energy.now()
            found = [record_of(one.command()) for one in place.messages.messages.values() if one.is_valid(now)]
        else:
            valid = (Shown.WAITING, Shown.SHOWN)
            found = [record_of_message(one) for one in place.messages.messages.values() if one.state in valid]
        return {"endpoint_id": endpoint_in(request), "events_record_list": list(found)}

    # -- server ------------------------------------------------------------------------------------------------------

    async def create_message(self, request: Checked) -> Values:
        """Make a message and send it. What is wrong with it is the status, and a message of ours."""
        service, record = self._places.server(request, CLUSTER), fields.record(request.arguments, "record")
        message, status = message_of(record), SUCCESS
        known = service.messages.messages.get(message.message_id)
        try:
            await self._places.hub.smart_energy.send_message(service.name, message)
        except InvalidError as error:
            status = self._places.refused(request, error, INVALID_FIELD)
        except RefusedError as error:
            if known is None or not known.has_number(self._places.hub.smart_energy.now()):
                raise
            status = self._places.refused(request, error, DUPLICATE)
        told = [peer for _, peer in service.clients(CLUSTER)] if status == SUCCESS else []
        return {**_sent(request), "status": status, "record": record, "device_list": devices(told)}

    async def cancel_message(self, request: Checked) -> Values:
        """Cancel a message, known or not."""
        service, record = self._places.server(request, CLUSTER), fields.record(request.arguments, "record")
        confirm = bool(fields.number(record.fields, "message_control") & MessageControl.CONFIRMATION)
        number = fields.number(record.fields, "message_id")
        await self._places.hub.smart_energy.cancel_message(service.name, number, confirm=confirm)
        told = [peer for _, peer in service.clients(CLUSTER)]
        return {**_sent(request), "status": SUCCESS, "record": record, "device_list": devices(told)}

    async def cancel_all_messages(self, request: Checked) -> Values:
        """Cancel every valid message, with a command for each."""
        service, energy = self._places.server(request, CLUSTER), self._places.hub.smart_energy
        found = [one.number for one in service.messages.messages.values() if one.is_valid(energy.now())]
        for number in found:
            await energy.cancel_message(service.name, number, confirm=False)
        told = [peer for _, peer in service.clients(CLUSTER)] if found else []
        return {**_sent(request), "status": SUCCESS, "device_list": devices(told)}

    # -- client ------------------------------------------------------------------------------------------------------

    async def get_last_message(self, request: Checked) -> Values:
        """Ask every server; the message comes as if they had sent it by themselves. Without a server: not found."""
        client = self._places.client(request, CLUSTER)
        asked = await self._places.ask(client, GetLastMessage())
        return {"status": SUCCESS if asked else NOT_FOUND, **_sent(request), "device_list": devices(asked)}

    async def confirm_message(self, request: Checked) -> Values:
        """Tell the servers of a message that somebody has read it, or has seen that it was cancelled."""
        client, record = self._places.client(request, CLUSTER), fields.maybe_record(request.arguments, "record")
        status, told = NOT_FOUND, list[Peer]()
        number, at = None, None
        if record is not None:
            number, at = fields.number(record.fields, "message_id"), fields.number(record.fields, "confirmation_time")
        elif shown := client.messages.on_display:
            number = next((one for one in shown if one.waits_for_person), shown[0]).number
        if number in client.messages.messages:
            try:
                told, status = client.confirm(number, at).servers, SUCCESS
                await self._places.hub.premises.keep()
            except RefusedError as error:
                status = self._places.refused(request, error, INVALID_FIELD)
        answer: Values = {"status": status, **_sent(request)}
        if record is not None:
            answer["record"] = record
        return {**answer, "device_list": devices(told)}

    async def clear_messages(self, request: Checked) -> Values:
        """Forget the messages that have come."""
        self._places.client(request, CLUSTER).clear(MESSAGE)
        await self._places.hub.premises.keep()
        return _sent(request)


def record_of_message(one: ClientMessage) -> Record:
    """A message that has come, from when on it is shown, and how it was cancelled if that is to be confirmed."""
    record = record_of(replace(one.message, start_time=one.start))
    if one.cancel_control is None:
        return record
    found: Values = {}
    for name, value in record.fields.items():
        found[name] = value
        if name == "message_control":
            found["cancel_message_control"] = one.cancel_control
    return Record(record.name, found)


def _sent(request: Checked) -> Values:
    return {"source_endpoint_id": endpoint_in(request), "cluster_id": CLUSTER}

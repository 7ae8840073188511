"""Price requests: prices that we publish, and prices that we receive (CPX2-SE, SE Requests/Responses)."""

from __future__ import annotations

from dataclasses import replace

from hub.errors import InvalidError, RefusedError
from hub.smart_energy.esi import EnergyService
from hub.smart_energy.kept import PRICE
from hub.smart_energy.premises import EnergyClient
from hub.smart_energy.price_client import ClientPrice
from hub.smart_energy.price_server import ServerPrice
from protocols.se.price import CLUSTER, CommandOptions, GetCurrentPrice, GetScheduledPrices
from web.rpc import fields
from web.rpc.check import Checked
from web.rpc.engine import Handler
from web.rpc.handlers.places import CLIENT, SERVER, Places, devices, endpoint_in
from web.rpc.rows.shared import DUPLICATE, INVALID_FIELD, NOT_FOUND, SUCCESS
from web.rpc.se_records import PRICE as PRICE_RECORD
from web.rpc.se_records import price_of, record_of
from web.rpc.values import Record, Value, Values


class Prices:
    """Handlers of price requests."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._made: dict[str, dict[int, tuple[ServerPrice, int | None, Record]]] = {}
        """Records of our prices by service and number, with what they were made of: a price does not change."""

    def handlers(self) -> dict[str, Handler]:
        """By the names of their requests."""
        return {
            "get_price_events": self.get_prices,
            "create_price_event": self.create_price,
            "cancel_all_price_events": self.cancel_all_prices,
            "get_current_price_event": self.get_current_price,
            "get_scheduled_price_events": self.get_scheduled_prices,
            "clear_price_events": self.clear_prices,
        }

    async def get_prices(self, request: Checked) -> Values:
        """Valid prices of either side, each with the time when it begins."""
        place = self._places.either(request, CLUSTER)
        if isinstance(place, EnergyService):
            now = self._places.hub.smart_energy.now()
            side, found = SERVER, self._records(place, now)
        else:
            now = self._places.hub.premises.utc(place.name)
            side, found = CLIENT, [record_of_price(one) for one in valid_prices(place, now)]
        return {
            "endpoint_id": endpoint_in(request),
            "cluster_id": CLUSTER,
            "server_or_client": side,
            "events_record_list": list[Value](found),
        }

    def _records(self, service: EnergyService, now: int) -> list[Record]:
        """Our prices as they would be sent now: of one that has been told before only the time is new."""
        made = self._made.setdefault(service.name, {})
        if len(made) > len(service.prices.prices):
            made.clear()
        utc_time = now & 0xFFFFFFFF
        found: list[Record] = []
        for one in service.prices.scheduled(0, 0, now):
            kept = made.get(one.number)
            if kept is None or kept[0] is not one or kept[1] != one.end:
                kept = made[one.number] = one, one.end, _published(one, now)
            record = kept[2]
            if record.fields["utc_time"] != utc_time:
                # A record that somebody has is not changed; within a second it is the same.
                record = Record(PRICE_RECORD, {**record.fields, "utc_time": utc_time})
                made[one.number] = one, one.end, record
            found.append(record)
        return found

    # -- server ------------------------------------------------------------------------------------------------------

    async def create_price(self, request: Checked) -> Values:
        """Publish a price. What is wrong with it is the status, and a message.

        A price that overlaps a newer one, of a larger number, is wrong: the larger number holds.
        """
        service, given = self._places.server(request, CLUSTER), fields.record(request.arguments, "record")
        now, status = self._places.hub.smart_energy.now(), SUCCESS
        price = price_of(given, now)
        known = service.prices.prices.get(price.issuer_event_id)
        try:
            await self._places.hub.smart_energy.publish_price(service.name, price)
        except InvalidError as error:
            status = self._places.refused(request, error, INVALID_FIELD)
        except RefusedError as error:
            is_known = known is not None and known.is_valid(now)
            status = self._places.refused(request, error, DUPLICATE if is_known else INVALID_FIELD)
        told = [peer for _, peer in service.clients(CLUSTER)] if status == SUCCESS else []
        # The record's time is that of sending, whatever the request says.
        return {**_sent(request), "status": status, "record": record_of(price), "device_list": devices(told)}

    async def cancel_all_prices(self, request: Checked) -> Values:
        """Forget all prices, here alone: no command takes a price back."""
        service = self._places.server(request, CLUSTER)
        await self._places.hub.smart_energy.cancel_all_prices(service.name)
        return {"source_endpoint_id": endpoint_in(request), "status": SUCCESS}

    # -- client ------------------------------------------------------------------------------------------------------

    async def get_current_price(self, request: Checked) -> Values:
        """Ask every server; the price comes as if they had sent it by themselves. Without a server: not found."""
        client = self._places.client(request, CLUSTER)
        asked = await self._places.ask(client, GetCurrentPrice(CommandOptions.RECEIVER_ON_WHEN_IDLE))
        return {
            "status": SUCCESS if asked else NOT_FOUND,
            "endpoint_id": endpoint_in(request),
            "cluster_id": CLUSTER,
            "device_list": devices(asked),
        }

    async def get_scheduled_prices(self, request: Checked) -> Values:
        """Ask every server; their prices come as if they had sent them by themselves."""
        client, record = self._places.client(request, CLUSTER), fields.maybe_record(request.arguments, "record")
        question = GetScheduledPrices(0, 0)
        if record is not None:
            question = GetScheduledPrices(
                fields.number(record.fields, "start_time"), fields.number(record.fields, "number_of_events")
            )
        asked = await self._places.ask(client, question)
        answer = _sent(request)
        if record is not None:
            answer["record"] = record
        return {**answer, "device_list": devices(asked)}

    async def clear_prices(self, request: Checked) -> Values:
        """Forget the prices that have come."""
        self._places.client(request, CLUSTER).clear(PRICE)
        await self._places.hub.premises.keep()
        return _sent(request)


def _published(one: ServerPrice, now: int) -> Record:
    """A price of ours as it would be sent now; made without the command, for there may be hundreds."""
    record = record_of(one.price)
    record.fields.update(utc_time=now & 0xFFFFFFFF, start_time=one.start, duration_in_minutes=one.minutes)
    return record


def valid_prices(client: EnergyClient, now: int) -> list[ClientPrice]:
    """Prices at our client that hold now or later, the earliest first."""
    found = [one for one in client.prices.prices.values() if one.end is None or one.end > now]
    return sorted(found, key=lambda one: (one.start, one.key))


def record_of_price(one: ClientPrice) -> Record:
    """A price that has come, from when on it holds."""
    return record_of(replace(one.price, start_time=one.start))


def _sent(request: Checked) -> Values:
    return {"source_endpoint_id": endpoint_in(request), "cluster_id": CLUSTER}

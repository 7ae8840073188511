"""The client's calls of Smart Energy: a part of `web.client.HubClient`, with the answers as it takes them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from web.client_calls import Calls


class Status(Struct, frozen=True):
    """A status that a device has reported."""

    status: str
    code: int
    received: str
    time: str | None = None
    signature: str = "none"


class EventStatusReported(Struct, frozen=True, tag_field="event", tag="event_status_reported", kw_only=True):
    """A device has reported a status of a demand response event."""

    seq: int
    time: str
    radio: str
    device_id: str
    endpoint: int
    id: int
    status: str
    code: int
    is_known: bool


class EventClient(Struct, frozen=True):
    """What a device says to an event."""

    device_id: str
    endpoint: int
    delivered: bool = False
    status: str | None = None
    statuses: tuple[Status, ...] = ()


class EventFields(Struct, frozen=True, kw_only=True):
    """What a demand response event says, whoever made it."""

    radio: str
    issuer_event_id: int
    state: str
    device_classes: tuple[str, ...]
    start: str
    end: str
    duration_min: int
    criticality: int
    utility_enrollment_group: int = 0
    cooling_offset_c: float | None = None
    heating_offset_c: float | None = None
    cooling_set_point_c: float | None = None
    heating_set_point_c: float | None = None
    load_adjustment_percent: int | None = None
    duty_cycle_percent: int | None = None
    randomize_start: bool = False
    randomize_end: bool = False


class DrlcEvent(EventFields, frozen=True, kw_only=True):
    """A demand response event."""

    superseded_by: int | None = None
    clients: tuple[EventClient, ...] = ()


class ItemClient(Struct, frozen=True):
    """A device that has a price or a message."""

    device_id: str
    endpoint: int
    acknowledged: str | None = None


class PriceFields(Struct, frozen=True, kw_only=True):
    """What a price says, whoever published it."""

    radio: str
    issuer_event_id: int
    state: str
    currency: int
    price: float
    start: str
    end: str | None = None
    provider_id: int = 0
    rate_label: str = ""
    unit_of_measure: int = 0
    tier: int = 0


class Price(PriceFields, frozen=True, kw_only=True):
    """A price."""

    clients: tuple[ItemClient, ...] = ()


class MessageFields(Struct, frozen=True, kw_only=True):
    """What a message for people says, whoever sent it."""

    radio: str
    message_id: int
    state: str
    text: str
    importance: str
    start: str
    end: str | None = None
    wants_confirmation: bool = False


class Message(MessageFields, frozen=True, kw_only=True):
    """A message for people."""

    clients: tuple[ItemClient, ...] = ()


class ReceivedEvent(EventFields, frozen=True, kw_only=True):
    """A demand response event that came to us."""

    status: str
    opted_out: bool = False
    cancels: str | None = None
    servers: tuple[str, ...] = ()


class ReceivedPrice(PriceFields, frozen=True, kw_only=True):
    """A price that came to us."""

    servers: tuple[str, ...] = ()


class ReceivedMessage(MessageFields, frozen=True, kw_only=True):
    """A message that came to us."""

    waits_for_person: bool = False
    confirmed: str | None = None
    servers: tuple[str, ...] = ()


class Received(Struct, frozen=True):
    """All that came to us."""

    events: tuple[ReceivedEvent, ...] = ()
    prices: tuple[ReceivedPrice, ...] = ()
    messages: tuple[ReceivedMessage, ...] = ()


class Cancelled(Struct, frozen=True):
    """What was cancelled, and how many devices are told."""

    cancelled: tuple[int, ...]
    clients: int


class Forgotten(Struct, frozen=True):
    """How many prices were forgotten."""

    forgotten: int
    note: str


class LoadControl(Struct, frozen=True):
    """For which loads we take demand response events."""

    radio: str
    device_classes: tuple[str, ...]
    utility_enrollment_group: int
    start_randomize_min: int
    stop_randomize_min: int


class BlockPrices(Struct, frozen=True):
    """What a unit costs in each block of a tier."""

    prices: tuple[float, ...]
    tier: int = 0


class Tariff(Struct, frozen=True):
    """Block and tier data of our Price server."""

    radio: str
    tier_labels: tuple[str, ...] = ()
    block_thresholds: tuple[float, ...] = ()
    threshold_divisor: int = 1000
    block_prices: tuple[BlockPrices, ...] = ()
    digits: int = 4
    standing_charge: float | None = None
    commodity: str | None = None
    period_start: str | None = None
    period_min: int | None = None


class _Events(Struct, frozen=True):
    events: tuple[DrlcEvent, ...]


class _Prices(Struct, frozen=True):
    prices: tuple[Price, ...]


class _Messages(Struct, frozen=True):
    messages: tuple[Message, ...]


class SmartEnergyCalls(Calls):
    """Calls of /api/v1/events."""

    async def drlc_events(self, radio: str | None = None) -> tuple[DrlcEvent, ...]:
        """All demand response events."""
        return (await self._call("GET", "/api/v1/events/drlc", _Events, query={"radio": radio})).events

    async def drlc_event(self, number: int, radio: str | None = None) -> DrlcEvent:
        """One demand response event."""
        return await self._call("GET", f"/api/v1/events/drlc/{number}", DrlcEvent, query={"radio": radio})

    async def create_drlc_event(self, body: Mapping[str, object]) -> DrlcEvent:
        """Make a demand response event."""
        return await self._call("POST", "/api/v1/events/drlc", DrlcEvent, body=body)

    async def cancel_drlc(
        self,
        number: int | None,
        *,
        radio: str | None = None,
        classes: str | None = None,
        group: int = 0,
        randomize: bool = False,
    ) -> Cancelled:
        """Cancel a demand response event; None: all."""
        query = {
            "radio": radio,
            "classes": classes,
            "group": str(group) if group else None,
            "randomize": "true" if randomize else None,
        }
        path = "/api/v1/events/drlc" + ("" if number is None else f"/{number}")
        return await self._call("DELETE", path, Cancelled, query=query)

    async def prices(self, radio: str | None = None, *, current: bool = False) -> tuple[Price, ...]:
        """All prices, or those of now."""
        path = "/api/v1/events/price" + ("/current" if current else "")
        return (await self._call("GET", path, _Prices, query={"radio": radio})).prices

    async def publish_price(self, body: Mapping[str, object]) -> Price:
        """Publish a price."""
        return await self._call("POST", "/api/v1/events/price", Price, body=body)

    async def forget_prices(self, radio: str | None = None) -> Forgotten:
        """Forget all prices, at the hub alone."""
        return await self._call("DELETE", "/api/v1/events/price", Forgotten, query={"radio": radio})

    async def display_messages(self, radio: str | None = None) -> tuple[Message, ...]:
        """All messages."""
        return (await self._call("GET", "/api/v1/events/message", _Messages, query={"radio": radio})).messages

    async def send_message(self, body: Mapping[str, object]) -> Message:
        """Have a message shown."""
        return await self._call("POST", "/api/v1/events/message", Message, body=body)

    async def cancel_message(self, number: int | None, *, radio: str | None = None, confirm: bool = False) -> Cancelled:
        """Take a message away; None: all."""
        query = {"radio": radio, "confirm": "true" if confirm else None}
        path = "/api/v1/events/message" + ("" if number is None else f"/{number}")
        return await self._call("DELETE", path, Cancelled, query=query)

    async def received(self, radio: str | None = None) -> Received:
        """What energy service interfaces have told us."""
        return await self._call("GET", "/api/v1/events/received", Received, query={"radio": radio})

    async def opt_out(self, number: int, radio: str | None = None) -> ReceivedEvent:
        """Do not take part in an event."""
        return await self._call("POST", f"/api/v1/events/drlc/{number}/opt-out", ReceivedEvent, query={"radio": radio})

    async def opt_in(self, number: int, radio: str | None = None) -> ReceivedEvent:
        """Take part in an event after all."""
        return await self._call("POST", f"/api/v1/events/drlc/{number}/opt-in", ReceivedEvent, query={"radio": radio})

    async def confirm_message(self, number: int, radio: str | None = None) -> ReceivedMessage:
        """Confirm a message."""
        return await self._call(
            "POST", f"/api/v1/events/message/{number}/confirm", ReceivedMessage, query={"radio": radio}
        )

    async def load_control(self, radio: str | None = None) -> LoadControl:
        """For which loads we take demand response events."""
        return await self._call("GET", "/api/v1/events/received/load-control", LoadControl, query={"radio": radio})

    async def change_load_control(self, body: Mapping[str, object]) -> LoadControl:
        """Change for which loads we take demand response events."""
        return await self._call("PATCH", "/api/v1/events/received/load-control", LoadControl, body=body)

    async def tariff(self, radio: str | None = None) -> Tariff:
        """Block and tier data of our Price server."""
        return await self._call("GET", "/api/v1/events/price/tariff", Tariff, query={"radio": radio})

    async def set_tariff(self, body: Mapping[str, object]) -> Tariff:
        """Set block and tier data of our Price server."""
        return await self._call("PUT", "/api/v1/events/price/tariff", Tariff, body=body)

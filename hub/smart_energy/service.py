"""`hub.smart_energy`: events, prices and messages as interfaces see them, on every network where we serve them.

What was made is on disk when a call returns; what clients report is kept with the next batch. After a start everything
goes on: valid items are sent to clients that have not got them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from copy import copy
from dataclasses import fields
from typing import TypeVar

from hub.bus import Bus
from hub.clock import Clock
from hub.errors import NotFoundError, StorageError, UnavailableError, UnsupportedError
from hub.events import EventStatusReported, SmartEnergyChanged
from hub.smart_energy import kept
from hub.smart_energy.arrivals import arrivals
from hub.smart_energy.chosen import chosen
from hub.smart_energy.drlc_server import ServerEvent
from hub.smart_energy.esi import EnergyService
from hub.smart_energy.kept import DRLC, MESSAGE, PRICE, Item
from hub.smart_energy.messages import OVERHEAD, ServerMessage
from hub.smart_energy.peer import Peer
from hub.smart_energy.price_server import ServerPrice
from hub.smart_energy.tariff import Tariff, from_text, to_text
from hub.smart_energy.utc import to_utc
from hub.startup import TIME_IS_SET
from hub.store import Statement, Store
from hub.zigbee.member import Member, device_id_of
from hub.zigbee.network import Network
from protocols.se.drlc import (
    CancelAllLoadControlEvents,
    CancelControl,
    CancelLoadControlEvent,
    LoadControlEvent,
    ReportEventStatus,
)
from protocols.se.messaging import CLUSTER as MESSAGING_CLUSTER
from protocols.se.messaging import CancelMessage, DisplayMessage, MessageControl
from protocols.se.price import PublishPrice

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often prices are looked at that begin, and clients that have missed something."""
SAFE_PAYLOAD = 76
"""Of a radio that is not there: what fits one packet anywhere."""

Made = TypeVar("Made", ServerEvent, ServerPrice, ServerMessage)
Spawn = Callable[[Coroutine[None, None, None], str], object]


class SmartEnergy:
    """All networks that we serve."""

    def __init__(
        self,
        services: Mapping[str, EnergyService],
        network: Callable[[str], Network],
        find: Callable[[str], Member | None],
        store: Store,
        bus: Bus,
        clock: Clock,
    ) -> None:
        """`network(radio)` raises `NotFoundError`; `find(device id)`."""
        self.services, self._network, self._find = services, network, find
        self._store, self._bus, self._clock = store, bus, clock
        self._stale: dict[tuple[str, str, int], Item] = {}
        """What is not on disk as it is now."""
        self._encrypts: dict[str, bool] = {}
        """Of radios that have been there since the start."""

    # -- life --------------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read back what was made before the last stop."""
        rows = await self._store.read(
            "SELECT radio, kind, state FROM se_item WHERE kind IN (?, ?, ?) ORDER BY id", (DRLC, PRICE, MESSAGE)
        )
        found: dict[tuple[str, str], list[Item]] = {}
        readers: Mapping[str, Callable[[str], Item]] = {
            DRLC: kept.event_from,
            PRICE: kept.price_from,
            MESSAGE: kept.message_from,
        }
        for radio, kind, state in rows:
            try:
                found.setdefault((str(radio), str(kind)), []).append(readers[str(kind)](str(state)))
            except (ValueError, KeyError) as error:
                log.warning("%s: a %s cannot be read back: %s", radio, kind, error)
        for radio, state in await self._store.read("SELECT radio, state FROM se_item WHERE kind = ?", (kept.TARIFF,)):
            try:
                if str(radio) in self.services:
                    self.services[str(radio)].prices.tariff = from_text(str(state))
            except ValueError as error:
                log.warning("%s: the tariff cannot be read back: %s", radio, error)
        for radio, service in self.services.items():
            service.network = self._network(radio)
            service.drlc.load(one for one in found.get((radio, DRLC), ()) if isinstance(one, ServerEvent))
            service.prices.load(one for one in found.get((radio, PRICE), ()) if isinstance(one, ServerPrice))
            service.messages.load(one for one in found.get((radio, MESSAGE), ()) if isinstance(one, ServerMessage))

    async def run(self) -> None:
        """Send to devices that come what they have not, and publish prices that begin; ends by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_time(), name="prices")
            tasks.create_task(self._watch_devices(), name="clients")

    async def _watch_time(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.persist()
            for name, service in self.services.items():
                self._can(name)
                service.begin()
                service.try_again()

    async def _watch_devices(self) -> None:
        async for member in arrivals(self._bus, self._find):
            if member.radio in self.services:
                self.services[member.radio].came(member)

    # -- what is there -----------------------------------------------------------------------------------------------

    def now(self) -> int:
        """The standard's time."""
        return to_utc(self._clock.now())

    def service(self, radio: str | None) -> EnergyService:
        """The network that is meant; the only one where none is named. Raises `NotFoundError`, `InvalidError`."""
        none = (
            "no radio of this hub serves Smart Energy devices: that takes hub.role esi_coordinator or esi_router, and "
            "APS encryption; what comes to an aux_gateway is among what was received"
        )
        found = chosen(radio, self.services, self.able(), "Smart Energy network", none)
        if self._can(found.name) is False:
            raise UnsupportedError(f"{radio!r} cannot encrypt for single devices, which Smart Energy takes")
        return found

    def able(self) -> list[str]:
        """Networks that can be served; where none is known to be, those of which it is not known yet."""
        can = {name: self._can(name) for name in self.services}
        return [name for name, is_able in can.items() if is_able] or [name for name in can if can[name] is None]

    def listed(self) -> list[str]:
        """Networks that may have items: all but those whose radio cannot carry them."""
        return [name for name in self.services if self._can(name) is not False]

    def _can(self, radio: str) -> bool | None:
        """Whether it can encrypt, by what it said when it was there last; None: it has not been yet."""
        stick = self._network(radio).radio
        if stick is not None:
            self._encrypts[radio] = stick.capabilities.aps_encryption
        return self._encrypts.get(radio)

    def next_number(self, table: Mapping[int, object]) -> int:
        """A number for a new item: the time, as utilities do, and larger than all there are."""
        return min(0xFFFFFFFE, max(self.now(), max(table, default=0) + 1))

    def _need_time(self) -> None:
        if self._clock.now() < TIME_IS_SET:
            raise UnavailableError("the clock has not been set yet, which the start still waits for")

    # -- demand response ---------------------------------------------------------------------------------------------

    async def create_event(self, radio: str | None, event: LoadControlEvent) -> ServerEvent:
        """Make a load control event and send it to every client."""
        self._need_time()
        service = self.service(radio)
        return await self._make(service, service.drlc.events, lambda: service.drlc.create(event, self.now()))

    def event(self, radio: str | None, number: int) -> ServerEvent:
        """One event. Raises `NotFoundError`."""
        found = self.service(radio).drlc.events.get(number)
        if found is None:
            raise NotFoundError("demand response event", str(number))
        return found

    async def cancel_event(self, radio: str | None, cancel: CancelLoadControlEvent) -> tuple[ServerEvent | None, int]:
        """Cancel an event, known or not; how many clients are told."""
        self._need_time()
        service = self.service(radio)
        known = service.drlc.cancel(cancel)
        if known is not None:
            await self._keep_cancelled(service, known)
            self.changed(service.name, known, "cancelled")
        is_partial = known is not None and not known.cancelled
        return known, service.withdraw(cancel, known if is_partial else None)

    async def cancel_all_events(self, radio: str | None, control: CancelControl) -> tuple[list[ServerEvent], int]:
        """Cancel all events; those that were not over, and how many clients are told."""
        service = self.service(radio)
        found = service.drlc.cancel_all(control, self.now())
        for known in found:
            await self._keep_cancelled(service, known)
            self.changed(service.name, known, "cancelled")
        return found, service.withdraw(CancelAllLoadControlEvents(control))

    # -- prices ------------------------------------------------------------------------------------------------------

    async def publish_price(self, radio: str | None, price: PublishPrice) -> ServerPrice:
        """Publish a price to every client."""
        self._need_time()
        service = self.service(radio)
        return await self._make(service, service.prices.prices, lambda: service.prices.create(price, self.now()))

    async def set_tariff(self, radio: str | None, tariff: Tariff) -> str:
        """Have the Price server tell block and tier data; on which network. Devices read them."""
        service = self.service(radio)
        await self._store.write(kept.row(service.name, kept.TARIFF, 0, to_text(tariff)))
        service.prices.tariff = tariff
        self._bus.publish(SmartEnergyChanged(self._clock.now(), service.name, PRICE, 0, "tariff"))
        return service.name

    async def cancel_all_prices(self, radio: str | None) -> int:
        """Forget all prices: here alone, since there is no command that takes a price back; how many those were."""
        service = self.service(radio)
        count = service.prices.cancel_all()
        await self._store.write(("DELETE FROM se_item WHERE radio = ? AND kind = ?", [(service.name, PRICE)]))
        return count

    # -- messages ----------------------------------------------------------------------------------------------------

    def longest_message(self, radio: str | None) -> int:
        """Bytes of text that the radio carries."""
        network = self.service(radio).network
        is_there = network is not None and network.radio is not None
        room = network.capabilities.max_payload if network is not None and is_there else SAFE_PAYLOAD
        return room - OVERHEAD

    async def send_message(self, radio: str | None, message: DisplayMessage) -> ServerMessage:
        """Have a message shown at every client."""
        self._need_time()
        service = self.service(radio)
        longest = self.longest_message(radio)
        return await self._make(
            service, service.messages.messages, lambda: service.messages.create(message, self.now(), longest)
        )

    async def cancel_message(
        self, radio: str | None, number: int, *, confirm: bool
    ) -> tuple[ServerMessage | None, int]:
        """Take a message away, known or not; how many clients are told."""
        service = self.service(radio)
        known = service.messages.cancel(number, confirm=confirm)
        if known is not None:
            await self._keep_cancelled(service, known)
            self.changed(service.name, known, "cancelled")
        if known is not None:
            return known, service.withdraw(known.withdrawal(), known)
        control = MessageControl.CONFIRMATION if confirm else MessageControl(0)
        return known, service.withdraw(CancelMessage(message_id=number, control=int(control)))

    async def cancel_all_messages(self, radio: str | None, *, confirm: bool) -> tuple[list[ServerMessage], int]:
        """Take every message away that is shown or will be, with a command for each; how many clients are told."""
        service, now = self.service(radio), self.now()
        found = [one for one in service.messages.messages.values() if one.is_valid(now)]
        for one in found:
            await self.cancel_message(service.name, one.number, confirm=confirm)
        return found, len(service.clients(MESSAGING_CLUSTER)) if found else 0

    # -- on disk -----------------------------------------------------------------------------------------------------

    async def _make(self, service: EnergyService, table: dict[int, Made], create: Callable[[], Made]) -> Made:
        """Make an item, send it to every client, and tell everybody. What cannot be kept is not made.

        What that changes of others in the table is kept with it, and what gives way to it is forgotten with it.
        """
        before = {number: (one, copy(one)) for number, one in table.items()}
        changed: dict[int, Made] = {}
        try:
            made = create()
            changed = {n: one for n, one in table.items() if n not in before or one != before[n][1]}
            dropped = sorted(before.keys() - table.keys())
            rows = [_row(service.name, one) for one in changed.values()]
            if dropped:
                rows.append(kept.gone(service.name, kept.kind_of(made), dropped))
            await self._store.write(*rows)
        except BaseException:
            meanwhile = {n: one for n, one in table.items() if n not in before and n not in changed}
            table.clear()
            table.update({number: one for number, (one, _) in before.items()} | meanwhile)
            for number in changed.keys() & before.keys():
                one, was = before[number]
                for field in fields(was):
                    setattr(one, field.name, getattr(was, field.name))
            raise
        service.publish(made)
        self.changed(service.name, made, "created")
        return made

    async def _keep_cancelled(self, service: EnergyService, item: Item) -> None:
        """Devices hear of a cancel whether it can be kept or not; kept it is with the next change, if not now."""
        try:
            await self._store.write(_row(service.name, item))
        except StorageError as error:
            kind = kept.kind_of(item)
            log.error(
                "%s: %s %s is cancelled, and valid again after a restart: %s", service.name, kind, item.number, error
            )
            self._stale[service.name, kind, item.number] = item

    def changed(self, radio: str, item: Item, what: str) -> None:
        """An item is not what it was: keep it, and tell everybody."""
        if what not in ("created", "cancelled"):
            self._stale[radio, kept.kind_of(item), item.number] = item
        self._bus.publish(SmartEnergyChanged(self._clock.now(), radio, kept.kind_of(item), item.number, what))

    def persist(self) -> None:
        """Let what has changed join the next batch: each item once, however many clients have told something of it."""
        stale = [
            (radio, item)
            for (radio, kind, number), item in self._stale.items()
            if _table(self.services[radio], kind).get(number) is item
        ]
        self._stale.clear()
        if stale:
            self._store.append(*(_row(radio, item) for radio, item in stale))

    def reported(self, radio: str, peer: Peer, report: ReportEventStatus, is_known: bool) -> None:
        """A device has reported a status of an event; `is_known`: which is ours."""
        now = self._clock.now()
        self._bus.publish(EventStatusReported(now, radio, device_id_of(peer.ieee), peer.endpoint, report, is_known))


def _table(service: EnergyService, kind: str) -> dict[int, Item]:
    tables: Mapping[str, object] = {
        DRLC: service.drlc.events,
        PRICE: service.prices.prices,
        MESSAGE: service.messages.messages,
    }
    return tables[kind]  # type: ignore[return-value]


def _row(radio: str, item: Item) -> Statement:
    return kept.row(radio, kept.kind_of(item), item.number, kept.to_text(item))

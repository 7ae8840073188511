"""The energy supplier of `hubd --demo`: a tariff by time of day, and now and then a short peak that costs more.

It uses `hub.smart_energy` as a person does. What it has made is forgotten a day after it is over, so that many days
of a demo leave no more behind than one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.smart_energy import kept
from hub.smart_energy.kept import DRLC, MESSAGE, PRICE
from hub.smart_energy.utc import from_utc, to_utc
from hub.zone import local_zone
from protocols.se.drlc import PUNCTUAL, Criticality, DeviceClass, LoadControlEvent
from protocols.se.messaging import DisplayMessage, Importance, message_control
from protocols.se.price import UNUSED_8, UNUSED_32, AlternateCostUnit, PublishPrice

if TYPE_CHECKING:
    from hub.hub import Hub
    from hub.smart_energy.drlc_server import ServerEvent

PROVIDER: Final = 0x44454D4F
"""Its id in prices, by which it knows its own."""
US_DOLLAR, KWH, DIGITS = 840, 0, 4
"""The demo's breakers are of a home with 120 V. Prices have four digits behind the point."""
MESSAGE_MIN = 60
LONGEST_OVERLAP_S = 59
"""Prices hold for whole minutes: one that began in mid-minute reaches so far into the next one, which cuts it off."""
KEPT_S = 24 * 3600
"""After its end."""


class Rate(NamedTuple):
    """What it costs."""

    label: str
    tier: int
    price: int
    """0.0001 of the currency, a kWh."""


NIGHT, DAY, EVENING = Rate("NIGHT", 1, 1180), Rate("DAY", 2, 2140), Rate("EVENING", 3, 3360)
PEAK = Rate("PEAK EVENT", 4, 6250)
TARIFF: Final = ((0, NIGHT), (7, DAY), (16, EVENING), (21, NIGHT))
"""From which hour of the day on, by the clock on the wall."""
AHEAD = "Hello! A short peak is near: a little less power helps."
THANKS = "The peak is over. Thank you for helping!"
SHED: Final = LoadControlEvent(
    issuer_event_id=0,
    device_class=DeviceClass.HVAC | DeviceClass.POOL_PUMP,
    duration_min=1,
    criticality=Criticality.LEVEL_1,
    cooling_offset=20,
    heating_offset=20,
    duty_cycle=0,
    event_control=PUNCTUAL,
)
"""What a peak asks for: rooms two degrees off what they hold, and the pump stands still."""


def rate_at(moment: datetime) -> tuple[Rate, datetime]:
    """What it costs at a moment of the wall's clock, and until when."""
    changes = [_change(moment.date(), hour, rate, moment) for hour, rate in TARIFF]
    changes.append(_change(moment.date() + timedelta(days=1), *TARIFF[0], moment))
    rate = [rate for start, rate in changes if start <= moment][-1]
    return rate, next(start for start, _ in changes if start > moment)


def _change(day: date, hour: int, rate: Rate, moment: datetime) -> tuple[datetime, Rate]:
    return datetime(day.year, day.month, day.day, hour, tzinfo=moment.tzinfo), rate


class Supplier:
    """Of one network."""

    def __init__(self, hub: Hub, radio: str) -> None:
        self._hub, self._radio = hub, radio
        self._service = hub.smart_energy.services[radio]

    # -- prices ------------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Publish what it costs now, whatever was published before."""
        await self._publish_tariff(self._hub.smart_energy.now())
        await self.look()

    async def look(self) -> None:
        """Publish what it costs, and will cost next, where that is not known yet; forget what is long over."""
        now = self._hub.smart_energy.now()
        await self._fill(now)
        await self._fill(to_utc(rate_at(self._wall(now))[1]), LONGEST_OVERLAP_S)
        await self._forget(now)

    async def _fill(self, at: int, overlap_s: int = 0) -> None:
        ours = (one for one in self._service.prices.prices.values() if one.price.provider_id == PROVIDER)
        if not any(one.holds(at + overlap_s) for one in ours):
            await self._publish_tariff(at)

    def _wall(self, at: int) -> datetime:
        return from_utc(at).astimezone(local_zone())

    async def _publish_tariff(self, start: int) -> None:
        rate, until = rate_at(self._wall(start))
        await self._publish(rate, start, -(-(to_utc(until) - start) // 60))

    async def _publish(self, rate: Rate, start: int, minutes: int) -> None:
        price = PublishPrice(
            provider_id=PROVIDER,
            rate_label=rate.label,
            issuer_event_id=self._hub.smart_energy.next_number(self._service.prices.prices),
            current_time=0,
            unit_of_measure=KWH,
            currency=US_DOLLAR,
            price_trailing_digit_and_tier=DIGITS << 4 | rate.tier,
            number_of_price_tiers_and_register_tier=PEAK.tier << 4 | rate.tier,
            start_time=start,
            duration_min=minutes,
            price=rate.price,
            alternate_cost_delivered=UNUSED_32,
            alternate_cost_unit=AlternateCostUnit.NONE,
            alternate_cost_trailing_digit=UNUSED_8,
        )
        await self._hub.smart_energy.publish_price(self._radio, price)

    # -- peaks -------------------------------------------------------------------------------------------------------

    async def peak(self, lead_s: int, minutes: int) -> ServerEvent:
        """Say that a peak is near, what it will cost, and ask devices to shed load while it lasts."""
        energy = self._hub.smart_energy
        start = energy.now() + lead_s
        await self.say(AHEAD, Importance.MEDIUM, confirm=True)
        await self._publish(PEAK, start, minutes)
        # A price that was cut off does not come back: what holds behind the peak is published again.
        await self._fill(start + 60 * minutes)
        number = energy.next_number(self._service.drlc.events)
        event = replace(SHED, issuer_event_id=number, start_time=start, duration_min=minutes)
        made = await energy.create_event(self._radio, event)
        await self.look()
        return made

    async def say(self, text: str, importance: Importance = Importance.LOW, *, confirm: bool = False) -> None:
        """Have a message shown."""
        message = DisplayMessage(
            message_id=self._hub.smart_energy.next_number(self._service.messages.messages),
            control=message_control(importance, confirm=confirm),
            duration_min=MESSAGE_MIN,
            message=text,
        )
        await self._hub.smart_energy.send_message(self._radio, message)

    # -- what is over ------------------------------------------------------------------------------------------------

    async def _forget(self, now: int) -> None:
        """What it has made itself, alone: what a person has made stays."""
        before = now - KEPT_S
        prices, messages, events = (
            self._service.prices.prices,
            self._service.messages.messages,
            self._service.drlc.events,
        )
        over = {
            PRICE: [
                number
                for number, one in prices.items()
                if one.price.provider_id == PROVIDER and one.end is not None and one.end < before
            ],
            MESSAGE: [
                number
                for number, one in messages.items()
                if one.message.message in (AHEAD, THANKS) and one.end is not None and one.end < before
            ],
            DRLC: [number for number, one in events.items() if _is_peak(one.event) and one.end < before],
        }
        gone = [kept.gone(self._radio, kind, numbers) for kind, numbers in over.items() if numbers]
        if not gone:
            return
        await self._hub.store.write(*gone)
        for number in over[PRICE]:
            prices.pop(number, None)
        for number in over[MESSAGE]:
            messages.pop(number, None)
        for number in over[DRLC]:
            events.pop(number, None)


def _is_peak(event: LoadControlEvent) -> bool:
    return replace(event, issuer_event_id=0, start_time=0, duration_min=SHED.duration_min) == SHED

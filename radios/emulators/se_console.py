"""Commands for emulated Smart Energy devices: meters, displays, load control, and the utility's end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from radios.emulators.device import EmulatedDevice
from radios.emulators.errors import EmulatorError
from radios.emulators.se_devices import Display, DrlcDevice, EnergyServiceInterface, SmartMeter
from radios.emulators.se_payloads import MAX_LABEL_BYTES, UNTIL_CHANGED, DisplayMessage, LoadControlEvent, PublishPrice
from radios.emulators.se_servers import ALL_CLASSES
from radios.emulators.se_sleepy_meters import SleepyMeter
from radios.emulators.se_tunnels import MAKER, PROTOCOL, TunnelMeter

Run = Callable[[Sequence[str]], str]
Found = TypeVar("Found", bound=EmulatedDevice)
LARGEST_ID = 0xFFFFFFFE
IMPORTANCE = {"low": 0, "medium": 1, "high": 2, "critical": 3}
RANDOM = {"none": 0, "start": 1, "end": 2, "both": 3}
YES_NO = {"no": 0, "yes": 1}
LONGEST_WAIT_MINUTES = 525_600
_PRICE = re.compile(r"(\d{1,9})(?:\.(\d{1,6}))?")


def number(name: str, text: str) -> float:
    """A number. Raises `EmulatorError`."""
    try:
        return float(text)
    except ValueError:
        raise EmulatorError(f"{name} {text!r}: not a number") from None


def whole(name: str, text: str, least: int, most: int) -> int:
    """A whole number within limits, decimal or with 0x. Raises `EmulatorError`."""
    try:
        found = int(text, 0)
    except ValueError:
        found = least - 1
    if not least <= found <= most:
        raise EmulatorError(f"{name} {text!r}: must be a whole number from {least} to {most}")
    return found


def choice(name: str, text: str, choices: Mapping[str, int]) -> int:
    """What a word stands for. Raises `EmulatorError`."""
    if text not in choices:
        raise EmulatorError(f"{name} {text!r}: must be one of {', '.join(choices)}")
    return choices[text]


def _scaled(name: str, text: str, scale: int, least: int, most: int) -> int:
    value = number(name, text) * scale
    if not least <= value <= most:
        raise EmulatorError(f"{name} {text!r}: must be from {least / scale:g} to {most / scale:g}")
    return round(value)


def _minutes(text: str) -> int:
    return UNTIL_CHANGED if text == "forever" else whole("minutes", text, 1, UNTIL_CHANGED - 1)


class Options:
    """Words of the form NAME=VALUE. Raises `EmulatorError` for a name that there is not."""

    def __init__(self, words: Sequence[str], allowed: Sequence[str]) -> None:
        self._values: dict[str, str] = {}
        for word in words:
            name, sign, value = word.partition("=")
            if not sign or name not in allowed:
                raise EmulatorError(f"{word!r} is no option; options are {', '.join(f'{one}=' for one in allowed)}")
            self._values[name] = value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number."""
        return whole(name, self._values[name], least, most) if name in self._values else default

    def scaled(self, name: str, default: int, scale: int, least: int, most: int) -> int:
        """A number, in the unit of its field."""
        return _scaled(name, self._values[name], scale, least, most) if name in self._values else default

    def choice(self, name: str, choices: Mapping[str, int]) -> int:
        """A word; the first one unless said."""
        return choice(name, self._values.get(name, next(iter(choices))), choices)

    def minutes(self, default: int) -> int:
        """A duration."""
        return _minutes(self._values["minutes"]) if "minutes" in self._values else default

    def text(self, name: str) -> str:
        """A text."""
        return self._values.get(name, "")

    def number_of(self, next_id: Callable[[int | None], int]) -> int:
        """The number that the event gets."""
        return next_id(self.whole("id", 0, 0, LARGEST_ID) if "id" in self._values else None)

    def start(self, esi: EnergyServiceInterface) -> int:
        """When it starts, by minutes from now; 0: now."""
        after = self.whole("start", 0, 0, LONGEST_WAIT_MINUTES)
        return int(esi.utc()) + 60 * after if after else 0


class SmartEnergyCommands:
    """The commands, over whatever finds a device by its number or kind."""

    def __init__(self, find: Callable[[str], EmulatedDevice]) -> None:
        self._find = find
        self.table: Mapping[str, tuple[str, Run]] = {
            "usage": ("N|KIND home|fixed|rising [WH|WATTS]", self._usage),
            "export": ("N|KIND WATTS", self._export),
            "tier": ("N|KIND TIER", self._tier),
            "mirror": ("N|KIND request|report|remove|forget", self._mirror),
            "tunnel": ("N|KIND open|send|close [PROTOCOL|TUNNEL] [MANUFACTURER|TEXT...]", self._tunnel),
            "confirm": ("N|KIND [auto|by-hand]", self._confirm),
            "opt-out": ("N|KIND [EVENT]", self._opt_out),
            "opt-in": ("N|KIND [EVENT]", self._opt_in),
            "price": ("N|KIND PRICE [NAME=VALUE...]", self._price),
            "message": ("N|KIND [NAME=VALUE...] TEXT...", self._message),
            "drlc": ("N|KIND MINUTES [NAME=VALUE...]", self._drlc),
            "cancel": ("N|KIND drlc|message [ID|all] [randomised|confirm]", self._cancel),
        }

    def _of(self, text: str, kind: type[Found], what: str) -> Found:
        device = self._find(text)
        if not isinstance(device, kind):
            raise EmulatorError(f"{device.kind} is no {what}")
        return device

    def _esi(self, text: str) -> EnergyServiceInterface:
        return self._of(text, EnergyServiceInterface, "energy service interface")

    # -- meters, displays, load control --------------------------------------------------------------------------------

    def _usage(self, arguments: Sequence[str]) -> str:
        meter = self._of(arguments[0], SmartMeter, "smart meter").meter
        usage, *rest = arguments[1:]
        if usage == "home" and not rest:
            meter.follow_home()
        elif usage == "fixed" and rest:
            meter.stand_still(number("usage", rest[0]))
        elif usage == "rising" and rest:
            meter.rise(number("usage", rest[0]))
        else:
            raise EmulatorError(f"usage {' '.join(arguments[1:])!r}: must be home, fixed WH, or rising WATTS")
        return " ".join(("usage", *arguments[1:]))

    def _export(self, arguments: Sequence[str]) -> str:
        self._of(arguments[0], SmartMeter, "smart meter").meter.export(number("export", arguments[1]))
        return f"export {arguments[1]}"

    def _tier(self, arguments: Sequence[str]) -> str:
        meter = self._of(arguments[0], SmartMeter, "smart meter").meter
        meter.use_tier(whole("tier", arguments[1], 0, len(meter.tiers_delivered)))
        return f"tier {meter.tier}"

    def _mirror(self, arguments: Sequence[str]) -> str:
        meter = self._of(arguments[0], SleepyMeter, "meter that sleeps")
        match arguments[1]:
            case "request":
                meter.request_mirror()
            case "report":
                meter.report_to_mirror()
            case "remove":
                return f"removes mirror {meter.remove_mirror()}"
            case "forget":
                meter.forget_mirror()
            case what:
                raise EmulatorError(f"mirror {what!r}: must be request, report, remove or forget")
        return f"mirror {arguments[1]}"

    def _tunnel(self, arguments: Sequence[str]) -> str:
        device = self._of(arguments[0], TunnelMeter, "device with tunnels")
        what, *rest = arguments[1:]
        if what == "open" and len(rest) <= 2:
            protocol = whole("protocol", rest[0], 0, 254) if rest else PROTOCOL
            device.open_tunnel(protocol, whole("manufacturer", rest[1], 0, 0xFFFF) if len(rest) > 1 else MAKER)
            return "asks for a tunnel"
        if what == "send" and len(rest) > 1:
            device.send(whole("tunnel", rest[0], 0, 0xFFFE), " ".join(rest[1:]).encode())
        elif what == "close" and len(rest) == 1:
            device.close(whole("tunnel", rest[0], 0, 0xFFFE))
        else:
            raise EmulatorError("must be open [PROTOCOL [MANUFACTURER]], send TUNNEL TEXT, or close TUNNEL")
        return f"tunnel {what}"

    def _confirm(self, arguments: Sequence[str]) -> str:
        messaging = self._of(arguments[0], Display, "display").messaging
        if len(arguments) > 1:
            messaging.confirms_by_itself = not choice("confirm", arguments[1], {"auto": 0, "by-hand": 1})
            return f"confirms {arguments[1]}"
        return f"message {messaging.confirm()}"

    def _event(self, arguments: Sequence[str]) -> int | None:
        return whole("event", arguments[1], 0, LARGEST_ID) if len(arguments) > 1 else None

    def _opt_out(self, arguments: Sequence[str]) -> str:
        device = self._of(arguments[0], DrlcDevice, "device that follows load control events")
        return f"event {device.drlc.opt_out(self._event(arguments))}"

    def _opt_in(self, arguments: Sequence[str]) -> str:
        device = self._of(arguments[0], DrlcDevice, "device that follows load control events")
        return f"event {device.drlc.opt_in(self._event(arguments))}"

    # -- the utility's end ---------------------------------------------------------------------------------------------

    def _price(self, arguments: Sequence[str]) -> str:
        esi = self._esi(arguments[0])
        amount = _PRICE.fullmatch(arguments[1])
        if amount is None or int("".join(amount.groups(""))) > LARGEST_ID:
            raise EmulatorError(f"price {arguments[1]!r}: must be a price such as 0.2375")
        digits = len(amount[2] or "")
        allowed = ("minutes", "start", "tier", "tiers", "label", "currency", "unit", "ack", "id", "provider")
        options = Options(arguments[2:], allowed)
        label = options.text("label")
        if len(label.encode()) > MAX_LABEL_BYTES:
            raise EmulatorError(f"label {label!r}: must have at most {MAX_LABEL_BYTES} bytes")
        price = PublishPrice(
            provider_id=options.whole("provider", 1, 0, 0xFFFFFFFF),
            rate_label=label,
            issuer_event_id=options.number_of(esi.price.next_id),
            current_time=int(esi.utc()),
            unit_of_measure=options.whole("unit", 0, 0, 0xFF),
            currency=options.whole("currency", 840, 0, 0xFFFF),
            trailing_digits_and_tier=digits << 4 | options.whole("tier", 0, 0, 15),
            tiers_and_register=options.whole("tiers", 0, 0, 15) << 4,
            start_time=options.start(esi),
            duration_in_minutes=options.minutes(60),
            price=int("".join(amount.groups(""))),
            price_control=options.choice("ack", YES_NO),
        )
        return f"price {price.issuer_event_id} to {_clients(esi.price.create(price))}"

    def _message(self, arguments: Sequence[str]) -> str:
        esi = self._esi(arguments[0])
        allowed = ("minutes", "start", "importance", "confirm", "id")
        words = list(arguments[1:])
        said = []
        while words and words[0].partition("=")[0] in allowed and "=" in words[0]:
            said.append(words.pop(0))
        options = Options(said, allowed)
        control = options.choice("importance", IMPORTANCE) << 2 | options.choice("confirm", YES_NO) << 7
        message = DisplayMessage(
            message_id=options.number_of(esi.messaging.next_id),
            message_control=control,
            start_time=options.start(esi),
            duration_in_minutes=options.minutes(UNTIL_CHANGED),
            message=" ".join(words),
        )
        return f"message {message.message_id} to {_clients(esi.messaging.create(message))}"

    def _drlc(self, arguments: Sequence[str]) -> str:
        esi = self._esi(arguments[0])
        allowed = (
            "class", "group", "start", "criticality", "cooling-offset", "heating-offset", "cooling", "heating", "load",
            "duty", "random", "id",
        )  # fmt: skip
        options = Options(arguments[2:], allowed)
        event = LoadControlEvent(
            duration_in_minutes=whole("minutes", arguments[1], 1, 1440),
            device_class=options.whole("class", ALL_CLASSES, 1, 0xFFFF),
            utility_enrollment_group=options.whole("group", 0, 0, 0xFF),
            start_time=options.start(esi),
            criticality_level=options.whole("criticality", 1, 1, 15),
            cooling_temperature_offset=options.scaled("cooling-offset", 0xFF, 10, 0, 0xFE),
            heating_temperature_offset=options.scaled("heating-offset", 0xFF, 10, 0, 0xFE),
            cooling_temperature_set_point=options.scaled("cooling", -0x8000, 100, -27315, 0x7FFF),
            heating_temperature_set_point=options.scaled("heating", -0x8000, 100, -27315, 0x7FFF),
            average_load_adjustment_percentage=options.whole("load", -0x80, -100, 100),
            duty_cycle=options.whole("duty", 0xFF, 0, 100),
            event_control=options.choice("random", RANDOM),
            issuer_event_id=options.number_of(esi.drlc.next_id),
        )
        return f"event {event.issuer_event_id} to {_clients(esi.drlc.create(event))}"

    def _cancel(self, arguments: Sequence[str]) -> str:
        esi, what, rest = self._esi(arguments[0]), arguments[1], list(arguments[2:])
        if what not in ("drlc", "message"):
            raise EmulatorError(f"cancel {what!r}: must be drlc or message")
        extra = {"drlc": "randomised", "message": "confirm"}[what]
        has_extra = extra in rest
        if has_extra:
            rest.remove(extra)
        if len(rest) > 1:
            raise EmulatorError(f"{rest[1]!r}: after the number only {extra} may come")
        chosen = None if not rest or rest[0] == "all" else whole("id", rest[0], 0, LARGEST_ID)
        if what == "message":
            if rest == ["all"]:
                raise EmulatorError("there is one message at a time: say its number, or nothing for the last one")
            found, told = esi.messaging.cancel(chosen, confirm=has_extra)
            return f"message {found} to {_clients(told)}"
        if chosen is None:
            return f"all events to {_clients(esi.drlc.cancel_all(int(has_extra)))}"
        return f"event {chosen} to {_clients(esi.drlc.cancel(chosen, int(has_extra)))}"


def _clients(count: int) -> str:
    return f"{count} client{'' if count == 1 else 's'}"

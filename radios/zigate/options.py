"""What hub.toml says of a ZiGate, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from protocols.zigate.commands import Certification
from radios.api import OptionError, RadioConfig
from radios.stream import StreamUrl, parse_stream_url

CHANNELS = range(11, 27)
DEFAULT_CHANNELS = (11, 14, 15, 19, 20, 24, 25)
"""Those that lie beside the three usual WiFi channels, and 26 left out: some devices do not hear it."""
MAX_TX_POWER = 0xFF
_KNOWN = ("channels", "extended_pan_id", "led", "tx_power", "certification")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigateOptions:
    """The radio's options. None: leave the stick as it is."""

    url: StreamUrl
    channels: tuple[int, ...]
    """For a network that has yet to be formed."""
    extended_pan_id: int | None
    led: bool | None
    tx_power: int | None
    certification: Certification | None

    @property
    def channel_mask(self) -> int:
        """Bit n for channel n."""
        return sum(1 << channel for channel in self.channels)


def parse_options(config: RadioConfig) -> ZigateOptions:
    """Check a ZiGate's configuration. Raises `OptionError` that names the key and what is allowed."""
    options = config.options
    unknown = sorted(set(options) - set(_KNOWN))
    if unknown:
        raise OptionError(unknown[0], f"not an option of the zigate driver; known are {', '.join(_KNOWN)}")
    return ZigateOptions(
        url=parse_stream_url(config.pipe),
        channels=_channels(options.get("channels", list(DEFAULT_CHANNELS))),
        extended_pan_id=_extended_pan_id(options.get("extended_pan_id")),
        led=_flag(options, "led"),
        tx_power=_number(options, "tx_power", MAX_TX_POWER),
        certification=_region(options.get("certification")),
    )


def _channels(value: object) -> tuple[int, ...]:
    wrong = (
        not isinstance(value, list)
        or not value
        or any(
            isinstance(channel, bool) or not isinstance(channel, int) or channel not in CHANNELS for channel in value
        )
    )
    if wrong or not isinstance(value, list):
        raise OptionError("channels", f"{value!r} is not a list of channels from 11 to 26, as [15, 20, 25]")
    return tuple(sorted(set(value)))


def _extended_pan_id(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        digits = value.replace(":", "").removeprefix("0x")
        if re.fullmatch(r"[0-9a-fA-F]{16}", digits) and 0 < int(digits, 16) < 0xFFFFFFFFFFFFFFFF:
            return int(digits, 16)
    raise OptionError("extended_pan_id", f'{value!r} is not 16 hex digits, as "12ab34cd56ef7890"')


def _flag(options: Mapping[str, object], key: str) -> bool | None:
    value = options.get(key)
    if value is not None and not isinstance(value, bool):
        raise OptionError(key, f"{value!r} is not true or false")
    return value


def _number(options: Mapping[str, object], key: str, maximum: int) -> int | None:
    value = options.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
        raise OptionError(key, f"{value!r} is not a number from 0 to {maximum}")
    return value


def _region(value: object) -> Certification | None:
    if value is None:
        return None
    if value not in ("CE", "FCC"):
        raise OptionError("certification", f'{value!r} is neither "CE" nor "FCC"')
    return Certification[str(value)]

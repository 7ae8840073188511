"""What hub.toml says of a ZiGate, checked."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.zigate.commands import Certification
from radios.api import OptionError, RadioConfig
from radios.options import channels, check_known, extended_pan_id, flag, number
from radios.stream import StreamUrl, parse_stream_url

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
    check_known(options, _KNOWN, "zigate")
    return ZigateOptions(
        url=parse_stream_url(config.pipe),
        channels=channels(options.get("channels", list(DEFAULT_CHANNELS))),
        extended_pan_id=extended_pan_id(options.get("extended_pan_id")),
        led=flag(options, "led"),
        tx_power=number(options, "tx_power", MAX_TX_POWER),
        certification=_region(options.get("certification")),
    )


def _region(value: object) -> Certification | None:
    if value is None:
        return None
    if value not in ("CE", "FCC"):
        raise OptionError("certification", f'{value!r} is neither "CE" nor "FCC"')
    return Certification[str(value)]

"""What hub.toml says of an XBee, checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from radios.api import RadioConfig
from radios.options import TO_JOIN, channels, check_known, extended_pan_id, link_key, number
from radios.stream import StreamUrl, parse_stream_url

MAX_TX_POWER = 4
_KNOWN = ("channels", "extended_pan_id", "tx_power", *TO_JOIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class XbeeOptions:
    """The radio's options. None: leave the module as it is."""

    url: StreamUrl
    channels: tuple[int, ...] | None
    """For a network that has yet to be formed."""
    extended_pan_id: int | None
    tx_power: int | None
    """Register PL."""
    link_key: bytes | None = field(repr=False)
    """That it joins with, as a router; 16 bytes."""


def parse_options(config: RadioConfig) -> XbeeOptions:
    """Check an XBee's configuration. Raises `OptionError` that names the key and what is allowed."""
    options = config.options
    check_known(options, _KNOWN, "xbee")
    return XbeeOptions(
        url=parse_stream_url(config.pipe),
        channels=channels(options["channels"]) if "channels" in options else None,
        extended_pan_id=extended_pan_id(options.get("extended_pan_id")),
        tx_power=number(options, "tx_power", MAX_TX_POWER),
        link_key=link_key(config),
    )

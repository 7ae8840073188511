"""What hub.toml says of an EZSP stick, checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from radios.api import RadioConfig
from radios.options import TO_JOIN, channels, check_known, extended_pan_id, flag, link_key, number
from radios.stream import StreamUrl, parse_stream_url

DEFAULT_CHANNELS = (11, 14, 15, 19, 20, 24, 25)
"""Those that lie beside the three usual WiFi channels, and 26 left out: some devices do not hear it."""
MAX_TX_POWER_DBM = 20
_KNOWN = ("channels", "extended_pan_id", "tx_power", "well_known_key", *TO_JOIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class EzspOptions:
    """The radio's options. None: leave the stick as it is."""

    url: StreamUrl
    channels: tuple[int, ...] | None
    """For a network that has yet to be formed, or to be found; None: the usual ones, or all."""
    extended_pan_id: int | None
    tx_power: int | None
    """dBm."""
    well_known_key: bool
    """While joining is open, devices without a key of their own may join with the one that everybody knows."""
    link_key: bytes | None = field(repr=False)
    """That it joins with, as a router; 16 bytes."""


def parse_options(config: RadioConfig) -> EzspOptions:
    """Check an EZSP stick's configuration. Raises `OptionError` that names the key and what is allowed."""
    options = config.options
    check_known(options, _KNOWN, "ezsp")
    return EzspOptions(
        url=parse_stream_url(config.pipe),
        channels=channels(options["channels"]) if "channels" in options else None,
        extended_pan_id=extended_pan_id(options.get("extended_pan_id")),
        tx_power=number(options, "tx_power", MAX_TX_POWER_DBM),
        well_known_key=bool(flag(options, "well_known_key")),
        link_key=link_key(config),
    )

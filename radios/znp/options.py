"""What hub.toml says of a Z-Stack stick, checked."""

from __future__ import annotations

from dataclasses import dataclass

from radios.api import OptionError, RadioConfig
from radios.options import TO_JOIN, channels, check_known, extended_pan_id, flag, number
from radios.stream import StreamUrl, parse_stream_url

DEFAULT_CHANNELS = (11, 14, 15, 19, 20, 24, 25)
"""Those that lie beside the three usual WiFi channels, and 26 left out: some devices do not hear it."""
MAX_TX_POWER_DBM = 20
COORDINATOR_ONLY = "a Z-Stack stick is the coordinator of its own network and joins no other one"
_KNOWN = ("channels", "extended_pan_id", "tx_power", "well_known_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZnpOptions:
    """The radio's options. None: leave the stick as it is."""

    url: StreamUrl
    channels: tuple[int, ...] | None
    """For a network that has yet to be formed; None: the usual ones."""
    extended_pan_id: int | None
    tx_power: int | None
    """dBm."""
    well_known_key: bool
    """While joining is open, devices without a key of their own may join with the one that everybody knows."""


def parse_options(config: RadioConfig) -> ZnpOptions:
    """Check a Z-Stack stick's configuration. Raises `OptionError` that names the key and what is allowed."""
    options = config.options
    for key in TO_JOIN:
        if key in options:
            raise OptionError(key, f"is for a radio that joins a network: {COORDINATOR_ONLY}; leave it out")
    if config.joins:
        raise OptionError(
            "driver", f"{COORDINATOR_ONLY}: set hub.role to esi_coordinator, or use an xbee or ezsp radio"
        )
    check_known(options, _KNOWN, "znp")
    return ZnpOptions(
        url=parse_stream_url(config.pipe),
        channels=channels(options["channels"]) if "channels" in options else None,
        extended_pan_id=extended_pan_id(options.get("extended_pan_id")),
        tx_power=number(options, "tx_power", MAX_TX_POWER_DBM),
        well_known_key=bool(flag(options, "well_known_key")),
    )

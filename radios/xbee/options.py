"""What hub.toml says of an XBee, checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.errors import RangeError
from radios.api import RadioConfig
from radios.errors import OptionError
from radios.options import channels, check_known, extended_pan_id, number, secret
from radios.stream import StreamUrl, parse_stream_url

MAX_TX_POWER = 4
_KNOWN = ("channels", "extended_pan_id", "tx_power", "install_code", "link_key")
_TO_JOIN = ("install_code", "link_key")


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
        link_key=_link_key(config),
    )


def _link_key(config: RadioConfig) -> bytes | None:
    """The key to join with, however it was given; never shown."""
    given = [key for key in _TO_JOIN if config.options.get(key) is not None]
    if not given:
        return None
    if not config.joins:
        raise OptionError(given[0], "is for a radio that joins a network: set hub.role to esi_router or aux_gateway")
    if len(given) > 1:
        raise OptionError("link_key", "is given beside install_code; allowed is one of the two")
    # Costs a library that nobody else needs at the start.
    from protocols.install_code import InstallCode, parse_link_key

    text = secret(config.options, given[0]) or ""
    try:
        return InstallCode.parse(text).link_key if given[0] == "install_code" else parse_link_key(text)
    except RangeError as error:
        raise OptionError(given[0], f"is {error.value}; allowed: {error.allowed}") from None

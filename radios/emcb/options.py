"""What hub.toml says of an EMCB radio, checked."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from radios.api import OptionError, RadioConfig, UdpKeys
from radios.keys import parse_device_id, parse_keys
from radios.pipe import UdpUrl, parse_udp_url

DEFAULT_POLL_INTERVAL_S = 1.0
MIN_POLL_INTERVAL_S = 0.2
"""A breaker renews its meter record every 200 ms; polling faster brings nothing new (EMCB-LIB captures)."""
MAX_POLL_INTERVAL_S = 25.0
"""The update number wraps after 51.2 s; polls must be less than half of that apart to count periods safely."""
DEFAULT_DISCOVERY_INTERVAL_S = 60.0
MIN_DISCOVERY_INTERVAL_S = 5.0
MAX_DISCOVERY_INTERVAL_S = 86_400.0

_KNOWN = (
    "broadcast_key",
    "unicast_keys",
    "addresses",
    "poll_interval_s",
    "discovery_interval_s",
    "group_control",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmcbOptions:
    """The radio's options."""

    url: UdpUrl
    keys: UdpKeys
    addresses: Mapping[str, str]
    """Device id -> IPv4 address of breakers that broadcasts do not reach."""
    poll_interval_s: float
    discovery_interval_s: float
    group_control: bool
    """Keep the sequence numbers of all breakers together, so that one broadcast can move them all."""


def parse_options(config: RadioConfig) -> EmcbOptions:
    """Check an EMCB radio's configuration. Raises `OptionError` that names the key and what is allowed."""
    options = config.options
    unknown = sorted(set(options) - set(_KNOWN))
    if unknown:
        raise OptionError(unknown[0], f"not an option of the emcb driver; known are {', '.join(_KNOWN)}")
    return EmcbOptions(
        url=parse_udp_url(config.pipe),
        keys=parse_keys(options.get("broadcast_key"), options.get("unicast_keys", {})),
        addresses=_addresses(options.get("addresses", {})),
        poll_interval_s=_seconds(
            options, "poll_interval_s", DEFAULT_POLL_INTERVAL_S, MIN_POLL_INTERVAL_S, MAX_POLL_INTERVAL_S
        ),
        discovery_interval_s=_seconds(
            options,
            "discovery_interval_s",
            DEFAULT_DISCOVERY_INTERVAL_S,
            MIN_DISCOVERY_INTERVAL_S,
            MAX_DISCOVERY_INTERVAL_S,
        ),
        group_control=_flag(options, "group_control", default=True),
    )


def _addresses(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise OptionError("addresses", 'must be a table: "<device id>" = "<IPv4 address>"')
    found: dict[str, str] = {}
    for device_id, text in value.items():
        name = parse_device_id("addresses", device_id)
        try:
            address = ipaddress.IPv4Address(text)
        except ValueError:
            raise OptionError(f"addresses.{name}", f"{text!r} is not an IPv4 address") from None
        if not (address.is_private or address.is_loopback) or address.is_unspecified:
            raise OptionError(f"addresses.{name}", f"{text} is not an address of a private network")
        found[name] = str(address)
    return found


def _seconds(options: Mapping[str, object], key: str, default: float, minimum: float, maximum: float) -> float:
    value = options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
        raise OptionError(key, f"{value!r} is not a number of seconds from {minimum:g} to {maximum:g}")
    return float(value)


def _flag(options: Mapping[str, object], key: str, *, default: bool) -> bool:
    value = options.get(key, default)
    if not isinstance(value, bool):
        raise OptionError(key, f"{value!r} is not true or false")
    return value

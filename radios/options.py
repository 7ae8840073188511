"""Options that several drivers have, checked: each raises `OptionError`, which names the key and what is allowed."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from protocols.errors import RangeError
from radios.api import NetworkInfo, RadioConfig
from radios.errors import OptionError

log = logging.getLogger(__name__)

CHANNELS = range(11, 27)
TO_JOIN = ("install_code", "link_key")
"""For radios that can join a network: the key that they join with, given in one way or the other."""


def check_known(options: Mapping[str, object], known: Sequence[str], driver: str) -> None:
    """Refuse an option that the driver does not have."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise OptionError(unknown[0], f"not an option of the {driver} driver; known are {', '.join(known)}")


def channels(value: object) -> tuple[int, ...]:
    """A list of Zigbee channels, in order and once each."""
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


def extended_pan_id(value: object) -> int | None:
    """16 hex digits; None stays None."""
    if value is None:
        return None
    if isinstance(value, str):
        digits = value.replace(":", "").removeprefix("0x")
        if re.fullmatch(r"[0-9a-fA-F]{16}", digits) and 0 < int(digits, 16) < 0xFFFFFFFFFFFFFFFF:
            return int(digits, 16)
    raise OptionError("extended_pan_id", f'{value!r} is not 16 hex digits, as "12ab34cd56ef7890"')


def flag(options: Mapping[str, object], key: str) -> bool | None:
    """True or false; None where it is not given."""
    value = options.get(key)
    if value is not None and not isinstance(value, bool):
        raise OptionError(key, f"{value!r} is not true or false")
    return value


def number(options: Mapping[str, object], key: str, maximum: int) -> int | None:
    """0 to `maximum`; None where it is not given."""
    value = options.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
        raise OptionError(key, f"{value!r} is not a number from 0 to {maximum}")
    return value


def secret(options: Mapping[str, object], key: str) -> str | None:
    """A text that nobody is to see, as it is or as `file:/path/to/it`; None where it is not given."""
    value = options.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise OptionError(key, "must be text, or file:/path/to/it")
    if not value.startswith("file:"):
        return value
    path = Path(value.removeprefix("file:")).expanduser()
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise OptionError(key, f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OptionError(key, f"{path} is not text") from None


def link_key(config: RadioConfig) -> bytes | None:
    """The key to join with, however it was given; never shown."""
    given = [key for key in TO_JOIN if config.options.get(key) is not None]
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


def told_apart(
    name: str, network: NetworkInfo, wanted_pan: int | None, wanted_channels: tuple[int, ...] | None
) -> None:
    """Tell how a running network differs from the configuration: it is never left for that."""
    wishes = []
    if wanted_pan not in (None, network.extended_pan_id):
        wishes.append(f"extended PAN id {network.extended_pan_id:016x}, not {wanted_pan:016x}")
    if wanted_channels is not None and network.channel not in wanted_channels:
        wishes.append(f"channel {network.channel}, not one of {', '.join(map(str, wanted_channels))}")
    if wishes:
        log.warning(
            "%s: the radio's network has %s as configured: it is left as it is; erase it to form another one",
            name,
            " and ".join(wishes),
        )

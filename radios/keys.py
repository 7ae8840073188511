"""UDP keys of breakers, and how people write them down."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from protocols.emcb import DEVICE_ID_SIZE, KEY_SIZE
from radios.errors import OptionError

_DEVICE_ID = re.compile(rf"[0-9A-Za-z]{{{DEVICE_ID_SIZE}}}\Z")


@dataclass(frozen=True, slots=True)
class UdpKeys:
    """UDP keys as bytes. Each tuple holds one or two, tried in turn: the primary and the one that replaces it."""

    broadcast: tuple[bytes, ...] = ()
    unicast: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"UdpKeys({len(self.broadcast)} broadcast, unicast for {len(self.unicast)} breakers)"


def parse_keys(broadcast: object, unicast: object) -> UdpKeys:
    """Keys as people write them: one text, or a list of two (primary, secondary).

    Raises `OptionError`, which never shows a key.
    """
    if not isinstance(unicast, Mapping):
        raise OptionError("unicast_keys", 'must be a table: "<device id>" = "<key>"')
    return UdpKeys(
        broadcast=() if broadcast is None else _key_pair("broadcast_key", broadcast),
        unicast={
            parse_device_id("unicast_keys", device_id): _key_pair(f"unicast_keys.{device_id}", value)
            for device_id, value in unicast.items()
        },
    )


def _key_pair(name: str, value: object) -> tuple[bytes, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(values) <= 2:
        raise OptionError(name, f"{len(values)} keys given; one or two are allowed (primary, secondary)")
    return tuple(_key(name, item) for item in values)


def _key(name: str, value: object) -> bytes:
    form = f"{KEY_SIZE} bytes as {2 * KEY_SIZE} hex digits, as base64, or as file:/path/to/key"
    if not isinstance(value, str):
        raise OptionError(name, f"must be text: {form}")
    if value.startswith("file:"):
        path = Path(value.removeprefix("file:")).expanduser()
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise OptionError(name, f"cannot read {path}: {error.strerror}") from None
        if len(raw) == KEY_SIZE:
            return raw
        value = raw.decode("ascii", "replace").strip()
    for decode in (_from_hex, _from_base64):
        key = decode(value)
        if key is not None and len(key) == KEY_SIZE:
            return key
    size = next((len(key) for decode in (_from_hex, _from_base64) if (key := decode(value)) is not None), None)
    found = "neither hex nor base64" if size is None else f"{size} bytes long"
    raise OptionError(name, f"is {found}; allowed: {form}")


def _from_hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text.replace(":", ""))
    except ValueError:
        return None


def _from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def parse_device_id(name: str, value: object) -> str:
    """A breaker's device id. Raises `OptionError` that names `name`."""
    if not isinstance(value, str) or not _DEVICE_ID.match(value):
        raise OptionError(name, f"{value!r} is not a device id: {DEVICE_ID_SIZE} letters or digits")
    return value

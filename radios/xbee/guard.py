"""Which AT commands a person may give to a module: all but what would break the link to it."""

from __future__ import annotations

import logging

from protocols.errors import CodecError
from protocols.xbee.at import Access, Effect, Register, register
from radios.api import OptionError

log = logging.getLogger(__name__)


def allowed(radio: str, name: str, value: bytes | None) -> Register:
    """The register or command called so; None for `value`: it is read, or carried out.

    Raises `OptionError` for what is unknown, read only, does not fit, or would break the link.
    """
    try:
        row = register(name)
        if value is not None:
            row.check(value)
    except CodecError as error:
        raise OptionError("command", str(error)) from None
    if row.effect is Effect.LINK and (value is not None or row.access is Access.EXECUTE):
        raise OptionError("command", f"{row.name} is not written from here: {row.effect.value}")
    if value is not None and row.effect is Effect.NETWORK:
        log.warning("%s: %s is written: %s", radio, row.name, row.effect.value)
    return row

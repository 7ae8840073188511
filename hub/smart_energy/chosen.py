"""Which network is meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from hub.errors import InvalidError, NotFoundError, UnsupportedError

T = TypeVar("T")


def chosen(radio: str | None, networks: Mapping[str, T], able: Sequence[str], what: str, none: str) -> T:
    """The network of a radio; of those that are `able` the only one where none is named.

    Raises `NotFoundError` for another `what`, `InvalidError` where there are several, `UnsupportedError` with `none`
    where there is none.
    """
    if radio is not None:
        found = networks.get(radio)
        if found is None:
            raise NotFoundError(what, radio, tuple(difflib.get_close_matches(radio, networks, 3)))
        return found
    if not able:
        raise UnsupportedError(none)
    if len(able) > 1:
        raise InvalidError("radio", "missing", f"one of {', '.join(able)}")
    return networks[able[0]]

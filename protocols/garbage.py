"""What the deframers of serial lines give beside frames."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no frame."""

    data: bytes
    reason: str
    """Which rule they break, in a word; "payload": a good frame whose content cannot be read."""
    detail: str = ""
    """What the reader of the content said."""

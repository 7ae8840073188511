"""Roles of tokens, apart from all that checks them: the table of RPC requests needs no more, and is read by hubctl."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a token may do: look; also switch; everything."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Higher may do what lower may."""
        return _RANKS[self]

    def covers(self, needed: Role) -> bool:
        """Whether this role is enough where `needed` is asked for."""
        return self.rank >= needed.rank


_RANKS = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}

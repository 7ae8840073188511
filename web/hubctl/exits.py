"""How hubctl ends: exit codes, and the error that carries one."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes. The first six are part of the contract; the others are what a shell expects."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNKNOWN = 4
    UNREACHABLE = 5
    INTERRUPTED = 130
    """128 + SIGINT."""
    BROKEN_PIPE = 141
    """128 + SIGPIPE: who reads our output went away."""


class HubctlError(Exception):
    """Why a command cannot go on, in one sentence, and the exit code that says so."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code

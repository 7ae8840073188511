"""Files that a command takes: text, or what is piped in."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from web.hubctl.context import is_terminal
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.output import line

LONGEST_FILE = 1024 * 1024
"""Characters: keys of 10,000 breakers."""


def read_text(file: str, invitation: str) -> tuple[str, str]:
    """What the file is called, and what is in it; `-` is standard input, to which a person gets the `invitation`.

    Raises `HubctlError`.
    """
    if file == "-" and is_terminal("stdin", "stderr"):
        line(invitation, "dim", err=True)
    where = "standard input" if file == "-" else file
    try:
        if file == "-":
            text = sys.stdin.read(LONGEST_FILE + 1)
        else:
            with Path(file).open(encoding="utf-8") as source:
                text = source.read(LONGEST_FILE + 1)
    except OSError as error:
        raise HubctlError(f"{where} cannot be read: {error.strerror}", Exit.USAGE) from None
    except UnicodeDecodeError:
        raise HubctlError(f"{where} is not text (UTF-8)", Exit.USAGE) from None
    if len(text) > LONGEST_FILE:
        raise HubctlError(f"{where} is longer than {LONGEST_FILE} characters", Exit.USAGE)
    return where, text


def write_secret(file: str, data: bytes) -> None:
    """Put what holds keys into a file that its owner alone may read; `-` is standard output. Raises `HubctlError`."""
    if file == "-":
        sys.stdout.write(data.decode())
        return
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
            if stat.S_ISREG(os.fstat(target.fileno()).st_mode):
                os.fchmod(target.fileno(), 0o600)  # it may have been there
            target.write(data)
    except OSError as error:
        raise HubctlError(f"{file} cannot be written: {error.strerror}", Exit.FAILED) from None

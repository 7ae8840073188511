"""Keys and codes that a command takes: said, piped in, or asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from web.hubctl.context import is_terminal
from web.hubctl.exits import Exit, HubctlError

ASK = "\0"
"""A secret that is to be asked for; nobody can type it on a command line."""
LONGEST_SECRET = 256
"""Characters of a line that is piped in: a code with all its separators is shorter."""
Function = TypeVar("Function", bound=Callable[..., Any])


def install_code_option(help_: str) -> Callable[[Function], Function]:
    """`--install-code`, with or without the code. `help_`: what it is for."""
    return click.option(
        "--install-code",
        metavar="[CODE|-]",
        is_flag=False,
        flag_value=ASK,
        help=f"{help_} Best without CODE: then it is asked for and not shown; - reads it from a pipe.",
    )


def link_key_option(help_: str) -> Callable[[Function], Function]:
    """`--link-key`, with or without the key. `help_`: what it is for."""
    return click.option(
        "--link-key",
        metavar="[KEY|-]",
        is_flag=False,
        flag_value=ASK,
        help=f"{help_} Asked for or piped in like the code.",
    )


def secrets_of(install_code: str | None, link_key: str | None) -> tuple[str | None, str | None]:
    """Code and key as they are sent; one of them at most. Raises `HubctlError`."""
    if install_code is not None and link_key is not None:
        raise HubctlError("--install-code or --link-key, not both: the key is made from the code", Exit.USAGE)
    return _secret(install_code, "Installation code"), _secret(link_key, "Link key")


def _secret(said: str | None, what: str) -> str | None:
    """What was said, piped in, or answered to our question."""
    if said == "-" and not is_terminal("stdin"):
        return sys.stdin.readline(LONGEST_SECRET).strip()
    if said in (ASK, "-"):
        answer: str = click.prompt(what, hide_input=True, err=True)
        return answer
    return said

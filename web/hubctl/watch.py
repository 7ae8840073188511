"""`hubctl watch`: the house, live."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeVar

import click

from web.hubctl.context import App, is_terminal, json_option, pass_app
from web.hubctl.exits import Exit
from web.hubctl.output import clean, line
from web.hubctl.units import local

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from web.client import HubClient

FIRST_RETRY_S = 0.5
"""A hub that restarts is back within a second or two."""
LONGEST_RETRY_S = 10.0
"""Nobody who looks at a screen waits longer than this for it to come back."""

T = TypeVar("T")


class Lost:
    """Said by `unbroken` in the place of an event: the connection is gone, and when it is tried again."""

    def __init__(self, reason: str, retry_s: float) -> None:
        self.reason, self.retry_s = reason, retry_s


@click.command()
@json_option
@pass_app
def watch(app: App, as_json: bool) -> int:
    """The house, live, until Ctrl-C.

    In a terminal a table that renews itself; in a pipe a line for everything that happens; with --json every event
    as the hub says it, one on each line, a snapshot first. When the hub goes away it is tried again until it is back.
    """

    async def work(hub: HubClient) -> None:
        if as_json:
            await _watch_json(hub)
        elif is_terminal("stdout"):
            from web.hubctl.screen import watch_screen

            await watch_screen(hub)
        else:
            await _watch_lines(hub)

    try:
        app.run(work)
    except KeyboardInterrupt:
        # The way to end it, not a failure.
        return Exit.OK
    return Exit.OK


async def unbroken(connect: Callable[[], AsyncGenerator[T, None]]) -> AsyncIterator[T | Lost]:
    """What `connect` says, over and over: after a loss it is tried again. Only the first connection may fail."""
    import asyncio

    from web.client import ClientError, ProblemError

    seen = False
    retry_s = FIRST_RETRY_S
    while True:
        stream = connect()
        try:
            async for said in stream:
                seen, retry_s = True, FIRST_RETRY_S
                yield said
        except ProblemError:
            # A revoked token: trying again would not help.
            raise
        except ClientError as error:
            if not seen:
                raise
            yield Lost(str(error), retry_s)
        finally:
            await stream.aclose()
        await asyncio.sleep(retry_s)
        retry_s = min(retry_s * 2, LONGEST_RETRY_S)


async def _watch_json(hub: HubClient) -> None:
    async for said in unbroken(hub.messages):
        if isinstance(said, Lost):
            say_lost(said)
        else:
            sys.stdout.write(said + "\n")
            sys.stdout.flush()


async def _watch_lines(hub: HubClient) -> None:
    from web.client_model import ReadingsTaken, Snapshot
    from web.hubctl.house import HouseView, happening, readings_line

    view = HouseView()
    async for event in unbroken(hub.events):
        if isinstance(event, Lost):
            say_lost(event)
            continue
        told: tuple[str, str] | None
        if isinstance(event, Snapshot):
            told = event.hub.name or "hub", f"connected, {len(event.devices)} devices"
        elif isinstance(event, ReadingsTaken):
            text = readings_line(event)
            told = (view.names().get(event.device_id, event.device_id), text) if text else None
        else:
            told = happening(event, view.devices)
        view.apply(event)
        if told is not None:
            click.echo(f"{local(event.time)}  {clean(told[0])}  {clean(told[1])}")
            sys.stdout.flush()


def say_lost(lost: Lost) -> None:
    """Tell a person that the connection is gone."""
    line(f"{lost.reason}; trying again", "yellow", err=True)

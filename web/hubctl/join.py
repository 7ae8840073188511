"""`hubctl join`: joining is open, and every device's interview is seen as it goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, pass_app
from web.hubctl.exits import Exit
from web.hubctl.networks import radio_argument, the_radio
from web.hubctl.output import line

if TYPE_CHECKING:
    from web.client import HubClient
    from web.hubctl.joining import Joining


@click.command()
@radio_argument
@click.option("--seconds", type=click.IntRange(1, 3600), default=254, show_default=True, help="How long it is open.")
@click.option("--count", type=click.IntRange(1), help="Close it after so many devices are done.")
@json_option
@pass_app
def join(app: App, radio: str | None, seconds: int, count: int | None, as_json: bool) -> int:
    """Let new devices join, and see each of them being asked what it is.

    Open it, then start the joining of the device: hold its button, or switch it on and off five times; its manual says.
    Ends when the time is over, after --count devices, or with Ctrl-C; joining is closed then.
    """

    async def opened(hub: HubClient) -> Joining:
        from web.hubctl.joining import Joining

        return Joining(hub, await the_radio(hub, radio), count, as_json)

    return follow(app, opened, seconds)


def follow(app: App, opened: Callable[[HubClient], Awaitable[Joining]], seconds: int) -> int:
    """Run a window to its end, or to Ctrl-C, and close it."""
    windows: list[Joining] = []

    async def work(hub: HubClient) -> Exit:
        window = await opened(hub)
        windows.append(window)
        try:
            return await window.run(seconds)
        finally:
            await window.close()

    try:
        return app.run(work)
    except KeyboardInterrupt:
        if any(window.is_open for window in windows):
            line("joining may still be open; close it with hubctl network permit --close", "yellow", err=True)
            return Exit.UNKNOWN
        return Exit.OK

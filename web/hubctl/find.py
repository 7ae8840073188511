"""Which device a person means: by id, by name, or by the beginning or end of an id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from web.hubctl.exits import Exit, HubctlError
from web.hubctl.output import clean

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from web.client import HubClient
    from web.client_model import Device

T = TypeVar("T")

SHORTEST_PART = 4
"""Characters of an id that may stand for it: one or two would switch the wrong breaker at the first typing error."""
HOUSE = "house"
COMPLETION_TIMEOUT_S = 2.0
"""Nobody waits longer for a tab."""


def find(devices: Sequence[Device], said: str, what: str = "device") -> Device:
    """The one that is meant. Raises `HubctlError` for none, and for several."""
    wanted = said.strip().casefold()
    ways: tuple[Callable[[Device], bool], ...] = (
        lambda device: device.id.casefold() == wanted,
        lambda device: device.name.strip().casefold() == wanted,
        lambda device: len(wanted) >= SHORTEST_PART and _is_part(device.id.casefold(), wanted),
    )
    for way in ways:
        found = [device for device in devices if way(device)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{clean(device.name)} ({device.id})" for device in found)
            raise HubctlError(f"{clean(said)!r} may be any of these: {names}; say the whole id", Exit.USAGE)
    raise HubctlError(_not_found(devices, said, what), Exit.NOT_FOUND)


async def find_device(hub: HubClient, said: str) -> Device:
    """The device that is meant."""
    return find(await hub.devices(), said)


async def find_breakers(hub: HubClient, said: Sequence[str]) -> list[Device]:
    """The breakers that are meant, each once, in the order said."""
    breakers = await hub.breakers()
    found = {device.id: device for device in (find(breakers, one, "breaker") for one in said)}
    return list(found.values())


def complete_device(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names and ids for the shell; nothing at all when the hub does not answer."""
    from click.shell_completion import CompletionItem

    devices = asked_quietly(ctx, lambda hub: hub.devices())
    begun = incomplete.casefold()
    found = [
        CompletionItem(device.name, help=device.id)
        for device in devices
        if device.name.isprintable() and device.name.casefold().startswith(begun)
    ]
    ids = [CompletionItem(device.id, help=device.name) for device in devices if device.id.startswith(begun)]
    # Ids only once somebody begins one: names are what people type.
    return found + (ids if incomplete else [])


def asked_quietly(ctx: click.Context, question: Callable[[HubClient], Awaitable[Sequence[T]]]) -> Sequence[T]:
    """The hub's answer for a completion; nothing at all when it does not answer."""
    import asyncio
    import os

    from web.client import ClientError
    from web.hubctl.context import App

    root = ctx.find_root().params
    try:
        app = App.from_environment(root.get("url"), root.get("token"), os.environ)

        async def ask(hub: HubClient) -> Sequence[T]:
            async with asyncio.timeout(COMPLETION_TIMEOUT_S):
                return await question(hub)

        return app.run(ask)
    except (HubctlError, ClientError, TimeoutError):
        return ()


def _is_part(device_id: str, wanted: str) -> bool:
    """The beginning or end of an id, with or without the radio's prefix."""
    bare = device_id.partition("-")[2]
    return device_id.startswith(wanted) or bare.startswith(wanted) or device_id.endswith(wanted)


def _not_found(devices: Sequence[Device], said: str, what: str) -> str:
    import difflib

    if not devices:
        return f"there is no {what} {clean(said)!r}: the hub knows none yet"
    names = {word.casefold(): word for device in devices for word in (device.id, device.name)}
    near = [clean(names[word]) for word in difflib.get_close_matches(said.strip().casefold(), names, 3, 0.5)]
    hint = f"did you mean {' or '.join(near)}?" if near else "see: hubctl devices"
    return f"there is no {what} {clean(said)!r}; {hint}"

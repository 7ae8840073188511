"""`hubctl tunnel ...`: tunnels to and from Smart Energy devices, as a pipe."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.find import complete_device, find_device
from web.hubctl.networks import complete_radio, radio_argument, the_radio
from web.hubctl.output import Cell, Column, Table, clean, line, print_json, show, words

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_model import Event
    from web.client_tunnels import Tunnel, TunnelProtocol

PROTOCOLS = {
    "dlms_cosem": 0, "iec_61107": 1, "ansi_c12": 2, "m_bus": 3, "sml": 4, "climate_talk": 5, "gb_hrgp": 6, "ipv4": 7,
    "ipv6": 8, "null": 9,
}  # fmt: skip
HIGHEST_PROTOCOL = 254
PIECE = 4096
"""Bytes of standard input at once."""
MOST_WAITING, LOOK_AGAIN_S = 16 << 10, 0.2
"""Bytes that the hub may have yet to send before more are given to it."""
LEASE_S = 60
"""The protocol is answered for so long after this program is gone, at most."""


def _protocol(_ctx: click.Context, _: click.Parameter, said: str) -> int:
    name = said.lower().replace("-", "_")
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if name.isascii() and name.isdecimal() and int(name[:4]) <= HIGHEST_PROTOCOL:
        return int(name)
    raise click.BadParameter(f"{clean(said)!r}: must be one of {', '.join(PROTOCOLS)}, or 0 to {HIGHEST_PROTOCOL}")


def _code(_ctx: click.Context, _: click.Parameter, said: str | None) -> int | None:
    if said is None:
        return None
    with suppress(ValueError):
        if 0 <= int(said, 0) <= 0xFFFE:
            return int(said, 0)
    raise click.BadParameter(f"{clean(said)!r}: must be 0 to 0xFFFE")


protocol_option = click.option(
    "--protocol", required=True, callback=_protocol, metavar="NAME|N", help=f"{', '.join(PROTOCOLS)}, or its number."
)
manufacturer_option = click.option(
    "--manufacturer", callback=_code, metavar="CODE", help="Whose protocol, for numbers from 200 on: as 0x1234."
)
quiet_option = click.option(
    "--quiet",
    type=click.FloatRange(0, 3600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="After the end of input, end when nothing has come for so long.",
)
radio_option = click.option("--radio", metavar="RADIO", shell_complete=complete_radio, help="On this network.")


@click.command("open")
@click.argument("device", shell_complete=complete_device)
@protocol_option
@manufacturer_option
@click.option("--endpoint", type=click.IntRange(1, 240), help="Of the device; else the first that serves tunnels.")
@click.option("--flow-control", is_flag=True, help="Send only what the device has room for.")
@quiet_option
@pass_app
def open_(
    app: App,
    device: str,
    protocol: int,
    manufacturer: int | None,
    endpoint: int | None,
    flow_control: bool,
    quiet: float,
) -> int:
    """Open a tunnel to a device: standard input goes into it, and what comes out of it to standard output.

    It is closed when the device closes it, with Ctrl-C, and a while after the end of input.
    """

    async def work(hub: HubClient) -> None:
        found = await find_device(hub, device)
        events = hub.events()
        try:
            await anext(events)  # nothing that comes through the tunnel is missed
            tunnel = await hub.open_tunnel(
                found.radio, found.id, protocol, manufacturer=manufacturer, endpoint=endpoint, flow_control=flow_control
            )
            await _talk(hub, events, tunnel, quiet)
        finally:
            await events.aclose()

    return _until_interrupted(app, work)


@click.command()
@protocol_option
@manufacturer_option
@radio_option
@quiet_option
@pass_app
def answer(app: App, protocol: int, manufacturer: int | None, radio: str | None, quiet: float) -> int:
    """Wait for a device that opens a tunnel of a protocol, and talk to it as `tunnel open` does."""

    async def work(hub: HubClient) -> None:
        from web.client_tunnels import TunnelChanged

        name = await the_radio(hub, radio)
        events = hub.events()
        lease = asyncio.create_task(_answer(hub, name, protocol, manufacturer), name="lease")
        try:
            await anext(events)
            await hub.answer_protocol(name, protocol, manufacturer=manufacturer, lease_s=LEASE_S)
            async for event in events:
                if isinstance(event, TunnelChanged) and (event.radio, event.what) == (name, "opened"):
                    found = [one for one in (await hub.tunnels(name)).tunnels if one.id == event.tunnel]
                    if found and found[0].opened_by == "device" and found[0].protocol.protocol == protocol:
                        await _talk(hub, events, found[0], quiet)
                        break
        finally:
            lease.cancel()
            await asyncio.gather(lease, return_exceptions=True)
            await events.aclose()
            from web.client import ClientError

            with suppress(ClientError):
                await hub.stop_protocol(name, protocol, manufacturer=manufacturer)

    return _until_interrupted(app, work)


async def _answer(hub: HubClient, radio: str, protocol: int, manufacturer: int | None) -> None:
    """Say again and again that somebody is here."""
    while True:
        await asyncio.sleep(LEASE_S / 2)
        await hub.answer_protocol(radio, protocol, manufacturer=manufacturer, lease_s=LEASE_S)


def _until_interrupted(app: App, work: Callable[[HubClient], Coroutine[None, None, None]]) -> int:
    try:
        app.run(work)
    except KeyboardInterrupt:
        # The way to end it, not a failure.
        return Exit.OK
    return Exit.OK


async def _talk(hub: HubClient, events: AsyncGenerator[Event, None], tunnel: Tunnel, quiet_s: float) -> None:
    """Carry both ways until one side has enough; the tunnel is closed then."""
    last = [asyncio.get_running_loop().time()]
    out = asyncio.create_task(_out(events, tunnel, last), name="out of the tunnel")
    into = asyncio.create_task(_into(hub, tunnel, last, quiet_s), name="into the tunnel")
    try:
        done, _ = await asyncio.wait((out, into), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        is_open = not out.done()
        for task in (out, into):
            task.cancel()
        await asyncio.gather(out, into, return_exceptions=True)
        if is_open:
            from web.client import ClientError

            with suppress(ClientError):
                await hub.close_tunnel(tunnel.radio, tunnel.id)


async def _out(events: AsyncGenerator[Event, None], tunnel: Tunnel, last: list[float]) -> None:
    from web.client_tunnels import TunnelChanged, TunnelData

    async for event in events:
        match event:
            case TunnelData(radio=tunnel.radio, tunnel=tunnel.id):
                sys.stdout.buffer.write(event.raw)
                sys.stdout.buffer.flush()
                last[0] = asyncio.get_running_loop().time()
            case TunnelChanged(radio=tunnel.radio, tunnel=tunnel.id, what="closed"):
                click.echo(f"closed: {clean(event.detail)}", err=True)
                return
            case TunnelChanged(radio=tunnel.radio, tunnel=tunnel.id, what="overflow"):
                click.echo(clean(event.detail), err=True)


async def _into(hub: HubClient, tunnel: Tunnel, last: list[float], quiet_s: float) -> None:
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[bytes] = asyncio.Queue(1)
    # A daemon: it may wait in a read that never ends.
    threading.Thread(target=_read, args=(sys.stdin.fileno(), loop, pieces), daemon=True).start()
    waiting = 0
    while piece := await pieces.get():
        waiting = (await hub.send_tunnel(tunnel.radio, tunnel.id, piece)).waiting
        last[0] = loop.time()
        while waiting > MOST_WAITING:
            waiting = await _waiting(hub, tunnel)
    while waiting or loop.time() - last[0] < quiet_s:
        waiting = await _waiting(hub, tunnel)


async def _waiting(hub: HubClient, tunnel: Tunnel) -> int:
    """What has not gone yet, a moment later."""
    await asyncio.sleep(LOOK_AGAIN_S)
    found = [one.waiting for one in (await hub.tunnels(tunnel.radio)).tunnels if one.id == tunnel.id]
    return found[0] if found else 0


def _read(descriptor: int, loop: asyncio.AbstractEventLoop, pieces: asyncio.Queue[bytes]) -> None:
    """Standard input, piece by piece as they are taken; an empty one is its end."""
    piece = b"."
    while piece:
        try:
            piece = os.read(descriptor, PIECE)
        except OSError:
            piece = b""
        try:
            asyncio.run_coroutine_threadsafe(pieces.put(piece), loop).result()
        except (RuntimeError, asyncio.CancelledError):  # the command has ended meanwhile
            return


@click.command("list")
@radio_argument
@json_option
@pass_app
def list_(app: App, radio: str | None, as_json: bool) -> None:
    """All tunnels, and the protocols of which devices may open some."""

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        found = await hub.tunnels(name)
        if as_json:
            print_json(found)
            return
        names = {device.id: device.name for device in await hub.devices()} if found.tunnels else {}
        columns = (
            Column("Tunnel", right=True),
            Column("Device"),
            Column("Opened by"),
            Column("Protocol"),
            Column("Sent", right=True, rank=1),
            Column("Received", right=True, rank=1),
            Column("Waiting", right=True, rank=2),
        )
        rows = [
            (
                str(one.id),
                Cell(names.get(one.device_id, one.device_id), "bold"),
                one.opened_by,
                _named(one.protocol),
                str(one.sent),
                str(one.received),
                str(one.waiting),
            )
            for one in found.tunnels
        ]
        show(Table(columns, rows, "no tunnels"))
        if found.answered:
            line(f"answered: {', '.join(_named(one.protocol) for one in found.answered)}")

    app.run(work)


def _named(protocol: TunnelProtocol) -> str:
    if protocol.manufacturer is not None:
        return f"{protocol.protocol} of 0x{protocol.manufacturer:04x}"
    return words(protocol.name) if protocol.name else str(protocol.protocol)


@click.command()
@click.argument("number", type=click.IntRange(1, 0xFFFFFFFF))
@radio_option
@json_option
@pass_app
def close(app: App, number: int, radio: str | None, as_json: bool) -> None:
    """Close a tunnel; the device is told."""

    async def work(hub: HubClient) -> None:
        from web.client import ProblemError
        from web.hubctl.failures import code_of

        name = await the_radio(hub, radio)
        try:
            gone = await hub.close_tunnel(name, number)
        except ProblemError as error:
            if code_of(error) is not Exit.NOT_FOUND:
                raise
            raise HubctlError(f"{clean(error.detail)} (hubctl tunnel list shows all)", Exit.NOT_FOUND) from None
        if as_json:
            print_json(gone)
        else:
            line(f"{name}: tunnel {gone.id} is closed")

    app.run(work)

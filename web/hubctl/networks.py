"""`hubctl network ...` and `hubctl registry ...`: Zigbee networks, their sticks, and the hub's settings for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.find import asked_quietly, complete_device, find_device
from web.hubctl.output import Cell, Column, Table, clean, line, pieces, print_json, show, words
from web.hubctl.progress import waiting
from web.hubctl.units import UNKNOWN, bar, local, span

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from web.client import HubClient
    from web.client_model import Device
    from web.client_zigbee_model import Network, NetworkClock, Topology

STATE_STYLES = {"up": "green", "down": "red", "starting": "yellow", "joining": "yellow"}
ENERGY_WIDTH = 24
GREATEST_ENERGY = 255.0
LQI_STYLES = ((170, "green"), (90, "yellow"), (0, "red"))
"""Least link quality of each colour: above 170 nothing is lost, below 90 much is."""


def complete_radio(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of Zigbee networks for the shell."""
    from click.shell_completion import CompletionItem

    begun = incomplete.casefold()
    return [
        CompletionItem(network.radio, help=f"{network.model or network.driver}, {network.state}")
        for network in asked_quietly(ctx, lambda hub: hub.networks())
        if network.radio.casefold().startswith(begun)
    ]


radio_argument = click.argument("radio", required=False, shell_complete=complete_radio)
named_radio_argument = click.argument("radio", shell_complete=complete_radio)


def _at_most_one(_ctx: click.Context, _: click.Parameter, given: tuple[str, ...]) -> str | None:
    if len(given) > 1:
        raise click.UsageError(f"one RADIO at most, not {clean(' and '.join(given))!r}")
    return given[0] if given else None


radio_before = click.argument(
    "radio", nargs=-1, metavar="[RADIO]", callback=_at_most_one, shell_complete=complete_radio
)
"""Before an argument that must be given."""


async def the_radio(hub: HubClient, said: str | None) -> str:
    """The network that is meant: the only one where none was named. Raises `HubctlError`."""
    found = await hub.networks()
    names = [network.radio for network in found]
    if said is not None:
        if said in names:
            return said
        known = f"there are {', '.join(names)}" if names else "no radio of this hub carries Zigbee"
        raise HubctlError(f"there is no Zigbee network {clean(said)!r}; {known}", Exit.NOT_FOUND)
    if len(names) == 1:
        return names[0]
    if not names:
        raise HubctlError("no radio of this hub carries Zigbee; hub.toml names radios", Exit.NOT_FOUND)
    raise HubctlError(f"which network? there are {', '.join(names)}", Exit.USAGE)


@click.command("list")
@json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """All Zigbee networks."""

    async def work(hub: HubClient) -> None:
        found = await hub.networks()
        if as_json:
            print_json({"networks": found})
            return
        columns = (
            Column("Network"),
            Column("State"),
            Column("Channel", right=True),
            Column("PAN", rank=2),
            Column("Stick", rank=1),
            Column("Devices", right=True),
            Column("Joining"),
            Column("Detail"),
        )
        rows = [
            (
                Cell(network.radio, "bold"),
                Cell(network.state, STATE_STYLES.get(network.state, "")),
                UNKNOWN if network.channel is None else str(network.channel),
                network.pan_id or UNKNOWN,
                f"{network.model} {network.firmware}".strip() or network.driver,
                str(network.devices),
                joining(network),
                network.detail,
            )
            for network in found
        ]
        show(Table(columns, rows, "no radio of this hub carries Zigbee; hub.toml names radios"))

    app.run(work)


def joining(network: Network) -> str:
    """Whether devices may join, and how."""
    if network.joining_s is not None:
        return f"open, {span(network.joining_s)} left"
    return "closed" + (", only devices that were added" if network.explicit_add else "")


@click.command("show")
@radio_argument
@json_option
@pass_app
def show_(app: App, radio: str | None, as_json: bool) -> None:
    """One network: where it is, what its stick is and can do."""

    async def work(hub: HubClient) -> None:
        network = await hub.network(await the_radio(hub, radio))
        if as_json:
            print_json(network)
        else:
            _show(network)

    app.run(work)


def _time(clock: NetworkClock) -> str:
    """Whose time the network has, and how far it is from the machine's."""
    kinds = [name for name in ("master", "synchronized", "superseding") if getattr(clock, name)]
    apart = f"{abs(clock.offset_s):g} s {'ahead' if clock.offset_s >= 0 else 'behind'}"
    read = local(clock.read_at, now())
    follows = "; events, prices and messages go by it" if clock.followed else ""
    return f"of {clock.server}/{clock.endpoint} ({', '.join(kinds)}), {apart}, read {read}{follows}"


def _show(network: Network) -> None:
    pieces((network.radio, "bold"), (f"  {network.driver}", "dim"))
    can = [name.replace("_", " ") for name in network.can.__struct_fields__ if getattr(network.can, name)]
    keyed = network.can.aps_encryption and network.role
    facts = (
        ("state", f"{network.state}{': ' + network.detail if network.detail else ''}"),
        ("stick", " ".join(word for word in (network.model, network.firmware) if word) or UNKNOWN),
        ("used as", network.mode or UNKNOWN),
        *((("role", f"{words(network.role)}, trust centre {network.trust_centre or UNKNOWN}"),) if keyed else ()),
        ("channel", UNKNOWN if network.channel is None else str(network.channel)),
        ("PAN id", f"{network.pan_id or UNKNOWN}  extended {network.extended_pan_id or UNKNOWN}"),
        ("address", f"{network.short or UNKNOWN}  {network.ieee or UNKNOWN}"),
        ("joining", joining(network)),
        *((("time", _time(network.clock)),) if network.clock is not None else ()),
        ("devices", str(network.devices)),
        ("pending", str(network.pending)),
        ("can", ", ".join(can)),
    )
    for title, told in facts:
        pieces((f"  {title:<9}", "dim"), (told, ""))


@click.command()
@radio_argument
@click.option("--seconds", type=click.IntRange(1, 3600), default=254, show_default=True, help="For how long.")
@click.option("--close", is_flag=True, help="Close it.")
@click.option("--via", metavar="DEVICE", shell_complete=complete_device, help="Only at this router.")
@json_option
@pass_app
def permit(app: App, radio: str | None, seconds: int, close: bool, via: str | None, as_json: bool) -> None:
    """Let devices join for a while (hubctl join shows them as they do)."""

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        router = None if via is None else (await find_device(hub, via)).id
        network = await hub.permit_join(name, 0 if close else seconds, router)
        if as_json:
            print_json(network)
        else:
            line(f"{name}: joining {joining(network)}")

    app.run(work)


@click.command()
@radio_argument
@json_option
@pass_app
def scan(app: App, radio: str | None, as_json: bool) -> None:
    """Who hears whom, and how well: asks every router."""

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        found = await _scan(hub, name)
        if as_json:
            print_json(found)
        else:
            _show_map(found, await hub.devices())

    app.run(work)


async def _scan(hub: HubClient, radio: str) -> Topology:
    """Scan, and show a person how far it is."""
    import asyncio

    what = f"{radio}: asking every router whom it hears"
    with waiting(what) as say:
        if say is None:
            return await hub.scan_topology(radio)
        follower = asyncio.create_task(_follow(hub, radio, lambda far: say(f"{what}, {far}")), name="progress")
        try:
            return await hub.scan_topology(radio)
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)


async def _follow(hub: HubClient, radio: str, say: Callable[[str], None]) -> None:
    from web.client import ClientError
    from web.client_zigbee_model import TopologyScanned

    events = hub.events()
    try:
        async for event in events:
            if isinstance(event, TopologyScanned) and event.topology.radio == radio:
                say(f"{event.topology.asked} of {event.topology.total} asked")
    except ClientError:
        # The scan itself does not need it.
        return
    finally:
        await events.aclose()


def _show_map(found: Topology, devices: Sequence[Device]) -> None:
    names = {device.id: device.name for device in devices}

    def called(device_id: str | None, kind: str, ieee: str) -> str:
        if device_id is not None:
            return names.get(device_id, device_id)
        return "the hub's stick" if kind == "coordinator" else ieee

    for router in found.devices:
        silent = "" if router.answered else "  does not answer"
        name = called(router.device_id, router.logical_type, router.ieee)
        pieces((name, "bold"), (f"  {router.short}", "dim"), (silent, "yellow"))
        for near in sorted(router.neighbours, key=lambda one: -one.lqi):
            style = next(colour for least, colour in LQI_STYLES if near.lqi >= least)
            pieces(
                (f"  {bar(near.lqi, GREATEST_ENERGY, 8):<8} ", style),
                (f"{near.lqi:>3}  ", style),
                (called(near.device_id, near.logical_type, near.ieee), ""),
                (f"  {near.relationship}", "dim"),
            )
    line(f"{found.asked} of {found.total} routers asked")


@click.command()
@radio_argument
@json_option
@pass_app
def energy(app: App, radio: str | None, as_json: bool) -> None:
    """How much is going on on each channel."""

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        with waiting(f"{name}: listening on every channel"):
            found = await hub.energy_scan(name)
        if as_json:
            print_json(found)
            return
        here = (await hub.network(name)).channel
        for channel in sorted(found.channels, key=int):
            value = found.channels[channel]
            mark = "  <- here" if here == int(channel) else ""
            pieces(
                (f"  {channel:>2}  ", "dim"), (f"{bar(value, GREATEST_ENERGY, ENERGY_WIDTH):<24} {value:>3}{mark}", "")
            )

    app.run(work)


@click.command()
@radio_before
@click.argument("number", type=click.IntRange(11, 26))
@json_option
@pass_app
def channel(app: App, radio: str | None, number: int, as_json: bool) -> None:
    """Move a network to another channel, 11 to 26; devices follow, sleepy ones when they wake."""

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        with waiting(f"{name}: moving to channel {number}"):
            network = await hub.set_channel(name, number)
        if as_json:
            print_json(network)
        else:
            line(f"{name}: on channel {network.channel}")

    app.run(work)


@click.command("set")
@radio_argument
@click.option("--led/--no-led", default=None, help="The stick's own light.")
@click.option("--tx-power", type=click.IntRange(0, 255), help="In the stick's own steps.")
@click.option("--certification", type=click.Choice(("CE", "FCC")), help="Europe or North America.")
@click.option("--set-time", is_flag=True, help="Set the stick's own clock to the hub's.")
@json_option
@pass_app
def set_(
    app: App,
    radio: str | None,
    led: bool | None,
    tx_power: int | None,
    certification: str | None,
    set_time: bool,
    as_json: bool,
) -> None:
    """Set up the stick itself."""
    if led is None and tx_power is None and certification is None and not set_time:
        raise HubctlError("nothing to set; say --led, --no-led, --tx-power, --certification or --set-time", Exit.USAGE)

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        network = await hub.configure_radio(
            name, led=led, tx_power=tx_power, certification=certification, set_time=set_time
        )
        if as_json:
            print_json(network)
        else:
            line(f"{name}: set")

    app.run(work)


@click.command()
@named_radio_argument
@click.option("--confirm", metavar="RADIO", required=True, help="The radio's name once more: every device is lost.")
@json_option
@pass_app
def erase(app: App, radio: str, confirm: str, as_json: bool) -> None:
    """Make the stick forget its network; every device has to be joined again. RADIO must be named."""

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        with waiting(f"{name}: erasing"):
            network = await hub.erase(name, confirm)
        if as_json:
            print_json(network)
        else:
            line(f"{name}: erased; its new network is on channel {network.channel}")

    app.run(work)


@click.command("list")
@json_option
@pass_app
def registry_list(app: App, as_json: bool) -> None:
    """All settings of the gateway's registry."""

    async def work(hub: HubClient) -> None:
        found = await hub.registry()
        if as_json:
            print_json({"entries": found})
            return
        columns = (Column("Setting"), Column("Value", right=True), Column("Default", right=True), Column("Meaning"))
        rows = [
            (Cell(one.name, "bold"), _told(one.value, one.unit), _told(one.default, ""), one.meaning) for one in found
        ]
        show(Table(columns, rows))

    app.run(work)


@click.command("set")
@click.argument("name")
@click.argument("value")
@json_option
@pass_app
def registry_set(app: App, name: str, value: str, as_json: bool) -> None:
    """Change a setting: true, false, a number or a text."""
    given: bool | int | str
    if value.lower() in ("true", "false"):
        given = value.lower() == "true"
    elif value.isdecimal():
        given = int(value)
    else:
        given = value

    async def work(hub: HubClient) -> None:
        from web.client import ProblemError
        from web.hubctl.failures import code_of

        try:
            entry = await hub.set_registry(name, given)
        except ProblemError as error:
            if code_of(error) is not Exit.NOT_FOUND:
                raise
            raise HubctlError(f"{clean(error.detail)} (hubctl registry list shows all)", Exit.NOT_FOUND) from None
        if as_json:
            print_json(entry)
        else:
            line(f"{entry.name} = {_told(entry.value, entry.unit)}")

    app.run(work)


def _told(value: bool | int | str, unit: str) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{text} {unit}".rstrip()

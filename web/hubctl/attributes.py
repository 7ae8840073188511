"""`hubctl attr ...` and `hubctl device inside|interview`: the inside of a Zigbee device."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.find import complete_device, find_device
from web.hubctl.output import Cell, Column, Table, clean, line, pieces, print_json, show
from web.hubctl.progress import waiting
from web.hubctl.units import UNKNOWN, local

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from web.client import HubClient
    from web.client_zigbee_model import Attribute, Reporting, ZigbeeDevice


def complete_cluster(_ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of clusters."""
    from click.shell_completion import CompletionItem

    from protocols.zcl.clusters import NAMES

    return [
        CompletionItem(name, help=f"0x{number:04x}") for number, name in NAMES.items() if name.startswith(incomplete)
    ]


device_argument = click.argument("device", shell_complete=complete_device)
cluster_argument = click.argument("cluster", shell_complete=complete_cluster)
endpoint_option = click.option("--endpoint", type=click.IntRange(1, 240), help="Found by itself where only one has it.")
manufacturer_option = click.option(
    "--manufacturer", metavar="CODE", help="Manufacturer code of a maker's own attribute."
)
client_option = click.option("--client", is_flag=True, help="Of the client's side of the cluster.")


def number_of(text: str) -> int | None:
    """`6` or `0x0006` as a number; None for a name."""
    try:
        return int(text, 0)
    except ValueError:
        return None


def _said(text: str) -> int | str:
    number = number_of(text)
    if number is not None and not 0 <= number <= 0xFFFF:
        raise HubctlError(f"there is no attribute {clean(text)!r}; allowed: 0 to 0xFFFF, or a name", Exit.USAGE)
    return text if number is None else number


def _code(text: str | None) -> int | None:
    if text is None:
        return None
    number = number_of(text)
    if number is None:
        raise HubctlError(f"--manufacturer {clean(text)!r} is no number, as 0x115f", Exit.USAGE)
    return number


async def _place(
    hub: HubClient, said: str, cluster: str, endpoint: int | None, side: str = "server"
) -> tuple[str, int, int]:
    """Device id, endpoint and cluster that are meant. Raises `HubctlError`."""
    from protocols.errors import RangeError
    from protocols.zcl.clusters import cluster_name, find_cluster

    device = await find_device(hub, said)
    try:
        number = find_cluster(cluster)
    except RangeError as error:
        raise HubctlError(f"there is no cluster {clean(cluster)!r}; allowed: {error.allowed}", Exit.USAGE) from None
    if endpoint is not None:
        return device.id, endpoint, number
    known = await hub.zigbee_device(device.id)
    found = [
        one.endpoint
        for one in known.endpoints
        if any(having.cluster == number and having.side == side for having in one.clusters)
    ]
    name = cluster_name(number)
    if len(found) == 1:
        return device.id, found[0], number
    if found:
        places = ", ".join(map(str, found))
        raise HubctlError(f"{device.name} has {name} on endpoints {places}; say --endpoint", Exit.USAGE)
    names = sorted({having.name for one in known.endpoints for having in one.clusters if having.side == side})
    raise HubctlError(f"{device.name} has no {name}; it has {', '.join(names) or 'told none yet'}", Exit.NOT_FOUND)


@click.command()
@device_argument
@cluster_argument
@click.argument("attributes", nargs=-1, required=True, metavar="ATTRIBUTE...")
@endpoint_option
@manufacturer_option
@client_option
@json_option
@pass_app
def read(
    app: App,
    device: str,
    cluster: str,
    attributes: tuple[str, ...],
    endpoint: int | None,
    manufacturer: str | None,
    client: bool,
    as_json: bool,
) -> None:
    """Read attributes now, by name or number: hubctl attr read Kettle metering current_summation_delivered"""
    code, side = _code(manufacturer), "client" if client else "server"

    async def work(hub: HubClient) -> None:
        device_id, where, number = await _place(hub, device, cluster, endpoint, side)
        with waiting("asking the device"):
            found = await hub.read_attributes(
                device_id, where, number, [_said(one) for one in attributes], manufacturer=code, side=side
            )
        _tell(found, as_json)

    app.run(work)


@click.command()
@device_argument
@cluster_argument
@click.argument("attribute")
@click.argument("value")
@click.option("--type", "data_type", metavar="TYPE", help="Where nobody knows it: uint16, bool, string ...")
@endpoint_option
@manufacturer_option
@client_option
@json_option
@pass_app
def write(
    app: App,
    device: str,
    cluster: str,
    attribute: str,
    value: str,
    data_type: str | None,
    endpoint: int | None,
    manufacturer: str | None,
    client: bool,
    as_json: bool,
) -> None:
    """Write one attribute; the value is JSON, or text."""
    code, side = _code(manufacturer), "client" if client else "server"
    try:
        given: object = json.loads(value)
    except ValueError:
        given = value

    async def work(hub: HubClient) -> None:
        device_id, where, number = await _place(hub, device, cluster, endpoint, side)
        with waiting("telling the device"):
            written = await hub.write_attribute(
                device_id, where, number, _said(attribute), given, data_type=data_type, manufacturer=code, side=side
            )
        if as_json:
            print_json(written)
        else:
            line(f"{written.name}: {written.status}")

    app.run(work)


@click.command()
@device_argument
@cluster_argument
@endpoint_option
@manufacturer_option
@client_option
@json_option
@pass_app
def discover(
    app: App,
    device: str,
    cluster: str,
    endpoint: int | None,
    manufacturer: str | None,
    client: bool,
    as_json: bool,
) -> None:
    """Ask the device which attributes a cluster has."""
    code, side = _code(manufacturer), "client" if client else "server"

    async def work(hub: HubClient) -> None:
        device_id, where, number = await _place(hub, device, cluster, endpoint, side)
        with waiting("asking the device"):
            found = await hub.discover_attributes(device_id, where, number, manufacturer=code, side=side)
        _tell(found, as_json)

    app.run(work)


@click.command()
@device_argument
@cluster_argument
@click.argument("attribute")
@click.option("--min", "min_s", type=click.IntRange(0, 65534), metavar="SECONDS", help="No oftener than this.")
@click.option(
    "--max", "max_s", type=click.IntRange(0, 65534), metavar="SECONDS", help="At least so often; 0: on change."
)
@click.option("--change", type=float, help="Least change, in the attribute's raw units.")
@click.option("--pseudo", is_flag=True, help="The hub reads it: the device cannot report.")
@click.option("--read", "ask", is_flag=True, help="Only ask the device how it reports.")
@click.option("--stop", is_flag=True, help="No more reports.")
@endpoint_option
@manufacturer_option
@json_option
@pass_app
def report(
    app: App,
    device: str,
    cluster: str,
    attribute: str,
    min_s: int | None,
    max_s: int | None,
    change: float | None,
    pseudo: bool,
    ask: bool,
    stop: bool,
    endpoint: int | None,
    manufacturer: str | None,
    as_json: bool,
) -> None:
    """Have an attribute reported: --min, --max, --change; or --read, --stop."""
    code = _code(manufacturer)
    if not ask and not stop and (min_s is None or max_s is None):
        raise HubctlError("how often? say --min and --max, or --read, or --stop", Exit.USAGE)

    async def work(hub: HubClient) -> None:
        device_id, where, number = await _place(hub, device, cluster, endpoint)
        with waiting("telling the device"):
            if stop:
                await hub.stop_reporting(device_id, where, number, _said(attribute), manufacturer=code)
                line("not reported any more")
                return
            if ask:
                row = await hub.read_reporting(device_id, where, number, _said(attribute), manufacturer=code)
            else:
                row = await hub.configure_reporting(
                    device_id,
                    where,
                    number,
                    _said(attribute),
                    min_s=min_s or 0,
                    max_s=max_s or 0,
                    change=change,
                    pseudo=pseudo,
                    manufacturer=code,
                )
        if as_json:
            print_json(row)
        else:
            line(f"{row.cluster_name}.{row.name}: {_often(row)}")

    app.run(work)


def _often(row: Reporting) -> str:
    how = "read by the hub" if row.pseudo else "reported"
    longest = "only on change" if row.max_s in (0, 0xFFFF) else f"at least every {row.max_s} s"
    change = "" if row.change is None else f", upon a change of {row.change:g}"
    return f"{how} {longest}, at most every {row.min_s} s{change} ({row.state})"


@click.command("list")
@device_argument
@json_option
@pass_app
def list_(app: App, device: str, as_json: bool) -> None:
    """Everything that is known of a device: endpoints, clusters, attributes, reports."""
    _list(app, device, as_json)


@click.command()
@device_argument
@json_option
@pass_app
def inside(app: App, device: str, as_json: bool) -> None:
    """Endpoints, clusters, attributes and reports of a Zigbee device."""
    _list(app, device, as_json)


def _list(app: App, device: str, as_json: bool) -> None:
    async def work(hub: HubClient) -> None:
        found = await find_device(hub, device)
        known = await hub.zigbee_device(found.id)
        if as_json:
            print_json(known)
        else:
            _show(known, found.name)

    app.run(work)


@click.command()
@device_argument
@pass_app
def interview(app: App, device: str) -> None:
    """Ask a device everything again; hubctl watch shows how it goes."""

    async def work(hub: HubClient) -> None:
        found = await find_device(hub, device)
        await hub.interview(found.id)
        line(f"{found.name}: is being asked everything again")

    app.run(work)


def _tell(found: Sequence[Attribute], as_json: bool) -> None:
    if as_json:
        print_json({"attributes": found})
        return
    columns = (Column("Attribute"), Column("Name"), Column("Type", rank=1), Column("Value"), Column("Raw", rank=2))
    show(Table(columns, [_row(one) for one in found], "none"))


def _row(one: Attribute) -> tuple[Cell | str, ...]:
    good = one.status in ("", "SUCCESS")
    return (
        Cell(f"0x{one.attribute:04x}", "dim"),
        Cell(one.name, "bold"),
        one.type or UNKNOWN,
        one.text if good else Cell(one.status, "yellow"),
        Cell("" if one.value is None else json.dumps(one.value), "dim"),
    )


def _show(inside: ZigbeeDevice, name: str) -> None:
    moment = now()
    state = "" if inside.interview == "done" else f"  interview at {inside.interview}: {inside.interview_detail}"
    pieces((name, "bold"), (f"  {inside.ieee}  {inside.short or ''}", "dim"), (state, "yellow"))
    facts = (
        inside.logical_type.replace("_", " "),
        inside.power_source,
        "" if inside.lqi is None else f"link quality {inside.lqi}",
        "" if inside.is_active else "inactive",
        {None: "", True: "keys established", False: "no keys established"}[inside.authenticated],
    )
    line("  " + ", ".join(fact for fact in facts if fact))
    for endpoint in inside.endpoints:
        pieces(
            (f"endpoint {endpoint.endpoint}", "bold"), (f"  {endpoint.device_type_name} ({endpoint.profile_name})", "")
        )
        for cluster in endpoint.clusters:
            side = "" if cluster.side == "server" else "  (client)"
            pieces((f"  0x{cluster.cluster:04x} {cluster.name}", "cyan"), (side, "dim"))
            for one in cluster.attributes:
                if one.time is not None or one.value is not None:
                    pieces(
                        (f"    0x{one.attribute:04x} ", "dim"),
                        (f"{one.name:<32} ", ""),
                        (one.text, "bold"),
                        (f"  {local(one.time, moment)} {one.source}", "dim"),
                    )
    for text in _reports(inside):
        line(f"  {text}")


def _reports(inside: ZigbeeDevice) -> Iterator[str]:
    if inside.reporting:
        yield "reports:"
    for row in inside.reporting:
        yield f"  {row.endpoint} {row.cluster_name}.{row.name}: {_often(row)}"

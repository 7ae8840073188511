"""`hubctl rpc`: the requests of the ConnectPort X2, with options made from their table.

The table is imported by this command alone: `hubctl --help` does not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import click

from web.hubctl.context import App, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.files import read_text
from web.hubctl.output import Cell, Column, clean, print_json, show
from web.hubctl.output import Table as Lines
from web.hubctl.rpc_alias import AliasCommand, alias_meaning
from web.hubctl.rpc_asked import Asked, ask
from web.hubctl.rpc_options import NAME, VALUE, Place, RpcOption, chosen, places, values_of
from web.hubctl.rpc_show import RCI, answer_of, failed, failures_in, indented, show_line, show_response
from web.roles import Role
from web.rpc import as_json, as_xml
from web.rpc.build import Context
from web.rpc.check import Problem, check_json
from web.rpc.declare import RequestRow
from web.rpc.outcome import failures
from web.rpc.table import MESSAGE, TABLE, Table, near
from web.rpc.types import Kind
from web.rpc.values import Values

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from web.client import HubClient
    from web.client_rpc import RpcAnswer

RESPONSES = "responses"
ALIASES = "Aliases"
_ASYNC, _XML, _JSON = "is_async", "as_xml", "as_json"
_OURS = (
    click.Option(["--async", _ASYNC], is_flag=True, help="Do not wait: the response comes by the mailbox."),
    click.Option(["--xml", _XML], is_flag=True, help="Print the XML of it and send nothing."),
    click.Option(["--json", _JSON], is_flag=True, help="The response as JSON."),
)


class RpcCommand(click.Command):
    """A request."""

    def __init__(self, row: RequestRow, table: Table = TABLE) -> None:
        self.row, self._table = row, table
        options: list[click.Parameter] = []
        if row.has_free_name:
            optional = row.params[0].type.takes(Kind.NONE)
            options += [
                click.Argument([NAME], metavar="NAME"),
                click.Argument([VALUE], metavar="VALUE", required=not optional),
            ]
            self._places = [RpcOption(0, Place(param)) for param in row.params[1:]]
        else:
            self._places = [RpcOption(number, place) for number, place in enumerate(places(row, table))]
        answer = f"Answered by {row.response}." if row.response else "It has no response."
        notes = f"{answer} Needs the role {row.role.value}. {row.section[:1].upper()}{row.section[1:]}."
        super().__init__(
            row.name,
            params=[*options, *self._places, *_OURS],
            callback=pass_app(self._run),
            help=f"{row.meaning}\n\n{notes}",
            short_help=row.meaning,
        )

    def _run(self, app: App, **given: object) -> int:
        is_async, wants_xml, wants_json = (bool(given[name]) for name in (_ASYNC, _XML, _JSON))
        context = Context(self._table, now())
        said = [
            (option.place, cast("str | Sequence[str]", given[option.name or ""]))
            for option in self._places
            if given[option.name or ""] not in (None, ())
        ]
        values = values_of(self.row, said, context)
        if self.row.has_free_name:
            text = given[VALUE]
            values = chosen(self.row, str(given[NAME]), None if text is None else str(text), context) | values
        parameters = _checked(self.row, values, context)
        if wants_xml:
            click.echo(indented(RCI.format(as_xml.write_request(self.row, values, synchronous=not is_async))))
            return Exit.OK

        async def work(hub: HubClient) -> RpcAnswer:
            return await hub.rpc(self.row.name, parameters, waits=not is_async)

        answer = app.run(work)
        if wants_json:
            print_json({"accepted": answer.accepted} if answer.accepted else answer_of(answer))
        return _told(answer, self._table, quiet=wants_json)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The request's own, the fields of its record, and those that all requests have."""
        own: list[tuple[str, str]] = []
        fields: list[tuple[str, str]] = []
        others: list[tuple[str, str]] = []
        record = ""
        for param in self.get_params(ctx):
            line = param.get_help_record(ctx)
            if line is None:
                continue
            place = param.place if isinstance(param, RpcOption) else None
            if place is not None and place.record is not None:
                record = place.record.name
                fields.append(line)
            else:
                (others if place is None else own).append(line)
        for title, lines in (("Parameters", own), (f"Fields of the {record}", fields), ("Options", others)):
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)


def _checked(row: RequestRow, values: Values, context: Context) -> dict[str, object]:
    """The parameters as JSON, once the hub would take them. Raises `HubctlError`."""
    if row.has_free_name:
        given = as_json.write_values(values, {}, context.table.records, row.params[0].type)
    else:
        given = as_json.write_values(values, row.by_name, context.table.records)
    checked = check_json(row.name, given, context, Role.ADMIN)
    if isinstance(checked, Problem):
        raise HubctlError(f"{checked.text}; see: hubctl rpc {row.name} --help", Exit.USAGE)
    return given


def _told(answer: RpcAnswer, table: Table, *, quiet: bool) -> int:
    """Print it for people, and say how it ended, as the parameters tell that the table marks as outcomes."""
    if answer.accepted:
        if not quiet:
            row = table.request(answer.accepted)
            has_response = row is None or row.response is not None
            click.echo("accepted; see: hubctl rpc responses" if has_response else "done; it has no response")
        return Exit.OK
    problems = failures(table.responses.get(answer.response), answer.parameters, table.record)
    if not quiet:
        if answer.response != MESSAGE or not problems:
            show_response(answer.response, answer.parameters, answer.time, table)
        if problems:
            raise HubctlError(failed(problems))
    return Exit.FAILED if problems else Exit.OK


class RpcGroup(click.Group):
    """Requests by their names, whatever their case, with `-` or `_`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As in the manual, the mailbox last."""
        return [*TABLE.requests, RESPONSES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command made from its row; the hub is asked for one that the built-in table lacks."""
        if cmd_name == RESPONSES:
            return responses
        name = cmd_name.replace("-", "_")
        row = TABLE.request(name)
        if row is not None:
            return RpcCommand(row)
        asked = ask(ctx)
        row = asked.table.request(cmd_name) or asked.table.request(name)
        if row is not None:
            return RpcCommand(row, asked.table)
        alias = asked.alias(cmd_name)
        return AliasCommand(alias, asked, _OURS) if alias is not None else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """With the nearest names for one that there is not."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand:
            asked, said = ask(ctx), args[0]
            if said in asked.aliases:
                raise click.UsageError(
                    f"The alias {said!r} stands for parameters or a value, not for requests", ctx
                ) from None
            known = [*self.list_commands(ctx), *(row.name for row in asked.added), *asked.callable_aliases]
            alike = near(said.replace("-", "_"), known)
            hint = f"did you mean {' or '.join(alike)}?" if alike else "see: hubctl rpc --list"
            told = f"There is no request {said[:80]!r}; {hint}"
            if asked.refusal:
                told += f"; the hub cannot be asked for those that were added: {asked.refusal}"
            raise click.UsageError(told, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """By chapter."""
        chapters: dict[str, list[tuple[str, str]]] = {}
        for row in TABLE.requests.values():
            chapters.setdefault(row.chapter, []).append((row.name, row.meaning))
        for chapter, rows in chapters.items():
            with formatter.section(chapter):
                formatter.write_dl(rows)
        with formatter.section("Mailbox"):
            formatter.write_dl([(RESPONSES, responses.short_help or "")])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of requests, without making their commands; those that were added, if the hub answers."""
        from click.shell_completion import CompletionItem

        begun = incomplete.replace("-", "_").lower()
        found = [
            CompletionItem(one.name, help=one.meaning)
            for one in _listed(ask(ctx, quietly=True))
            if one.name.lower().startswith(begun)
        ]
        if RESPONSES.startswith(begun):
            found.append(CompletionItem(RESPONSES, help=responses.short_help))
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=RpcGroup,
    invoke_without_command=True,
    context_settings={
        # Names as the manual has them are options, too.
        "token_normalize_func": lambda name: name.lower().replace("_", "-"),
    },
)
@click.option(
    "--list", "lists", is_flag=True, help="All requests in a table; with those that were added, if the hub answers."
)
@click.option(
    "--file", "file", metavar="FILE", help="Send a document: a request, or requests in RCI or SCI; - is standard input."
)
@click.option("--json", "as_json_", is_flag=True, help="With --list: as JSON.")
@click.pass_context
def rpc(ctx: click.Context, lists: bool, file: str | None, as_json_: bool) -> None:
    """Requests of the ConnectPort X2 for Smart Energy, as utilities make them.

    \b
    hubctl rpc create_price_event --issuer-event-id 5 --duration-in-minutes 60 --price 1234
    hubctl rpc get_time --xml
    hubctl rpc --file request.xml

    Numbers may be hexadecimal (0x5e). A record's fields are options of their own where a request has one record; a
    record as a whole, and each of a list, is JSON or FIELD=VALUE,FIELD=VALUE. @FILE reads a value from a file.
    """
    if ctx.invoked_subcommand is not None:
        if lists or file is not None or as_json_:
            raise click.UsageError("--list and --file stand without a request; --json stands behind it", ctx)
        return
    if lists:
        _list(ctx, as_json_)
    elif file is not None:
        app = ctx.find_object(App)
        assert app is not None
        _send_file(app, file)
    else:
        click.echo(ctx.get_help())


class Listed(NamedTuple):
    """A line of the list."""

    name: str
    chapter: str
    meaning: str
    role: str
    response: str | None


def _listed(asked: Asked) -> list[Listed]:
    """The built-in table, what modules have added, aliases."""
    rows = [*TABLE.requests.values(), *asked.added]
    found = [Listed(row.name, row.chapter, clean(row.meaning), row.role.value, row.response) for row in rows]
    return found + [
        Listed(name, ALIASES, alias_meaning(row), row.role.value, row.response)
        for name, row in asked.callable_aliases.items()
    ]


def _list(ctx: click.Context, as_json_: bool) -> None:
    rows = _listed(ask(ctx, quietly=True))
    if as_json_:
        print_json([row._asdict() for row in rows])
        return
    columns = (Column("Request"), Column("Role"), Column("Meaning"), Column("Chapter", rank=1))
    lines = [(Cell(row.name, "bold"), row.role, row.meaning, Cell(row.chapter, "dim")) for row in rows]
    show(Lines(columns, lines))


def _send_file(app: App, file: str) -> None:
    _, document = read_text(file, "the request in XML, then Ctrl-D:")

    async def work(hub: HubClient) -> str:
        return await hub.rpc_document(document)

    reply = app.run(work)
    click.echo(indented(reply))
    problems = failures_in(reply)
    if problems:
        raise HubctlError(failed(problems))


@click.command(RESPONSES, short_help="Take responses out of the mailbox, or follow them.")
@click.option("--limit", type=click.IntRange(0, 1_000_000), help="At most so many; with --follow: then end.")
@click.option("--follow", is_flag=True, help="See responses as they come, and leave them in the mailbox.")
@click.option("--json", "as_json_", is_flag=True, help="JSON; with --follow a line for each.")
@pass_app
def responses(app: App, limit: int | None, follow: bool, as_json_: bool) -> int:
    """Take responses out of the mailbox, the oldest first; nobody else gets them afterwards.

    With --follow nothing is taken: they are shown as they come, until Ctrl-C. When the hub goes away it is tried again
    until it is back. Needs the role operator.
    """
    if follow:
        try:
            app.run(lambda hub: _follow(hub, limit, as_json_))
        except KeyboardInterrupt:
            # The way to end it, not a failure.
            return Exit.OK
        return Exit.OK

    async def work(hub: HubClient) -> None:
        mail = await hub.rpc_responses(limit)
        if as_json_:
            print_json(mail)
            return
        for one in mail.responses:
            show_response(one.response, one.parameters, one.time)
        if not mail.responses:
            click.echo("the mailbox is empty" if not mail.remaining else f"{mail.remaining} are waiting")
        elif mail.remaining:
            click.echo(f"{mail.remaining} more are waiting")

    app.run(work)
    return Exit.OK


async def _follow(hub: HubClient, limit: int | None, as_json_: bool) -> None:
    import sys

    import msgspec

    from web.hubctl.watch import Lost, say_lost, unbroken

    shown = 0
    stream = unbroken(hub.rpc_heard)
    while limit is None or shown < limit:
        said = await anext(stream)
        if isinstance(said, Lost):
            say_lost(said)
            continue
        shown += 1
        if as_json_:
            sys.stdout.write(msgspec.json.encode(said).decode() + "\n")
        else:
            show_line(said.response, said.parameters, said.time)
        sys.stdout.flush()

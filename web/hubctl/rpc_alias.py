"""`hubctl rpc ALIAS`: the requests that an alias stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.output import clean, print_json
from web.hubctl.rpc_asked import Asked
from web.hubctl.rpc_show import RCI, answer_of, failed, indented, show_response
from web.rpc.declare import RequestRow
from web.rpc.outcome import failures
from web.rpc.types import ALIAS

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_rpc import RpcOutcome


def alias_meaning(row: RequestRow) -> str:
    """What an alias is, on one line."""
    return f"An alias: it begins with {row.name}."


class AliasCommand(click.Command):
    """An alias."""

    def __init__(self, name: str, asked: Asked, options: Sequence[click.Parameter]) -> None:
        self._alias, self._asked = name, asked
        row = asked.callable_aliases[name]
        text = "It takes no parameters, and waits for responses where it says so. Needs the roles of its requests."
        super().__init__(
            name,
            params=list(options),
            callback=pass_app(self._run),
            help=f"{alias_meaning(row)}\n\n{text}",
            short_help=alias_meaning(row),
        )

    def _run(self, app: App, is_async: bool, as_xml: bool, as_json: bool) -> int:
        if as_xml:
            if is_async:
                raise click.UsageError("in XML an alias says by itself whether it waits; --xml stands without --async")
            click.echo(indented(RCI.format(f'<{self._alias} type="{ALIAS}"/>')))
            return Exit.OK

        async def work(hub: HubClient) -> Sequence[RpcOutcome]:
            return await hub.rpc_alias(self._alias, waits=not is_async)

        outcomes = app.run(work)
        if len(outcomes) == 1 and outcomes[0].problem is not None:
            from web.client import ProblemError

            raise ProblemError(outcomes[0].problem)
        if as_json:
            print_json({"outcomes": [_plain(one) for one in outcomes]})
        problems: list[str] = []
        for one in outcomes:
            problems += self._told(one, quiet=as_json)
        if problems and not as_json:
            raise HubctlError(failed(problems))
        return Exit.FAILED if problems else Exit.OK

    def _told(self, one: RpcOutcome, *, quiet: bool) -> list[str]:
        """Print what came of a request; what went wrong."""
        if one.problem is not None:
            return [clean(one.problem.detail or one.problem.title)]
        if one.response is None:
            if not quiet:
                row = self._asked.table.request(one.request)
                has_response = row is None or row.response is not None
                ending = "accepted; see: hubctl rpc responses" if has_response else "done; it has no response"
                click.echo(f"{clean(one.request)}: {ending}")
            return []
        table, answer = self._asked.table, one.response
        if not quiet:
            show_response(answer.response, answer.parameters, answer.time, table)
        return failures(table.responses.get(answer.response), answer.parameters, table.record)


def _plain(one: RpcOutcome) -> dict[str, object]:
    response = {} if one.response is None else {"response": answer_of(one.response)}
    problem = {} if one.problem is None else {"problem": one.problem}
    return {"request": one.request, **response, **problem}

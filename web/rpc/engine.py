"""Requests are done here: one after the other, synchronously or not, and what comes back goes where it belongs.

- A synchronous request blocks its caller until it is done, or until `RPC_Manager.synchronous_request_timeout`: then its
  response comes by the mailbox (CPX2-SE, Synchronous Requests).
- Only one request blocks at a time; those that come meanwhile wait for their turn. What the hub can answer out of what
  it knows waits for nobody.
- An asynchronous request is begun in its turn; its response comes by the mailbox.
- A caller who goes away while it waits finds the response in the mailbox, too: what was begun is done.

No HTTP, no clock and no radio of its own.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from hub.errors import HubError, InvalidError, NotFoundError, RefusedError, UnsupportedError
from hub.zigbee.model import DEVICE_PREFIX
from protocols.ids import Eui64
from web.roles import Role
from web.rpc.aliases import Aliases
from web.rpc.build import Context
from web.rpc.check import Checked, Problem, Reason, check_json, check_xml
from web.rpc.mailbox import Mailbox
from web.rpc.markup import Element
from web.rpc.response import IDENTIFIER, Response, Severity, message
from web.rpc.table import MESSAGE, Table
from web.rpc.types import ValueRefusedError
from web.rpc.values import Mac, Value, Values

log = logging.getLogger(__name__)

_LEVELS = {Severity.DEBUG: logging.DEBUG, Severity.WARNING: logging.INFO, Severity.ERROR: logging.WARNING}
"""What is a warning to a gateway's client happens all the time in a home: devices come and go."""
_DEVICE_ID = re.compile(rf"{DEVICE_PREFIX}([0-9a-f]{{16}})\b")
"""The device list's id of a Zigbee device."""
MAX_UNDER_WAY = 64
"""Requests begun and not done; twice what a head-end sends at once. Beyond it they are refused."""

Handler = Callable[[Checked], Awaitable[Values | None]]
"""Does a request: gives the parameters of its response, None where there is none.

Raises `RequestFailedError`, `ValueRefusedError` or any `HubError`, which become a message.
"""
Spawn = Callable[[Coroutine[None, None, None], str], "asyncio.Task[None]"]


class RequestFailedError(Exception):
    """A request was begun and did not succeed: a message takes the place of its response."""

    def __init__(self, description: str, severity: Severity = Severity.ERROR, **more: Value) -> None:
        super().__init__(description)
        self.description, self.severity = description, severity
        self.more: Values = more


def conversation_failed(
    device: Eui64, endpoint: int, profile: int, cluster: int, cause: str, status: int | None = None
) -> RequestFailedError:
    """A device was not reached, in the words that clients look for: field evidence of a gateway of 2012.

    `status` is the radio's transmit status and `cause` its name ("Key not authorized"); without one, `cause` says all.
    """
    address = Mac.of(device)
    reason = cause if status is None else f"Conversation received unsuccessful TX status: {status:#04X}, {cause}"
    reason = reason.replace("0X", "0x")
    description = f"Error during conversation with ({address}, {endpoint:#x}, {profile:#x}, {cluster:#x}): {reason}"
    error = RequestFailedError(
        description, device_address=address, endpoint_id=endpoint, profile_id=profile, cluster_id=cluster
    )
    if status is not None:
        error.more["TX_status"] = status
    return error


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the registry says, now."""

    synchronous_timeout_s: float = 60.0
    max_buffer_items: int = 250
    use_timestamps: bool = True
    rpc_severity: int = Severity.WARNING
    """Messages below it are not told; above `Severity.ERROR` none is."""
    print_severity: int = Severity.DEBUG
    """Messages below it are not in the log."""


class _Job:
    """A request under way."""

    def __init__(self, checked: Checked, lane: asyncio.Lock) -> None:
        self.checked = checked
        self.done: asyncio.Future[Response | Problem | None] = asyncio.get_running_loop().create_future()
        self.is_awaited = checked.synchronous
        self._lane = lane
        self._holds = False

    async def take_turn(self) -> None:
        """Wait until no other request blocks, and block in turn if somebody waits for this one."""
        if self.checked.row.is_quick:
            return
        await self._lane.acquire()
        self._holds = True
        if not self.is_awaited:
            self.let_go()

    def let_go(self) -> None:
        """Let the next request go on."""
        if self._holds:
            self._holds = False
            self._lane.release()

    def leave(self) -> None:
        """Nobody waits any more."""
        self.is_awaited = False
        self.let_go()


class Engine:
    """Does requests by their handlers. `handlers` may grow while it runs."""

    def __init__(
        self,
        table: Table,
        handlers: Mapping[str, Handler],
        *,
        now: Callable[[], datetime],
        spawn: Spawn,
        settings: Callable[[], Settings] = Settings,
        aliases: Aliases | None = None,
    ) -> None:
        """`spawn` runs what nobody waits for; whoever gives it ends it."""
        self.table = table
        self.handlers = handlers
        self.aliases = aliases or Aliases()
        self.settings = settings
        self.mailbox = Mailbox(lambda: settings().max_buffer_items, self.timestamp)
        self._now, self._spawn = now, spawn
        self._lane = asyncio.Lock()
        self._under_way = 0

    @property
    def pending(self) -> tuple[str, ...]:
        """Requests that are declared and that nothing does yet."""
        return tuple(name for name in self.table.requests if name not in self.handlers)

    @property
    def under_way(self) -> int:
        """Requests that are begun, or wait for their turn."""
        return self._under_way

    def context(self) -> Context:
        """What requests are read with."""
        return Context(self.table, self._now())

    # -- requests ------------------------------------------------------------------------------------------------

    async def request_xml(self, element: Element, role: Role) -> list[Response]:
        """Do a request in XML, or those that its alias stands for: what the reply has to say of them."""
        found = self.aliases.expand(element, self.context())
        if isinstance(found, Problem):
            return [self.told(found)]
        replies: list[Response] = []
        for request in found:
            # Each is read when it is its turn: an alias or a setting may be the work of the one before.
            checked = check_xml(request, self.context(), role)
            outcome = checked if isinstance(checked, Problem) else await self.perform(checked)
            if outcome is not None:
                replies.append(self.told(outcome))
        return replies

    def stands_for(self, name: str) -> list[Element] | Problem | None:
        """The requests that an alias stands for; None where a name is that of a request, or of no alias."""
        if self.table.request(name) is not None or name not in self.aliases.all():
            return None
        return self.aliases.expand(Element(name, {"type": "alias"}), self.context())

    def first_request(self, alias: str) -> str | None:
        """The first request that an alias stands for; None where it stands for parameters or a value."""
        name = self.aliases.first(alias)
        row = self.table.request(name) if name is not None else None
        return row.name if row is not None else None

    async def request_element(self, request: Element, role: Role, *, waits: bool = True) -> Response | Problem | None:
        """Do a request of an alias: as `request_json`, and synchronous where the alias says so and somebody waits."""
        checked = check_xml(request, self.context(), role)
        if isinstance(checked, Problem):
            return checked
        return await self.perform(checked if waits else replace(checked, synchronous=False))

    async def request_json(
        self, name: str, parameters: Mapping[str, object], role: Role, *, synchronous: bool = True
    ) -> Response | Problem | None:
        """Do a request in JSON: its response, why it is not done, or None when the response comes by the mailbox."""
        context = self.context()
        replaced = self.aliases.expand_json(parameters, context) if parameters else parameters
        if isinstance(replaced, Problem):
            return replaced
        checked = check_json(name, replaced, context, role, synchronous=synchronous)
        return checked if isinstance(checked, Problem) else await self.perform(checked)

    async def perform(self, checked: Checked) -> Response | Problem | None:
        """Do a request that has been checked. None: its response comes by the mailbox, or it has none."""
        if checked.row.name not in self.handlers:
            text = f"{checked.row.name} is not implemented yet"
            return Problem(Reason.PENDING, text, checked.identifier)
        if self._under_way >= MAX_UNDER_WAY:
            text = f"{checked.row.name}: {self._under_way} requests are under way; wait until some of them are done"
            return Problem(Reason.BUSY, text, checked.identifier)
        if checked.row.is_quick and checked.synchronous:
            # No task and no time-out: what the hub knows takes less time than those do.
            return await self._outcome(checked)
        job = _Job(checked, self._lane)
        self._under_way += 1
        self._spawn(self._run(job), f"rpc {checked.row.name}")
        if not checked.synchronous:
            return None
        timeout = self.settings().synchronous_timeout_s
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(job.done)
        except TimeoutError:
            if job.done.done():
                return job.done.result()
            text = f"{checked.row.name} takes longer than {timeout:g} s: its response is delivered asynchronously"
            late = message(Severity.WARNING, text, checked.identifier)
            return self.stamped(late)
        except asyncio.CancelledError:
            if job.done.done() and (outcome := job.done.result()) is not None:
                self._deliver(outcome)
            raise
        finally:
            job.leave()

    async def _run(self, job: _Job) -> None:
        outcome: Response | Problem | None = None
        try:
            await job.take_turn()
            outcome = await self._outcome(job.checked)
        finally:
            self._under_way -= 1
            was_awaited = job.is_awaited
            job.leave()
            if not job.done.done():
                job.done.set_result(outcome)
        if outcome is not None and not was_awaited:
            self._deliver(outcome)

    def deliver(self, responses: Iterable[Response]) -> None:
        """Put responses into the mailbox whose caller has gone."""
        for response in responses:
            self._deliver(response)

    def _deliver(self, outcome: Response | Problem) -> None:
        """What comes of a request that nobody waits for, or not any more."""
        response = self.told(outcome)
        if response.name != MESSAGE or self._is_told(response):
            self.mailbox.put(response)

    async def _outcome(self, checked: Checked) -> Response | Problem | None:
        name = checked.row.name
        try:
            parameters = await self.handlers[name](checked)
        except RequestFailedError as error:
            return self.stamped(message(error.severity, error.description, checked.identifier, **error.more))
        except ValueRefusedError as error:
            return Problem(Reason.ARGUMENTS, f"{name}: {error}", checked.identifier, (error,))
        except InvalidError as error:
            return Problem(Reason.ARGUMENTS, f"{name}: {_with_addresses(str(error))}", checked.identifier)
        except NotFoundError as error:
            near = tuple(map(_with_addresses, error.near))
            return Problem(Reason.NOT_FOUND, f"{name}: {_with_addresses(str(error))}", checked.identifier, (), near)
        except HubError as error:
            return Problem(_reason(error), f"{name}: {_with_addresses(str(error))}", checked.identifier)
        except Exception:  # a request's top
            log.exception("the request %s failed by a fault of ours", name)
            text = f"{name}: something went wrong inside the hub; its log says more"
            return Problem(Reason.FAILED, text, checked.identifier)
        if checked.row.response is None or parameters is None:
            return None
        if checked.identifier is not None:
            parameters = {**parameters, IDENTIFIER: checked.identifier}
        return Response(checked.row.response, parameters, self.timestamp())

    # -- responses -----------------------------------------------------------------------------------------------

    def stamped(self, response: Response) -> Response:
        """A response with the time, if times are to be told."""
        timestamp = self.timestamp()
        return response if timestamp is None else Response(response.name, response.parameters, timestamp)

    def timestamp(self) -> float | None:
        """The time, if times are to be told."""
        return self._now().timestamp() if self.settings().use_timestamps else None

    def told(self, outcome: Response | Problem) -> Response:
        """A response as it is; a problem as a message of severity 2."""
        if isinstance(outcome, Response):
            return outcome
        return self.stamped(message(Severity.ERROR, outcome.text, outcome.identifier))

    def unsolicited(self, response: Response) -> None:
        """Put what has happened into the mailbox."""
        self.mailbox.put(self.stamped(response))

    def message(self, severity: Severity, description: str, **more: Value) -> None:
        """Tell how the hub is, if that is severe enough to be told."""
        response = message(severity, description, **more)
        if severity >= self.settings().print_severity:
            log.log(_LEVELS[severity], "%s", description)
        if self._is_told(response):
            self.unsolicited(response)

    def _is_told(self, response: Response) -> bool:
        severity = response.parameters.get("severity")
        return not isinstance(severity, int) or severity >= self.settings().rpc_severity


def _with_addresses(text: str) -> str:
    """What the hub says of devices by its own names, by their addresses: those are all that a client knows."""
    return _DEVICE_ID.sub(lambda found: str(Mac(bytes.fromhex(found[1]))), text)


def _reason(error: HubError) -> Reason:
    return Reason.REFUSED if isinstance(error, RefusedError | UnsupportedError) else Reason.FAILED

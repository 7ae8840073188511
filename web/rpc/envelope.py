"""Envelopes around requests: none, RCI, and SCI around RCI (CPX2-SE, RPC Request and Response Example).

    <sci_request><send_message><targets><device id=".."/></targets>          SCI: to one or several gateways
      <rci_request><do_command target="RPC_request"> requests </do_command>  RCI: RPC_request, or RPC_response
    </rci_request></send_message></sci_request>

Chosen: a reply has `<responses>` around its responses, as gateways of 2012 wrote it; the manual prints them without,
and `RPC_Manager.printed_reply_layout` has it so. What is no XML at all is answered in the envelope it seems to be in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from web.roles import Role
from web.rpc import as_xml
from web.rpc.check import Problem, Reason
from web.rpc.engine import Engine
from web.rpc.markup import Element, XmlError, attributes_of, escape, parse
from web.rpc.printed import as_printed
from web.rpc.response import Response
from web.rpc.table import GET_RESPONSES, Table
from web.rpc.types import SHOWN, int_of

REQUEST, RESPONSE = "RPC_request", "RPC_response"
"""Targets of a command."""
RCI_VERSION, SCI_VERSION = "1.1", "1.0"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
TAKES = Role.OPERATOR
"""The least role that may take responses out of the mailbox: who does, takes them from everybody else."""
MAX_TARGETS = 100
"""Of one SCI request."""
SENDS_TO_ALL = ("all", "*")
UNKNOWN_TARGET = '<error id="303"><desc>Invalid target. Device not found.</desc></error>'
NO_TARGET = "<error>Invalid SCI request. No valid targets found.</error>"
"""What the service said of a gateway that it did not know, and when it knew none of them."""
_SEEMS = re.compile(rb"<(sci|rci)_request")
_SEEN_OCTETS = 2048
_NOT_IN_IDS = re.compile("[^0-9A-F]")


class Envelope(StrEnum):
    """What is around requests."""

    NONE = "none"
    RCI = "rci"
    SCI = "sci"


@dataclass(frozen=True, slots=True)
class Post:
    """Whom a document is for and who it is from."""

    engine: Engine
    role: Role
    device_id: str
    """By which SCI knows us."""
    is_printed_layout: bool = False
    is_gone: Callable[[], bool] = lambda: False
    """Whether nobody is there any more to read the reply."""

    async def request(self, element: Element) -> list[Response]:
        """Do a request. What nobody reads goes into the mailbox, so that it is not lost."""
        found = await self.engine.request_xml(element, self.role)
        if self.is_gone():
            self.engine.deliver(found)
        return found


async def answer(document: bytes, encoding: str | None, assumed: Envelope, post: Post) -> str:
    """The reply to a document, in its envelope; `assumed` is the one that its address stands for."""
    try:
        root = parse(document, encoding)
    except XmlError as error:
        seems = _SEEMS.search(document[:_SEEN_OCTETS])
        envelope = Envelope(seems[1].decode()) if seems is not None else assumed
        return DECLARATION + _malformed(error, envelope, post)
    match root.tag:
        case "sci_request":
            return DECLARATION + await _sci(root, post)
        case "rci_request":
            return DECLARATION + await _rci(root, post)
    return DECLARATION + await _bare(root, post)


def _malformed(error: XmlError, envelope: Envelope, post: Post) -> str:
    told = post.engine.told(Problem(Reason.MALFORMED, f"the request is no XML that is taken: {error}"))
    if envelope is Envelope.NONE:
        return _response(told, post)
    inside = f'<rci_reply version="{RCI_VERSION}">{_command(REQUEST, _responses([told], post), post)}</rci_reply>'
    return inside if envelope is Envelope.RCI else _sci_reply([_device(post.device_id, inside)])


# -- requests --------------------------------------------------------------------------------------------------------


async def _bare(root: Element, post: Post) -> str:
    if root.tag == GET_RESPONSES:
        return _mailbox(root, post)
    found = await post.request(root)
    return _response(found[0], post) if len(found) == 1 else _responses(found, post)


def _mailbox(element: Element, post: Post) -> str:
    if not post.role.covers(TAKES):
        refused = f"get_responses: this needs the role {TAKES.value}; yours is {post.role.value}"
        return _responses([post.engine.told(Problem(Reason.ROLE, refused))], post)
    text = element.get("limit")
    limit: int | None = None
    if text:
        try:
            limit = int_of(text)
        except ValueError:
            limit = -1
        if limit < 0:
            problem = f"get_responses: limit is {text[:SHOWN]!r}; allowed: a whole number of at least 0"
            return _responses([post.engine.told(Problem(Reason.ARGUMENTS, problem))], post)
    taken, remaining = post.engine.mailbox.take(limit)
    return _responses(taken, post, remaining)


def response_text(response: Response, table: Table, *, is_printed_layout: bool) -> str:
    """A response as it stands in a reply."""
    if is_printed_layout:
        response = as_printed(response, table)
    return as_xml.write_response(response, table.responses.get(response.name))


def _response(response: Response, post: Post) -> str:
    return response_text(response, post.engine.table, is_printed_layout=post.is_printed_layout)


def _responses(responses: Iterable[Response], post: Post, remaining: int | None = None) -> str:
    """The tag `responses`, which tells how many more there are in the mailbox."""
    left = len(post.engine.mailbox) if remaining is None else remaining
    stamp = post.engine.timestamp()
    timestamp = "" if stamp is None else f' timestamp="{as_xml.timestamp(stamp)}"'
    inside = "".join(_response(one, post) for one in responses)
    opening = f'<responses remaining="{left}"{timestamp}'
    return f"{opening}>{inside}</responses>" if inside else f"{opening}/>"


# -- RCI -------------------------------------------------------------------------------------------------------------


async def _rci(root: Element, post: Post) -> str:
    parts: list[str] = []
    for child in root.children:
        if child.tag == "do_command":
            parts.append(await _do_command(child, post))
        else:
            parts.append(f"<{child.tag}>{_error(f'only do_command is taken here, not {child.tag}')}</{child.tag}>")
    if not parts:
        parts.append(_error("there is nothing to do; allowed: do_command"))
    version = attributes_of([("version", root.get("version") or RCI_VERSION)])
    return f"<rci_reply{version}>{''.join(parts)}</rci_reply>"


async def _do_command(command: Element, post: Post) -> str:
    target = command.get("target") or ""
    match target.lower():
        case "rpc_request":
            found = [response for child in command.children for response in await post.request(child)]
            if post.is_printed_layout:
                return _command(REQUEST, "".join(_response(one, post) for one in found), post)
            return _command(REQUEST, _responses(found, post), post)
        case "rpc_response":
            return _command(RESPONSE, "".join(_collected(child, post) for child in command.children), post)
    told = f"there is no target {target[:SHOWN]!r}; allowed: {REQUEST}, {RESPONSE}"
    return f"<do_command{attributes_of([('target', target[:SHOWN])])}>{_error(told)}</do_command>"


def _collected(child: Element, post: Post) -> str:
    if child.tag == GET_RESPONSES:
        return _mailbox(child, post)
    problem = Problem(Reason.UNKNOWN_REQUEST, f"there is no {child.tag[:SHOWN]!r} here; allowed: {GET_RESPONSES}")
    return _responses([post.engine.told(problem)], post)


def _command(target: str, inside: str, post: Post) -> str:
    # The manual's examples have no target in replies; gateways wrote it.
    attributes = "" if post.is_printed_layout else f' target="{target}"'
    return f"<do_command{attributes}>{inside}</do_command>" if inside else f"<do_command{attributes}/>"


def _error(text: str) -> str:
    return f'<error id="1"><desc>{escape(text)}</desc></error>'


# -- SCI -------------------------------------------------------------------------------------------------------------


async def _sci(root: Element, post: Post) -> str:
    sending = root.child("send_message")
    if sending is None:
        return _sci_reply(None, "only send_message is taken here")
    targets = sending.child("targets")
    devices = [child.get("id") or "" for child in targets.children if child.tag == "device"] if targets else []
    requests = [child for child in sending.children if child.tag == "rci_request"]
    if len(devices) > MAX_TARGETS:
        return _sci_reply([], f"{len(devices)} targets; allowed: at most {MAX_TARGETS}")
    if not devices or not requests:
        return _sci_reply([], None if not devices else "there is nothing to send; allowed: rci_request")
    # A gateway that is named twice does what it is asked for once.
    parts: dict[str, str] = {}
    is_known = False
    for device in devices:
        is_ours = device.lower() in SENDS_TO_ALL or plain_id(device) == plain_id(post.device_id)
        shown = post.device_id if device.lower() in SENDS_TO_ALL else device
        key = post.device_id if is_ours else device
        if key not in parts:
            inside = "".join([await _rci(request, post) for request in requests]) if is_ours else UNKNOWN_TARGET
            parts[key] = _device(shown, inside)
            is_known = is_known or is_ours
    return _sci_reply(list(parts.values()), is_known=is_known)


def plain_id(device: str) -> str:
    """A gateway's identifier without what people write between its digits, and without the zeros before it."""
    return _NOT_IN_IDS.sub("", device.upper()).lstrip("0")


def _device(device: str, inside: str) -> str:
    return f"<device{attributes_of([('id', device)])}>{inside}</device>"


def _sci_reply(devices: list[str] | None, problem: str | None = None, *, is_known: bool = True) -> str:
    inside = "".join(devices or ())
    if problem is not None:
        inside += f"<error>Invalid SCI request. {escape(problem)}</error>"
    elif not devices or not is_known:
        inside += NO_TARGET
    if devices is not None:
        inside = f"<send_message>{inside}</send_message>"
    return f'<sci_reply version="{SCI_VERSION}">{inside}</sci_reply>'

"""A served hub on an emulated Smart Energy network, and a utility's program that asks in XML, and the same in JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from test_rest_zigbee import Service
from test_se_esi import known
from test_xbee_roles import served

from hub.zigbee.model import NetworkState
from radios.emulators.device import EmulatedDevice
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.hub.waiting import eventually
from web.rpc import as_xml
from web.rpc.build import Context
from web.rpc.check import Checked, check_json
from web.rpc.markup import Element, parse
from web.rpc.table import TABLE
from web.rpc.values import Values

_RCI = '<rci_request version="1.1"><do_command target="{}">{}</do_command></rci_request>'
_CONTEXT = Context(TABLE, datetime(2026, 1, 1, tzinfo=UTC))


@dataclass
class Told:
    """A response, read by the types in it."""

    name: str
    values: dict[str, Any]
    markup: Element

    @property
    def text(self) -> str:
        """Of a message."""
        assert self.name == "message", (self.name, self.values)
        return str(self.values["description"])


class Program:
    """A utility's program."""

    def __init__(self, home: Service) -> None:
        self.home, self.hub = home, home.hub

    async def post(self, document: str, target: str = "RPC_request") -> Element:
        """Send RCI, get its responses."""
        body = _RCI.format(target, document).encode()
        headers = {"Authorization": f"Bearer {self.home.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self.home.url}/UE/rci", data=body) as answer,
        ):
            assert answer.status == 200
            reply = parse(await answer.read())
        found: Element | None = reply
        for tag in ("do_command", "responses"):
            assert found is not None
            found = found.child(tag)
        assert found is not None
        return found

    async def ask(self, name: str, markup: str = "") -> Told:
        """A synchronous request in XML, and what it is answered with."""
        [found] = (await self.post(f'<{name} synchronous="TRUE">{markup}</{name}>')).children
        return _told(found)

    async def json(self, name: str, parameters: Mapping[str, object]) -> tuple[int, Any]:
        """The same in JSON: status, and parameters of the response, or the problem."""
        code, found = await self.home.ask("POST", f"/rpc/{name}", dict(parameters))
        return code, found.get("parameters", found)

    async def both(self, name: str, parameters: dict[str, Any] | None = None, *, is_steady: bool = True) -> Told:
        """A request in XML, then the same in JSON: the answers have what their row says, and are the same.

        `is_steady`: nothing has changed between the two.
        """
        checked = check_json(name, parameters or {}, _CONTEXT)
        assert isinstance(checked, Checked), checked
        request = as_xml.write_request(checked.row, checked.arguments)
        [element] = (await self.post(request)).children
        found = _told(element)
        code, answer = await self.json(name, parameters or {})
        assert found.name == f"{name}_response", (found.name, found.values)
        assert code == 200, answer
        types_of(element, found.name)
        told = {child.tag: _json_of(child) for child in element.children}
        answer = {key: _untagged(one) for key, one in answer.items()}
        assert answer.keys() == told.keys(), (answer, told)
        if is_steady:
            assert answer == told, (name, answer, told)
        return found

    async def refused(self, name: str, parameters: dict[str, Any], text: str) -> None:
        """A request that is refused, both ways, with a text that says what was wrong."""
        request = f'<{name} synchronous="TRUE">{markup_of(parameters)}</{name}>'
        [element] = (await self.post(request)).children
        assert text in _told(element).text, _told(element).text
        code, problem = await self.json(name, parameters)
        if code == 200:
            assert text in problem["description"]
        else:
            assert 400 <= code < 500 or code in (502, 503), problem
            assert text in problem["detail"], problem

    async def mailbox(self, name: str, count: int = 1) -> list[Told]:
        """Responses of a name out of the mailbox, once there are so many; others are dropped."""
        found: list[Told] = []
        async with asyncio.timeout(20):
            while len(found) < count:
                responses = await self.post("<get_responses/>", "RPC_response")
                found += [_told(one) for one in responses.children if one.tag == name]
        return found


def _json_of(element: Element, *, named: bool = False) -> Any:
    """A parameter of an answer in XML, by its type, as JSON has it; `named`: a record's class is its `record`."""
    kind, text = element.get("type"), element.text
    match kind:
        case "int":
            assert text.startswith(("0x", "-0x")), text
            return int(text, 16)
        case "bool":
            return {"TRUE": True, "FALSE": False}[text]
        case "string" | "MAC" | "base16" | "base64":
            return text
        case "list":
            return [_json_of(child, named=named) for child in element.children]
        case None:
            return None
    found = {child.tag: _json_of(child, named=named) for child in element.children}
    return {"record": kind, **found} if named and kind != "dict" else found


def _untagged(value: Any) -> Any:
    """Without the types that JSON needs where several are possible; large numbers are text there."""
    match value:
        case {"type": str(), "value": inner} if len(value) == 2:
            return _untagged(inner)
        case dict():
            return {key: _untagged(one) for key, one in value.items() if key != "type"}
        case list():
            return [_untagged(one) for one in value]
        case str() if value.startswith("0x"):
            return int(value, 16)
    return value


def markup_of(parameters: Mapping[str, Any]) -> str:
    """Parameters as clients write them."""
    return "".join(_markup(name, value) for name, value in parameters.items())


def _markup(name: str, value: Any) -> str:
    """A parameter as clients write it, mostly without types; an object is the record of its `type`."""
    match value:
        case {"type": "base16" | "base64" | "int" | "string" | "MAC" as kind, "value": text}:
            return f'<{name} type="{kind}">{text}</{name}>'
        case list():
            return f'<{name} type="list">{"".join(_markup("item", one) for one in value)}</{name}>'
        case dict():
            inner = "".join(_markup(key, one) for key, one in value.items() if key != "type")
            return f'<{name} type="{value["type"]}">{inner}</{name}>'
        case bool():
            return f"<{name}>{str(value).upper()}</{name}>"
    return f"<{name}>{value}</{name}>"


def _told(element: Element) -> Told:
    return Told(element.tag, {child.tag: _json_of(child, named=True) for child in element.children}, element)


def types_of(element: Element, name: str) -> Values:
    """Every parameter of a response is one that its row has, of a type that it takes, and none is missing."""
    row = TABLE.responses[name]
    found: Values = {}
    for child in element.children:
        param = row.by_name.get(child.tag.lower())
        assert param is not None, f"{name} has no {child.tag}"
        found[child.tag] = as_xml.read(child, param.type, child.tag, _CONTEXT)
    assert {param.name for param in row.params if param.is_required} <= found.keys()
    return found


@asynccontextmanager
async def home(folder: Path, *kinds: str, role: str = "esi_coordinator") -> AsyncIterator[tuple[Program, XbeeEmulator]]:
    """The hub as coordinator, with devices that have joined and are known."""
    start = XbeeConfig(devices=kinds, joined=tuple(range(len(kinds))))
    async with XbeeEmulator(start) as module, served(module, folder, role) as found:
        await eventually(lambda: found.hub.networks.get("han").state is NetworkState.UP)
        await known(found.hub, module)
        yield Program(found), module


def address(device: EmulatedDevice) -> str:
    """As the gateway wrote it."""
    return device.ieee.to_bytes(8).hex(":").upper()

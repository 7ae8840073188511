"""Somebody who asks a served hub by RPC: in XML through RCI, in JSON, and for what waits in the mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from web.rpc.markup import Element, parse
from web.rpc.table import TABLE

RCI = '<rci_request version="1.1"><do_command target="{}">{}</do_command></rci_request>'


@dataclass(frozen=True)
class Told:
    """A response: its name, its parameters as JSON has them, and the XML that they were read from."""

    name: str
    parameters: dict[str, Any]
    element: Element

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]


def plain(element: Element) -> Any:
    """A value out of XML as JSON has it, read by its type alone, as a client without our table does."""
    kind = element.get("type")
    text = element.text
    match kind:
        case "int":
            # Real clients cut two characters off and read the rest as hex.
            assert text.removeprefix("-").startswith("0x"), (element.tag, text)
            return int(text, 16)
        case "bool":
            return {"TRUE": True, "FALSE": False}[text]
        case "float":
            return float(text)
        case "string" | "MAC" | "base16":
            return text
        case "list":
            return [plain(child) for child in element.children]
    assert kind == "dict" or str(kind) in TABLE.records, (element.tag, kind)
    return {child.tag: plain(child) for child in element.children}


def told(element: Element) -> Told:
    """A response out of XML: with every parameter that it must have, each of its type, and none that nobody knows."""
    row = TABLE.responses[element.tag]
    for child in element.children:
        param = row.by_name.get(child.tag.lower())
        assert param is not None or row.has_free_names, (element.tag, child.tag)
        if param is not None:
            kinds = (*param.type.records, *(kind.value for kind in param.type.kinds))
            assert child.get("type") in kinds, (child.tag, child.get("type"), kinds)
    found = {child.tag: plain(child) for child in element.children}
    missing = [param.name for param in row.params if param.is_required and param.name not in found]
    assert not missing, (element.tag, missing)
    return Told(element.tag, found, element)


class Asker:
    """Asks `url` with a token."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
        self.mail: list[Told] = []
        """Unsolicited responses that were taken."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def _rci(self, target: str, body: str) -> list[Told]:
        document = RCI.format(target, body)
        async with self._session.post(f"{self._url}/UE/rci", data=document) as answer:
            assert answer.status == 200, await answer.text()
            found = parse(await answer.read())
        responses = found.child("do_command")
        assert responses is not None
        inner = responses.child("responses")
        assert inner is not None
        return [told(child) for child in inner.children]

    async def xml(self, name: str, inside: str = "") -> Told:
        """One synchronous request in XML."""
        [answer] = await self._rci("RPC_request", f'<{name} synchronous="true">{inside}</{name}>')
        return answer

    async def later(self, name: str, inside: str = "") -> None:
        """One request in XML whose answer comes by the mailbox."""
        assert await self._rci("RPC_request", f"<{name}>{inside}</{name}>") == []

    async def refused(self, name: str, inside: str = "") -> str:
        """What a request that is not done is answered with: text for people."""
        answer = await self.xml(name, inside)
        assert (answer.name, answer["severity"]) == ("message", 2), answer
        return str(answer["description"])

    async def json(self, name: str, **parameters: object) -> tuple[int, dict[str, Any]]:
        """One request in JSON: the status, and the parameters of its response, or the problem."""
        async with self._session.post(f"{self._url}/api/v1/rpc/{name}", json=parameters) as answer:
            body = await answer.json(content_type=None)
        if answer.status == 200:
            assert body["response"] in (f"{name}_response", "message"), body
            return answer.status, body["parameters"]
        return answer.status, body

    async def take(self) -> list[Told]:
        """What waits in the mailbox, behind what was there before."""
        self.mail += await self._rci("RPC_response", "<get_responses/>")
        return self.mail

    def named(self, name: str) -> list[Told]:
        """Those of a name among what was taken."""
        return [one for one in self.mail if one.name == name]

    async def until(self, name: str, count: int = 1, within_s: float = 20.0) -> list[Told]:
        """Take the mail until there are so many of a name: those."""
        async with asyncio.timeout(within_s):
            while len(self.named(name)) < count:
                await self.take()
                await asyncio.sleep(0.05)
        return self.named(name)

    async def find(self, name: str, is_wanted: Callable[[Told], bool], within_s: float = 20.0) -> Told:
        """Take the mail until there is one of a name that is wanted: the first."""
        async with asyncio.timeout(within_s):
            while (found := next(filter(is_wanted, self.named(name)), None)) is None:
                await self.take()
                await asyncio.sleep(0.05)
        return found


def record(kind: str, **fields: object) -> str:
    """A record in XML, its ints untyped as head-ends write them."""
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f'<record type="{kind}">{inside}</record>'

"""Aliases: XML under a name, put in place wherever a request says so (CPX2-SE, Aliases).

An alias may stand for a parameter, several, a value, or whole requests; it may use others, but not itself.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from web.rpc.as_json import TYPE, VALUE
from web.rpc.build import Context
from web.rpc.check import Problem, Reason, identifier_in_json, identifier_of
from web.rpc.markup import MAX_DEPTH, MAX_ELEMENTS, Element, XmlError, parse_inside
from web.rpc.table import near
from web.rpc.types import ALIAS, Kind, shown

log = logging.getLogger(__name__)

MAX_ALIASES = 500
MAX_MARKUP = 64 * 1024
"""Characters of one alias: a list of 255 records has some 40,000."""
ADD_ALIAS = "add_alias"


class AliasRefusedError(Exception):
    """An alias cannot be replaced, or not be made; the text is for people."""


class Aliases:
    """All aliases. They are kept by `keep(name, markup)`; None: the alias is gone."""

    def __init__(
        self, known: Mapping[str, str] | None = None, keep: Callable[[str, str | None], Awaitable[None]] | None = None
    ) -> None:
        self._markup: dict[str, str] = {}
        self._trees: dict[str, Element] = {}
        self._keep = keep
        self.load(known or {})

    def load(self, known: Mapping[str, str]) -> None:
        """Have the aliases that were kept, and no others. One that is damaged is left out."""
        self._markup, self._trees = {}, {}
        for name, markup in known.items():
            try:
                self._trees[name] = parse_inside(markup)
            except XmlError as error:
                log.warning("the alias %s is left out, its XML is damaged: %s", name, error)
            else:
                self._markup[name] = markup

    def all(self) -> dict[str, str]:
        """Name -> markup."""
        return dict(self._markup)

    def first(self, name: str) -> str | None:
        """The first tag that an alias stands for, aliases in it replaced; None where it is text, or a broken one."""
        seen: set[str] = set()
        while name in self._trees and name not in seen:
            seen.add(name)
            children = self._trees[name].children
            if not children:
                return None
            if not _is_alias(children[0]):
                return children[0].tag
            name = children[0].tag
        return None

    async def add(self, name: str, markup: str) -> None:
        """Make an alias, or another one of a name there is. Raises `AliasRefusedError` if it would stand for itself."""
        if name not in self._markup and len(self._markup) >= MAX_ALIASES:
            raise AliasRefusedError(f"there are {MAX_ALIASES} aliases already; allowed: no more")
        if len(markup) > MAX_MARKUP:
            raise AliasRefusedError(f"{name} has {len(markup)} characters; allowed: at most {MAX_MARKUP}")
        tree = parse_inside(markup)
        before = (self._trees[name], self._markup[name]) if name in self._markup else None
        self._trees[name], self._markup[name] = tree, markup
        try:
            self._look_for_circle(name)
            if self._keep is not None:
                await self._keep(name, markup)
        except BaseException:
            self._trees.pop(name, None)
            self._markup.pop(name, None)
            if before is not None:
                self._trees[name], self._markup[name] = before
            raise

    async def remove(self, name: str) -> bool:
        """Remove an alias; False when there is none."""
        if name not in self._markup:
            return False
        if self._keep is not None:
            await self._keep(name, None)
        self._trees.pop(name, None)
        return self._markup.pop(name, None) is not None

    def _look_for_circle(self, name: str) -> None:
        """Whether an alias leads back to itself. Each one is looked at once: they may use each other in many ways."""
        ways: dict[str, tuple[str, ...]] = {name: (name,)}
        waiting = deque([name])
        while waiting:
            one = waiting.popleft()
            for used in _used(self._trees[one]):
                if used == name:
                    raise AliasRefusedError(_circle(ways[one], name))
                if used in self._trees and used not in ways:
                    ways[used] = (*ways[one], used)
                    waiting.append(used)

    def expand(self, request: Element, context: Context) -> list[Element] | Problem:
        """The requests that a request stands for, with every alias in them replaced."""
        try:
            return _Expansion(self._trees).of([request]).children
        except AliasRefusedError as error:
            return Problem(Reason.ALIAS, str(error), identifier_of(request, context))

    def expand_json(self, parameters: Mapping[str, object], context: Context) -> Mapping[str, object] | Problem:
        """The parameters of a request in JSON with every alias in them replaced by what it stands for, which is XML.

        `{"THERMOSTAT": {"type": "alias"}}` stands for parameters, `{"price": {"type": "alias", "value": "PEAK"}}` for
        the value of one.
        """
        if not _mentions_alias(parameters, 0):
            return parameters
        try:
            return self._in_object(parameters, _Expansion(self._trees), 0)
        except AliasRefusedError as error:
            return Problem(Reason.ALIAS, str(error), identifier_in_json(parameters, context))

    def _in_object(self, given: Mapping[str, object], expansion: _Expansion, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in given.items():
            if not (isinstance(value, dict) and value.get(TYPE) == ALIAS):
                found[name] = self._in_value(value, expansion, depth + 1)
            elif value.keys() == {TYPE}:
                for child in expansion.of([Element(name, {TYPE: ALIAS})]).children:
                    if child.tag in found:
                        raise AliasRefusedError(f"{shown(child.tag)} is given twice, once by the alias {shown(name)}")
                    found[child.tag] = child
            elif value.keys() == {TYPE, VALUE} and isinstance(value[VALUE], str):
                inside = expansion.of([Element(value[VALUE], {TYPE: ALIAS})])
                found[name] = replace(inside, tag=name)
            else:
                raise AliasRefusedError(f'{shown(name)} is no alias; allowed: {{"type": "alias", "value": "its name"}}')
        return found

    def _in_value(self, given: object, expansion: _Expansion, depth: int) -> object:
        if depth > MAX_DEPTH:
            # Whoever reads it refuses it.
            return given
        if isinstance(given, dict):
            return self._in_object(given, expansion, depth)
        if isinstance(given, list):
            return [self._in_value(one, expansion, depth + 1) for one in given]
        return given


def _mentions_alias(given: object, depth: int) -> bool:
    if depth > MAX_DEPTH:
        return False
    if isinstance(given, dict):
        return given.get(TYPE) == ALIAS or any(_mentions_alias(one, depth + 1) for one in given.values())
    return isinstance(given, list) and any(_mentions_alias(one, depth + 1) for one in given)


class _Expansion:
    """One replacement of all aliases in a request, within bounds: aliases of aliases grow fast."""

    def __init__(self, trees: Mapping[str, Element]) -> None:
        self._trees = trees
        self._left = MAX_ELEMENTS

    def of(self, elements: list[Element]) -> Element:
        """A tag with the elements in it, replaced."""
        inside = Element("xml")
        self._add(elements, inside, (), 0)
        return inside

    def _add(self, elements: list[Element], into: Element, path: tuple[str, ...], depth: int) -> None:
        if depth > MAX_DEPTH:
            raise AliasRefusedError(f"more than {MAX_DEPTH} tags within each other once aliases are replaced")
        for element in elements:
            self._left -= 1
            if self._left < 0:
                raise AliasRefusedError(f"more than {MAX_ELEMENTS} tags once aliases are replaced")
            if not _is_alias(element):
                into.children.append(self._replaced(element, path, depth))
                continue
            name = element.tag
            if name in path:
                raise AliasRefusedError(_circle(path, name))
            tree = self._trees.get(name)
            if tree is None:
                alike = near(name, self._trees)
                hint = f"; did you mean {' or '.join(alike)}?" if alike else "; list_aliases tells what there is"
                raise AliasRefusedError(f"there is no alias {shown(name)}{hint}")
            _add_text(into, tree.text)
            self._add(tree.children, into, (*path, name), depth + 1)
            _add_text(into, element.tail)

    def _replaced(self, element: Element, path: tuple[str, ...], depth: int) -> Element:
        # What is kept as XML is kept with its aliases: they are replaced when it is used.
        if not element.children or element.tag == ADD_ALIAS or _type(element) == Kind.XML:
            return element
        found = replace(element, children=[])
        self._add(element.children, found, path, depth + 1)
        return found


def _add_text(into: Element, text: str) -> None:
    if into.children:
        last = into.children[-1]
        # The last child may be part of an alias, which others use too.
        into.children[-1] = replace(last, tail=last.tail + text)
    else:
        into.text += text


def _type(element: Element) -> str:
    return (element.get("type") or "").lower()


def _is_alias(element: Element) -> bool:
    return _type(element) == ALIAS


def _used(tree: Element) -> set[str]:
    """Names of the aliases that a tree uses."""
    found: set[str] = set()
    waiting = [tree]
    while waiting:
        for child in waiting.pop().children:
            if _is_alias(child):
                found.add(child.tag)
            elif child.tag != ADD_ALIAS and _type(child) != Kind.XML:
                waiting.append(child)
    return found


def _circle(path: tuple[str, ...], again: str) -> str:
    begun = path.index(again)
    return f"the alias {again} stands for itself: {' -> '.join((*path[begun:], again))}"

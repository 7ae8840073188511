"""General requests: what there is, the time, the registry, the end (CPX2-SE, General Requests/Responses)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from hub import registry
from hub.clock import Clock
from hub.errors import HubError, NotFoundError, RefusedError, UnsupportedError
from hub.registry import ENTRIES, Registry, RegistryValue
from hub.smart_energy.utc import to_utc
from protocols.se.base import SeVersion
from web.rpc import fields
from web.rpc.check import Checked
from web.rpc.declare import RecordRow, RequestRow
from web.rpc.engine import Engine, Handler
from web.rpc.interfaces import INTERFACES
from web.rpc.present import Present
from web.rpc.rows.general import VERSION_MODULE
from web.rpc.table import near
from web.rpc.values import Value, Values

TOPICS = ("registry", "methods", "interfaces", "endpoints", "clusters", "records", "paths")
SE_SPEC_VERSIONS = {SeVersion.V1_0: "1.0 revision 15", SeVersion.V1_1: "1.1 revision 16", SeVersion.V1_2: "1.2"}
DESCRIPTION = "home-energy-hub with support for ESI and IPD functionality"
_OWN_CLASSES, _RECORDS = "Endpoints", "Records"
"""Where classes are from that are always there; gateways named such modules differently."""
_EPOCH_1970 = datetime(1970, 1, 1, tzinfo=UTC)


class General:
    """Handlers of general requests."""

    def __init__(
        self,
        engine: Engine,
        registry: Registry,
        clock: Clock,
        version: str,
        se_version: SeVersion,
        stop: Callable[[], None] | None,
        present: Present,
    ) -> None:
        """`stop` ends the program; None where nobody can do that from here."""
        self._present = present
        self._engine, self._registry, self._clock = engine, registry, clock
        self._version, self._se_version, self._stop = version, se_version, stop

    def handlers(self) -> dict[str, Handler]:
        """By the names of their requests."""
        return {
            "registry_configuration": self.registry_configuration,
            "get_version": self.get_version,
            "help": self.help,
            "exit": self.exit,
            "get_time": self.get_time,
        }

    async def get_time(self, request: Checked) -> Values:
        """The time in whole seconds of both epochs."""
        now = self._clock.now()
        return {"UTC_1970": int((now - _EPOCH_1970).total_seconds()), "UTC_2000": to_utc(now)}

    async def get_version(self, request: Checked) -> Values:
        """The version of the whole, or of a module. Raises `NotFoundError`."""
        given = fields.text(request.arguments, "module_name")
        modules = {VERSION_MODULE, *(name for name, _ in INTERFACES.values()), *self._present.modules}
        found = next((name for name in sorted(modules) if name.lower() == given.lower()), None)
        if found is None:
            raise NotFoundError("module", given[:60], near(given, modules))
        if found in self._present.modules:
            module = self._present.modules[found]
            return {"module_name": found, "version": module.version, "version_extended": module.version_extended}
        extended: Values = {"SE_spec_version": SE_SPEC_VERSIONS[self._se_version], "description": DESCRIPTION}
        return {"module_name": found, "version": self._version, "version_extended": extended}

    async def exit(self, request: Checked) -> None:
        """End the program once this is answered. Raises `UnsupportedError`."""
        if self._stop is None:
            raise UnsupportedError("whoever has started this program ends it; allowed: exit of hubd")
        self._stop()

    async def registry_configuration(self, request: Checked) -> Values:
        """Tell or set an entry. Raises `NotFoundError` for one that is to be told and is none."""
        name = fields.text(request.arguments, "name")
        entry = registry.entry_of(name)
        name = name if entry is None else entry.name
        if "value" not in request.arguments:
            if name not in ENTRIES:
                raise NotFoundError("registry entry", name[:80], registry.near(name))
            return {"name": name, "value": self._registry.all()[name]}
        value = request.arguments["value"]
        answer: Values = {"name": name, "write_status": True, "value": value}
        try:
            await self._registry.set(name, _setting(name, value))
        except HubError as error:
            answer = {"name": name, "write_status": False, "write_errors": str(error), "value": value}
        return answer

    # -- help ----------------------------------------------------------------------------------------------------

    async def help(self, request: Checked) -> Values:
        """Lists of what was named; what can be named, if nothing was."""
        listed: Mapping[str, Callable[[], list[Value]]] = {
            "registry": self._entries,
            "methods": self._methods,
            "interfaces": self._interfaces,
            "endpoints": lambda: self._classes(self._present.endpoint_classes()),
            "clusters": lambda: self._classes(self._present.cluster_classes()),
            "records": self._records,
            "paths": lambda: list[Value](self._present.directories()),
        }
        named = [name for name in TOPICS if name in request.arguments]
        if not named:
            return {"parameters": list[Value](TOPICS)}
        return {name: listed[name]() for name in named}

    def _entries(self) -> list[Value]:
        return [
            {"name": name, "value": value, "description": _with_unit(ENTRIES[name].meaning, ENTRIES[name].unit)}
            for name, value in sorted(self._registry.all().items())
        ]

    def _methods(self) -> list[Value]:
        table, pending = self._engine.table, frozenset(self._engine.pending)
        return [
            {
                "name": row.name,
                "module": self._present.interface_of(row) or _interface(row),
                "description": help_text(row),
            }
            for row in table.requests.values()
            if row.name not in pending
        ]

    def _module(self, row: RequestRow) -> str:
        return self._present.interface_of(row) or _interface(row)

    def _interfaces(self) -> list[Value]:
        own: list[Value] = [
            {"name": name, "module": name, "description": text} for name, text in dict(INTERFACES.values()).items()
        ]
        return own + self._classes(self._present.interface_classes())

    def _classes(self, classes: Mapping[str, type]) -> list[Value]:
        return [
            {
                "name": name,
                "module": self._present.module_of(name) or _OWN_CLASSES,
                "description": inspect.getdoc(found) or "",
            }
            for name, found in classes.items()
        ]

    def _records(self) -> list[Value]:
        return [
            {"name": row.name, "module": self._present.module_of(row.name) or _RECORDS, "description": record_text(row)}
            for row in self._engine.table.records.values()
        ]


def _setting(name: str, value: Value) -> RegistryValue:
    """A value as the registry takes it; 0 and 1 are FALSE and TRUE of a switch, as the gateway's Python had it.

    None unsets an entry, as a line without a value of registry_settings.ini does: it has its default.
    """
    entry = ENTRIES.get(name)
    if entry is not None and value is None:
        return entry.default
    if entry is not None and entry.is_switch and value in (0, 1):
        return bool(value)
    if entry is not None and entry.is_text:
        return str(value)
    if isinstance(value, bool | int | str):
        return value
    allowed = "TRUE, FALSE or a whole number" if entry is None else entry.allowed
    raise RefusedError(f"{name} is {value!r}; allowed: {allowed}")


def _interface(row: RequestRow) -> str:
    return INTERFACES.get(row.chapter, ("RPC_Manager", ""))[0]


def _with_unit(meaning: str, unit: str) -> str:
    return f"{meaning} ({unit})" if unit else meaning


def help_text(row: RequestRow) -> str:
    """What a request does, its parameters and who may, as text of several lines."""
    lines = [row.meaning]
    for param in row.params:
        wanted = "" if param.is_required else " (optional)"
        default = f"; default: {param.default_text}" if param.default_text else ""
        lines.append(f"{param.name}{wanted} - {param.type.allowed} - {param.meaning}{default}")
    lines.append(f"Role: {row.role.value}." + (" Not in the manual." if row.is_ours else ""))
    return "\n".join(lines)


def record_text(row: RecordRow) -> str:
    """What a class of records is, with its fields."""
    lines = [f"{row.meaning[:1].upper()}{row.meaning[1:]}."]
    for param in row.params:
        default = f"; default: {param.default_text}" if param.default_text else ""
        lines.append(f"{param.name} - {param.type.allowed} - {param.meaning}{default}")
    return "\n".join(lines)

"""Modules out of the module directory, and what is in them.

Only files that nobody but their owner can write are read, of the user whom the hub runs as or of root; no link leads
out of the directory. A module that cannot be run leaves nothing behind.
"""

from __future__ import annotations

import errno
import inspect
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

from hub.errors import InvalidError, NotFoundError, RefusedError
from web.rpc.declare import RecordRow
from web.rpc.extension import Cluster, Endpoint, Interface
from web.rpc.markup import is_tag
from web.rpc.table import near
from web.rpc.types import SHOWN
from web.rpc.values import Value

NAME = re.compile("[A-Za-z_][A-Za-z0-9_]{0,63}")
ALLOWED_NAME = "a name of letters, digits and underscores, without path and without .py"
SUFFIX = ".py"
MAX_BYTES = 1 << 20
"""Of a module; real ones have some kilobytes."""
PACKAGE = "home_energy_hub_modules"
"""Modules are in `sys.modules` as parts of it, where dataclasses look for theirs."""
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Module:
    """A module that has been run."""

    name: str
    interfaces: Mapping[str, type[Interface]]
    endpoints: Mapping[str, type[Endpoint]]
    clusters: Mapping[str, type[Cluster]]
    records: Mapping[str, RecordRow]
    version: Value = ""
    version_extended: Value = ""

    def names(self) -> Iterator[str]:
        """All classes, and all records."""
        for kind in (self.interfaces, self.endpoints, self.clusters, self.records):
            yield from kind


class ModuleDirectory:
    """The directory, if there is one."""

    def __init__(self, path: Path | None) -> None:
        """None: adding modules is off."""
        self.path = path

    def load(self, name: str) -> Module:
        """Run a module. Raises `RefusedError`, `InvalidError` for its name, `NotFoundError`."""
        if self.path is None:
            raise RefusedError(
                'adding modules is off; allowed: with [rpc] modules = "DIRECTORY" in hub.toml, which is where they are'
            )
        if NAME.fullmatch(name) is None:
            raise InvalidError("module_name", name[:SHOWN], ALLOWED_NAME)
        return _run(name, _compiled(self.path, name))

    def known(self) -> tuple[str, ...]:
        """Names of the files there."""
        if self.path is None:
            return ()
        try:
            return tuple(sorted(found.stem for found in self.path.iterdir() if found.suffix == SUFFIX))
        except OSError:
            return ()


def _compiled(directory: Path, name: str) -> CodeType:
    path = directory / f"{name}{SUFFIX}"
    try:
        # Checked and read by the same descriptors: what is put in their place meanwhile is not run.
        place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _check(os.fstat(place), directory)
            file = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=place)
        finally:
            os.close(place)
        with os.fdopen(file, "rb") as source:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise RefusedError(f"{str(path)!r} is no file that a module can be in")
            _check(found, path)
            text = source.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError("module", name, near(name, ModuleDirectory(directory).known())) from None
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise RefusedError(f"the module {name!r} cannot be read: {why}; allowed: a file in {directory}") from None
    if len(text) > MAX_BYTES:
        raise RefusedError(f"the module {name!r} is too large; allowed: at most {MAX_BYTES} bytes")
    try:
        return compile(text, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise RefusedError(f"the module {name!r} is not Python: {error}") from None


def _check(found: os.stat_result, path: Path) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise RefusedError(f"{str(path)!r} belongs to user {found.st_uid}; allowed: {os.geteuid()} (the hub's) or root")
    if found.st_mode & _OTHERS_WRITE:
        mode = stat.S_IMODE(found.st_mode)
        raise RefusedError(f"others may write {str(path)!r} (mode {mode:04o}); allowed: only its owner, as chmod go-w")


def _run(name: str, code: CodeType) -> Module:
    full = f"{PACKAGE}.{name}"
    module = ModuleType(full)
    module.__file__ = code.co_filename
    before = sys.modules.get(full)
    sys.modules[full] = module
    try:
        exec(code, module.__dict__)
        return _scanned(name, module)
    except (Exception, SystemExit) as error:
        if before is None:
            del sys.modules[full]
        else:
            sys.modules[full] = before
        if isinstance(error, RefusedError):
            raise
        where = _line(error, code.co_filename)
        raise RefusedError(f"the module {name!r} fails{where}: {type(error).__name__}: {str(error)[:200]}") from error


def _line(error: BaseException, path: str) -> str:
    """Where in the module it happened."""
    found, at = "", error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == path:
            found = f" in line {at.tb_lineno}"
        at = at.tb_next
    return found


def _scanned(name: str, module: ModuleType) -> Module:
    own = {
        called: found
        for called, found in vars(module).items()
        if not called.startswith("_") and isinstance(found, type) and found.__module__ == module.__name__
    }
    records = {found.name: found for found in vars(module).values() if isinstance(found, RecordRow)}
    interfaces = {one.__name__: one for one in own.values() if issubclass(one, Interface)}
    for record in records.values():
        _check_tags(name, record.name, [param.name for param in record.params])
    for interface in interfaces.values():
        _check_interface(name, interface)
    endpoints = {one.__name__: one for one in own.values() if issubclass(one, Endpoint)}
    clusters = {one.__name__: one for one in own.values() if issubclass(one, Cluster)}
    for endpoint in endpoints.values():
        _check_endpoint(f"the module {name!r}: {endpoint.__name__}", endpoint)
    for cluster in clusters.values():
        _check_number(f"the module {name!r}: CLUSTER of {cluster.__name__}", getattr(cluster, "CLUSTER", 0), 0xFFFF)
    return Module(
        name,
        interfaces,
        endpoints,
        clusters,
        records,
        _value(getattr(module, "__version__", "")),
        _value(getattr(module, "__version_extended__", "")),
    )


def _value(found: object) -> Value:
    """What a module says of its version: of any type that a response can have, else as text."""
    if found is None or isinstance(found, bool | int | float | str):
        return found
    if isinstance(found, dict):
        return {str(name): _value(one) for name, one in found.items() if is_tag(str(name))}
    return [_value(one) for one in found] if isinstance(found, list | tuple) else str(found)


def _check_endpoint(where: str, endpoint: type[Endpoint]) -> None:
    _check_number(f"{where}: PROFILE", 0 if endpoint.PROFILE is None else endpoint.PROFILE, 0xFFFF)
    _check_number(f"{where}: DEVICE", endpoint.DEVICE, 0xFFFF)
    _check_number(f"{where}: VERSION", endpoint.VERSION, 0xF)
    places = set()
    for cluster in endpoint.CLUSTERS:
        if getattr(cluster, "CLUSTER", None) is None:
            raise RefusedError(f"{where}: {cluster.__name__} needs a CLUSTER")
        places.add((cluster.CLUSTER, cluster.SIDE))
    if len(places) != len(endpoint.CLUSTERS):
        raise RefusedError(f"{where}: one of its CLUSTERS is there twice")


def _check_number(what: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise RefusedError(f"{what} is {value!r}; allowed: 0x0 to {most:#x}")


def _check_interface(module: str, interface: type[Interface]) -> None:
    where = f"the module {module!r}: {interface.__name__}"
    responses = {row.name for row in interface.RESPONSES}
    for row in interface.REQUESTS:
        if not inspect.iscoroutinefunction(getattr(interface, row.name, None)) or row.name.startswith("_"):
            raise RefusedError(f"{where} has no coroutine {row.name}, which its request of that name needs")
        if row.response is not None and row.response not in responses:
            raise RefusedError(f"{where} has no response {row.response}, which its request {row.name} needs")
    for one in (*interface.REQUESTS, *interface.RESPONSES):
        _check_tags(module, one.name, [param.name for param in one.params])


def _check_tags(module: str, name: str, params: list[str]) -> None:
    for tag in (name, *params):
        if not is_tag(tag):
            raise RefusedError(f"the module {module!r}: {tag[:SHOWN]!r} cannot be the name of a tag")

"""The gateway's files of settings, by their names there."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import NotFoundError
from web.auth import Role
from web.errors import BadRequestError, FieldError
from web.routes import API, Call, Route
from web.rpc.ini import Ini, IniError

MAX_TEXT = 1_000_000
"""Characters of a file."""


class IniFile(Struct, frozen=True):
    """A file: its name, and what is in it."""

    file: str
    text: str


class IniUpdate(Struct, frozen=True, forbid_unknown_fields=True):
    """A file to take in. `radio`: whose network `devices.ini` is for; without it the only one."""

    text: Annotated[str, Meta(max_length=MAX_TEXT)]
    radio: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET


class IniTaken(Struct, frozen=True):
    """How many lines were taken."""

    file: str
    lines: int


async def get_ini(call: Call[None, None]) -> IniFile:
    """Export a file of settings as a gateway had it."""
    file = _file(call.path["file"])
    return IniFile(file.value, call.services.rpc.files.text(file))


async def put_ini(call: Call[None, IniUpdate]) -> IniTaken:
    """Import a file of settings as a gateway had it: all of it, or nothing where a line cannot be taken."""
    file = _file(call.path["file"])
    radio = call.body.radio
    try:
        count = await call.services.rpc.files.take(file, call.body.text, None if radio is UNSET else radio)
    except IniError as error:
        errors = [FieldError(f"line {one.line}: {one.what}", one.allowed, one.value) for one in error.refused]
        raise BadRequestError(str(error), tuple(errors)) from None
    return IniTaken(file.value, count)


def _file(name: str) -> Ini:
    try:
        return Ini(name)
    except ValueError:
        raise NotFoundError("file of settings", name[:60], tuple(Ini)) from None


ROUTES = (
    Route("GET", f"{API}/rpc/files/{{file}}", Role.VIEWER, get_ini, tag="rpc"),
    Route("PUT", f"{API}/rpc/files/{{file}}", Role.ADMIN, put_ini, fails=(409, 503, 507), tag="rpc"),
)

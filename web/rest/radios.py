"""Radios: what each is and can do, and the backups of those that are coordinators."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web as aioweb
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.config import RadioSection
from hub.errors import NotFoundError
from hub.hub import Hub
from hub.model import RadioState, RadioStatus
from web import schema_backup
from web.auth import Role
from web.routes import API, Call, Route
from web.schema_base import Json

CAN_FAIL = (409, 503, 507)
"""The radio cannot, is down, or the disk is full."""
Name = Annotated[str, Meta(max_length=64)]


class RadioInfo(Struct, frozen=True, kw_only=True):
    """A radio as configured, and what its stick says it is. `capabilities` are what it can do, by name.

    Model, firmware, mode and capabilities are empty while it is down, and for radios without a stick. `backup` is null
    where it cannot be backed up.
    """

    name: str
    driver: str
    pipe: str
    carries: str
    state: RadioState
    detail: str
    model: str
    firmware: str
    mode: str
    capabilities: list[str]
    backup: schema_backup.BackupState | None


class RadioList(Struct, frozen=True):
    """All radios."""

    radios: list[RadioInfo]


class BackupList(Struct, frozen=True):
    """Backups that are kept, newest first."""

    backups: list[schema_backup.Backup]


class RestoreRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm` is the radio's name. Either `backup`, the id of a kept one, or `document`, a whole one."""

    confirm: Name
    backup: Name | UnsetType = UNSET
    document: dict[str, Json] | UnsetType = UNSET

    def __repr__(self) -> str:
        return "RestoreRequest(...)"


class ReplaceRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm` is the radio's name. `overwrite`: although the stick in place has another network."""

    confirm: Name
    overwrite: bool = False


def _info(hub: Hub, section: RadioSection, status: RadioStatus) -> RadioInfo:
    network = hub.networks.get(section.name) if section.carries == "zigbee" else None
    is_known = network is not None and bool(network.model)
    can = network.can if network is not None and is_known else None
    return RadioInfo(
        name=section.name,
        driver=section.radio.driver,
        pipe=section.radio.pipe,
        carries=section.carries,
        state=status.state,
        detail=status.detail,
        model=network.model if network is not None else "",
        firmware=network.firmware if network is not None else "",
        mode=network.mode if network is not None else "",
        capabilities=[] if can is None else can.names(),
        backup=schema_backup.state(network.backup) if network is not None and network.backup is not None else None,
    )


def _radios(hub: Hub) -> list[RadioInfo]:
    states = {status.name: status for status in hub.radios()}
    return [_info(hub, section, states[section.name]) for section in hub.config.radios]


async def list_radios(call: Call[None, None]) -> RadioList:
    """List radios: driver, pipe, what each is and can do, and how it is with its backups."""
    return RadioList(_radios(call.hub))


async def show_radio(call: Call[None, None]) -> RadioInfo:
    """Show one radio."""
    name = call.path["radio"]
    found = _radios(call.hub)
    for one in found:
        if one.name == name:
            return one
    raise NotFoundError("radio", name, tuple(one.name for one in found[:3]))


async def list_backups(call: Call[None, None]) -> BackupList:
    """List the backups of a coordinator, newest first, each with what changed since the one before it."""
    return BackupList([schema_backup.backup(one) for one in await call.hub.backups.all(call.path["radio"])])


async def make_backup(call: Call[None, None]) -> schema_backup.Backup:
    """Back up a coordinator now; `diff` says what changed since the last backup."""
    return schema_backup.backup(await call.hub.backups.make(call.path["radio"]))


async def download_backup(call: Call[None, None]) -> aioweb.Response:
    """Download a whole backup, in the open coordinator format.

    It holds the network key and the link keys of all devices: whoever has it can read everything on the network, and
    take part in it. Keep it as a password is kept.
    """
    radio, name = call.path["radio"], call.path["backup"]
    document = await call.hub.backups.document(radio, name)
    return aioweb.Response(
        body=msgspec.json.format(msgspec.json.encode(document), indent=2),
        content_type="application/json",
        headers={"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}.json"'},
    )


async def restore_backup(call: Call[None, RestoreRequest]) -> schema_backup.RestoredNetwork:
    """Have a stick be as it is in a backup: a kept one, or a whole document.

    Address, network, keys and devices are those of the backup then, and no device has to join again. What the stick has
    now is backed up first. The stick that had the network before must not be on the air at the same time.
    """
    body = call.body
    done = await call.hub.backups.restore(
        call.path["radio"],
        body.confirm,
        backup=None if body.backup is UNSET else body.backup,
        document=None if body.document is UNSET else body.document,
    )
    return schema_backup.restored(done)


async def replace_radio(call: Call[None, ReplaceRequest]) -> schema_backup.RestoredNetwork:
    """Have the stick that is there now take the network of the one before it, from its last good backup.

    A stick that has another network is refused without `overwrite`; a new stick has one, too, since the hub forms one
    on a stick that has none. The old stick must not be on the air at the same time.
    """
    body = call.body
    done = await call.hub.backups.replace(call.path["radio"], body.confirm, overwrite=body.overwrite)
    return schema_backup.restored(done)


async def acknowledge_alarm(call: Call[None, None]) -> schema_backup.BackupState:
    """Acknowledge the alarm about a backup: from now on things are as they should be."""
    return schema_backup.state(await call.hub.backups.acknowledge(call.path["radio"]))


_ONE = f"{API}/radios/{{radio}}"
ROUTES = (
    Route("GET", f"{API}/radios", Role.VIEWER, list_radios, tag="radios"),
    Route("GET", _ONE, Role.VIEWER, show_radio, tag="radios"),
    Route("GET", f"{_ONE}/backups", Role.VIEWER, list_backups, tag="radios"),
    Route("POST", f"{_ONE}/backups", Role.OPERATOR, make_backup, status=201, fails=CAN_FAIL, tag="radios"),
    Route("GET", f"{_ONE}/backups/{{backup}}", Role.ADMIN, download_backup, fails=(507,), tag="radios"),
    Route("POST", f"{_ONE}/restore", Role.ADMIN, restore_backup, fails=CAN_FAIL, tag="radios"),
    Route("POST", f"{_ONE}/replace", Role.ADMIN, replace_radio, fails=CAN_FAIL, tag="radios"),
    Route("POST", f"{_ONE}/acknowledge", Role.ADMIN, acknowledge_alarm, fails=(409, 507), tag="radios"),
)

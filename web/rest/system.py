"""The hub itself: health, state, metrics, the OpenAPI document."""

from __future__ import annotations

import platform
from typing import Literal

from aiohttp import web as aioweb
from msgspec import Struct

from hub.model import RadioState, StorageState
from hub.startup import StartupStep
from web import metrics, openapi, schema
from web.auth import Role
from web.routes import API, Call, Route


class RadioHealth(Struct, frozen=True):
    """A radio, as far as anybody may know."""

    name: str
    driver: str
    state: RadioState


class StorageHealth(Struct, frozen=True):
    """The database, as far as anybody may know."""

    state: StorageState


class StartupState(Struct, frozen=True):
    """How far the start is, `number` of 4: core, time, network, operational; `detail` says what it waits for."""

    step: StartupStep
    number: int
    detail: str


class Health(Struct, frozen=True):
    """`degraded` when a radio is not up or the database takes nothing."""

    status: Literal["ok", "degraded"]
    startup: StartupStep
    version: str
    uptime_s: float
    radios: list[RadioHealth]
    storage: StorageHealth


class DeviceCounts(Struct, frozen=True):
    """How many devices there are, and how many can be reached."""

    total: int
    available: int


class System(Struct, frozen=True):
    """The hub's state."""

    name: str
    version: str
    startup: StartupState
    uptime_s: float
    python: str
    radios: list[schema.Radio]
    storage: schema.Storage
    keys: list[schema.Key]
    database_bytes: int
    devices: DeviceCounts


async def show_health(call: Call[None, None]) -> Health:
    """Whether the hub is well; needs no token."""
    hub = call.hub
    radios = hub.radios()
    storage = hub.store.status.state
    well = storage is StorageState.OK and all(radio.state is RadioState.UP for radio in radios)
    return Health(
        status="ok" if well else "degraded",
        startup=hub.startup().step,
        version=hub.version,
        uptime_s=round(hub.uptime_s(), 3),
        radios=[RadioHealth(radio.name, radio.driver, radio.state) for radio in radios],
        storage=StorageHealth(storage),
    )


async def show_system(call: Call[None, None]) -> System:
    """Radios, database, keys and counts."""
    hub = call.hub
    devices, begun = hub.devices.all(), hub.startup()
    return System(
        name=hub.config.hub.name,
        version=hub.version,
        startup=StartupState(begun.step, begun.number, begun.detail),
        uptime_s=round(hub.uptime_s(), 3),
        python=platform.python_version(),
        radios=[schema.radio(status) for status in hub.radios()],
        storage=schema.storage(hub.store.status),
        keys=[schema.key(status) for status in hub.keys.statuses()],
        database_bytes=await hub.store.size_bytes(),
        devices=DeviceCounts(len(devices), sum(device.availability == "available" for device in devices)),
    )


async def show_openapi(call: Call[None, None]) -> aioweb.Response:
    """This document."""
    return aioweb.Response(body=openapi.document(call.services.routes), content_type="application/json")


async def show_metrics(call: Call[None, None]) -> aioweb.Response:
    """Metrics for Prometheus."""
    text = await metrics.exposition(call.hub, call.services.fanout)
    return aioweb.Response(body=text, headers={"Content-Type": metrics.CONTENT_TYPE})


ROUTES = (
    Route("GET", f"{API}/health", None, show_health),
    Route("GET", f"{API}/system", Role.VIEWER, show_system),
    Route("GET", f"{API}/openapi.json", Role.VIEWER, show_openapi),
    Route("GET", "/metrics", Role.VIEWER, show_metrics, content="text/plain"),
)

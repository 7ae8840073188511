"""For which loads we take demand response events as a client: the attributes of our load control client."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.smart_energy.premises import EnergyClient
from web import schema_se
from web.auth import Role
from web.rest.smart_energy import FAILS, Radio, WhichRadio, radio_of
from web.routes import API, Call, Route

Minutes = Annotated[int, Meta(ge=0, le=60)]
Group = Annotated[int, Meta(ge=0, le=255)]


class LoadControl(Struct, frozen=True, kw_only=True):
    """For which classes of loads and which group of the utility events are taken, and how much is drawn at most.

    An energy service interface may write these as attributes of our load control client.
    """

    radio: str
    device_classes: list[schema_se.Class]
    utility_enrollment_group: Group
    """0: all groups."""
    start_randomize_min: Minutes
    stop_randomize_min: Minutes


class ChangeLoadControl(Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays."""

    radio: Radio | UnsetType = UNSET
    device_classes: Annotated[list[schema_se.Class], Meta(min_length=1, max_length=12)] | UnsetType = UNSET
    utility_enrollment_group: Group | UnsetType = UNSET
    start_randomize_min: Minutes | UnsetType = UNSET
    stop_randomize_min: Minutes | UnsetType = UNSET


def _told(client: EnergyClient) -> LoadControl:
    policy = client.drlc.policy
    return LoadControl(
        radio=client.name,
        device_classes=schema_se.classes_of(policy.device_class),
        utility_enrollment_group=policy.utility_enrollment_group,
        start_randomize_min=policy.start_randomize_min,
        stop_randomize_min=policy.stop_randomize_min,
    )


async def show_load_control(call: Call[WhichRadio, None]) -> LoadControl:
    """Show for which loads we take demand response events."""
    return _told(call.hub.premises.client(radio_of(call.query.radio)))


async def change_load_control(call: Call[None, ChangeLoadControl]) -> LoadControl:
    """Change for which loads we take demand response events, from the next event on."""
    body = call.body
    client = call.hub.premises.client(radio_of(body.radio))
    policy = client.drlc.policy
    if body.device_classes is not UNSET:
        policy.device_class = schema_se.mask_of(body.device_classes)
    if body.utility_enrollment_group is not UNSET:
        policy.utility_enrollment_group = body.utility_enrollment_group
    if body.start_randomize_min is not UNSET:
        policy.start_randomize_min = body.start_randomize_min
    if body.stop_randomize_min is not UNSET:
        policy.stop_randomize_min = body.stop_randomize_min
    client.policy_changed()
    await call.hub.premises.keep()
    return _told(client)


_PATH = f"{API}/events/received/load-control"
ROUTES = (
    Route("GET", _PATH, Role.VIEWER, show_load_control, fails=FAILS, tag="smart energy"),
    Route("PATCH", _PATH, Role.OPERATOR, change_load_control, fails=FAILS, tag="smart energy"),
)

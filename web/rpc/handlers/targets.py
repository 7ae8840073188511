"""What requests about devices mean by their addresses and numbers: networks, clusters, and what went wrong there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hub.errors import ConversationError, InvalidError, UnavailableError, ZclStatusError
from hub.hub import Hub
from hub.zigbee.direct import Target
from hub.zigbee.model import DEVICE_PREFIX, Side
from protocols.ids import Eui64
from web.rpc import fields
from web.rpc.engine import Engine, RequestFailedError, conversation_failed
from web.rpc.response import Severity
from web.rpc.types import SHOWN, ValueRefusedError
from web.rpc.values import Mac, Value, Values

_SMART_ENERGY = "xbee"
"""The driver of radios that are on Smart Energy networks; others cannot encrypt for two ends."""
_KEY_NOT_AUTHORIZED, _KEY_CAUSE = 0xBB, "Key not authorized"
"""What an XBee says of a device that it has no keys with, and what head-ends look for then."""
_SIDES = {0: Side.SERVER, 1: Side.CLIENT}
_FIELDS = {
    "endpoint": "destination_endpoint_id",
    "source_endpoint": "source_endpoint_id",
    "duration_s": "join_time",
    "join_time_s": "join_time",
    "join_interval_s": "join_interval",
    "install_code": "installation_code",
    "eui64": "device_address",
    "channels": "channel_mask",
    "encryption": "enable_aps_encryption",
    "period_s": "fast_poll_update_period",
    "duration_min": "duration_in_minutes",
}
"""The hub's names of values -> the gateway's."""


def device_id(ieee: Eui64) -> str:
    """The device list's id of a Zigbee device."""
    return f"{DEVICE_PREFIX}{int(ieee):016x}"


@contextmanager
def told(named: Callable[[str], str] = lambda name: _FIELDS.get(name, name)) -> Iterator[None]:
    """What the hub raises, in the gateway's names and words. Raises `ValueRefusedError`, `RequestFailedError`."""
    try:
        yield
    except InvalidError as error:
        shown = error.value if isinstance(error.value, str) else repr(error.value)
        if len(shown) > SHOWN:
            shown = shown[:SHOWN] + "..."
        raise ValueRefusedError(named(error.field), shown, error.allowed) from None
    except ConversationError as error:
        raise failed(error) from None


@contextmanager
def conversing(target: Target) -> Iterator[None]:
    """What a device's refusal of the whole request is told as. Raises as `told`."""
    with told():
        try:
            yield
        except ZclStatusError as error:
            name = error.name.replace("_", " ").capitalize()
            cause = f"Conversation received default response with status: {error.status:#04x}, {name}"
            where = target.place
            raise conversation_failed(where.ieee, where.endpoint, where.profile, where.cluster, cause) from None


def failed(error: ConversationError) -> RequestFailedError:
    """A device was not reached, or did not answer."""
    where, status, cause = error.where, error.status, error.cause
    if error.lacks_key:
        status, cause = _KEY_NOT_AUTHORIZED, _KEY_CAUSE
    cause = cause.replace(f"{device_id(where.ieee)} did not", "Conversation timed out: it did not")
    return conversation_failed(where.ieee, where.endpoint, where.profile, where.cluster, cause, status)


class Targets:
    """Networks and clusters of a hub, as requests name them."""

    def __init__(self, hub: Hub, engine: Engine) -> None:
        self._hub, self._engine = hub, engine

    def radio(self, *, is_silent: bool = False) -> str:
        """The network that is meant by requests that name none: the first Smart Energy network, else the first.

        Where there are several, a message of severity 0 says which. Raises `UnavailableError` where there is none.
        """
        networks = self._hub.networks.all()
        if not networks:
            raise UnavailableError("no ZigBee radio is configured")
        found = next((one.radio for one in networks if one.driver == _SMART_ENERGY), networks[0].radio)
        if len(networks) > 1 and not is_silent:
            self._engine.message(Severity.DEBUG, f"Of {len(networks)} ZigBee networks, that of {found} is meant")
        return found

    def target(
        self,
        given: Values,
        *,
        cluster: int | None = None,
        address: str = "destination_address",
        side: Side | None = None,
    ) -> Target:
        """The cluster that a request is for. Raises `ValueRefusedError`, `HubError`."""
        to = fields.maybe_mac(given, address)
        ieee = fields.device(given, address) if to is not None else None
        with told():
            return self._hub.direct.target(
                self.radio(is_silent=ieee is not None),
                ieee,
                fields.number(given, "destination_endpoint_id"),
                fields.number(given, "cluster_id") if cluster is None else cluster,
                side_of(given) if side is None else side,
                source_endpoint=fields.maybe_number(given, "source_endpoint_id"),
                manufacturer=fields.maybe_number(given, "manufacturer_code"),
            )

    def answer(self, target: Target, *, with_side: bool = True) -> Values:
        """What answers of a cluster begin with."""
        found: Values = {"cluster_id": target.cluster}
        if with_side:
            found["server_or_client"] = number_of(target.side)
        found |= {"profile_id": target.profile, "source_endpoint_id": target.endpoint}
        if not target.is_local:
            found["destination_endpoint_id"] = target.source_endpoint
            found["source_address"] = Mac.of(target.member.ieee)
        if target.manufacturer is not None:
            found["manufacturer_code"] = target.manufacturer
        return found


def side_of(given: Values, name: str = "server_or_client") -> Side:
    """Which side of a cluster is meant."""
    return _SIDES[fields.number(given, name)]


def number_of(side: Side) -> Value:
    """0: server, 1: client."""
    return 0 if side is Side.SERVER else 1

"""Attributes and reports of Zigbee devices as interfaces see them: read, write, discover, configure, each checked."""

from __future__ import annotations

from collections.abc import Mapping

from hub.clock import Clock
from hub.errors import InvalidError, ZclStatusError
from hub.zigbee import attributes
from hub.zigbee.household import Household
from hub.zigbee.interview import as_polled
from hub.zigbee.member import Member, key_of
from hub.zigbee.model import AttributeValue, ReportingRow, Side, WriteResult
from hub.zigbee.network import Network
from hub.zigbee.service import Networks, told
from protocols.zcl import datatypes
from protocols.zcl.clusters import attribute_def, cluster_name
from protocols.zcl.datatypes import Value
from protocols.zcl.records import SENT
from protocols.zcl.status import Status

MAX_READ = 64
"""Attributes in one request of a person or program."""


class RemoteAttributes:
    """Attributes of all Zigbee devices."""

    def __init__(self, networks: Networks, household: Household, clock: Clock) -> None:
        self._networks, self._household, self._clock = networks, household, clock

    def _place(
        self, device_id: str, endpoint: int, cluster: int, side: Side, manufacturer: int | None
    ) -> tuple[Network, Member]:
        network, member = self._networks.find(device_id)
        network.need_radio()
        if endpoint not in member.endpoints:
            known = ", ".join(map(str, sorted(member.endpoints))) or "none is known yet, interview it first"
            raise InvalidError("endpoint", endpoint, f"an endpoint of this device: {known}")
        found = member.endpoints[endpoint]
        there = found.input_clusters if side is Side.SERVER else found.output_clusters
        if not 0 <= cluster <= 0xFFFF:
            raise InvalidError("cluster", cluster, "0 to 0xFFFF")
        if cluster not in there:
            names = ", ".join(cluster_name(number) for number in there) or "none"
            raise InvalidError(
                "cluster", cluster_name(cluster), f"a {side.value} cluster of endpoint {endpoint}: {names}"
            )
        if manufacturer is not None and not 1 <= manufacturer <= 0xFFFF:
            raise InvalidError("manufacturer", manufacturer, "1 to 65535")
        return network, member

    def type_of(
        self,
        device_id: str,
        endpoint: int,
        cluster: int,
        attribute: int,
        *,
        data_types: Mapping[int, int] | None = None,
        manufacturer: int | None = None,
        side: Side = Side.SERVER,
    ) -> int:
        """The data type of an attribute. Raises `InvalidError` for a place that is not there or a type not known."""
        _, member = self._place(device_id, endpoint, cluster, side, manufacturer)
        return attributes.type_of(member, endpoint, cluster, attribute, manufacturer, side, data_types or {})

    async def read_attributes(
        self,
        device_id: str,
        endpoint: int,
        cluster: int,
        ids: tuple[int, ...],
        *,
        manufacturer: int | None = None,
        side: Side = Side.SERVER,
    ) -> tuple[AttributeValue, ...]:
        """Read attributes now; each has its own status."""
        network, member = self._place(device_id, endpoint, cluster, side, manufacturer)
        if not 1 <= len(ids) <= MAX_READ:
            raise InvalidError("attributes", f"{len(ids)} of them", f"1 to {MAX_READ}")
        for attribute in ids:
            _attribute(attribute)
        async with told(f"reading {cluster_name(cluster)} of {device_id}"):
            values = await attributes.read(
                network, member, endpoint, cluster, ids, now=self._clock.now, side=side, manufacturer=manufacturer
            )
        self._household.learn(member, values)
        return values

    async def write_attributes(
        self,
        device_id: str,
        endpoint: int,
        cluster: int,
        values: Mapping[int, Value],
        *,
        data_types: Mapping[int, int] | None = None,
        manufacturer: int | None = None,
        side: Side = Side.SERVER,
    ) -> tuple[WriteResult, ...]:
        """Write attributes; each has its own result."""
        network, member = self._place(device_id, endpoint, cluster, side, manufacturer)
        given = data_types or {}
        for attribute in values:
            _attribute(attribute)
        async with told(f"writing {cluster_name(cluster)} of {device_id}"):
            results = await attributes.write(
                network, member, endpoint, cluster, values, data_types=given, side=side, manufacturer=manufacturer
            )
        written = tuple(
            AttributeValue(
                endpoint=endpoint,
                cluster=cluster,
                side=side,
                attribute=result.attribute,
                manufacturer=manufacturer,
                data_type=attributes.type_of(member, endpoint, cluster, result.attribute, manufacturer, side, given),
                value=values[result.attribute],
                time=self._clock.now(),
                source="write",
            )
            for result in results
            if result.status == 0
        )
        self._household.learn(member, written)
        return results

    async def discover_attributes(
        self, device_id: str, endpoint: int, cluster: int, *, manufacturer: int | None = None, side: Side = Side.SERVER
    ) -> tuple[AttributeValue, ...]:
        """Which attributes a cluster says that it has; with values where they are known already."""
        network, member = self._place(device_id, endpoint, cluster, side, manufacturer)
        async with told(f"discovering {cluster_name(cluster)} of {device_id}"):
            found = await attributes.discover(network, member, endpoint, cluster, side=side, manufacturer=manufacturer)
        member.keep(found)
        return tuple(member.attributes.get(key_of(value), value) for value in found)

    # -- reporting -----------------------------------------------------------------------------------------------

    async def configure_reporting(
        self,
        device_id: str,
        endpoint: int,
        cluster: int,
        attribute: int,
        *,
        min_s: int,
        max_s: int,
        change: float | None = None,
        manufacturer: int | None = None,
        pseudo: bool = False,
    ) -> ReportingRow:
        """Have an attribute reported, or read it periodically in place of that (`pseudo`)."""
        network, member = self._place(device_id, endpoint, cluster, Side.SERVER, manufacturer)
        _attribute(attribute)
        if not 0 <= min_s <= 0xFFFE:
            raise InvalidError("min_s", min_s, "0 to 65534")
        if not 0 <= max_s <= 0xFFFE or (max_s and max_s < min_s):
            raise InvalidError("max_s", max_s, f"0 (only on change), or {min_s} (min_s) to 65534")
        if pseudo and min_s == 0:
            raise InvalidError("min_s", min_s, "1 to 65534: it is how often the attribute is read")
        type_id = attributes.type_of(member, endpoint, cluster, attribute, manufacturer, Side.SERVER, {})
        if change is not None and not datatypes.is_analog(type_id):
            raise InvalidError("change", change, f"nothing: {datatypes.type_name(type_id)} has no least change")
        if change is not None and change < 0:
            raise InvalidError("change", change, "0 or more")
        row = ReportingRow(
            endpoint=endpoint,
            cluster=cluster,
            attribute=attribute,
            manufacturer=manufacturer,
            data_type=type_id,
            min_s=min_s,
            max_s=max_s,
            change=change,
            pseudo=pseudo,
            state="configured" if pseudo else "wanted",
        )
        if not pseudo:
            ours = network.need_radio().network.ieee
            async with told(f"reports of {device_id}"):
                await attributes.bind(network, member, endpoint, cluster, ours)
                row = await attributes.configure(network, member, row)
            if row.state == "refused":
                hint = "; pseudo reporting reads it instead" if as_polled(row).pseudo else ""
                where = f"{device_id} does not report {_name(cluster, attribute, manufacturer)}{hint}"
                raise ZclStatusError(where, row.status, Status(row.status).name)
        member.reporting[key_of(row)] = row
        self._household.save(member)
        return row

    async def read_reporting(
        self, device_id: str, endpoint: int, cluster: int, attribute: int, *, manufacturer: int | None = None
    ) -> ReportingRow:
        """How the device itself says that it reports an attribute."""
        network, member = self._place(device_id, endpoint, cluster, Side.SERVER, manufacturer)
        _attribute(attribute)
        async with told(f"reports of {device_id}"):
            found = await attributes.read_configuration(network, member, endpoint, cluster, attribute, manufacturer)
        if found.status is not Status.SUCCESS or found.configuration is None:
            raise ZclStatusError(
                f"{device_id}: {_name(cluster, attribute, manufacturer)} is not reported",
                found.status,
                found.status.name,
            )
        assert found.direction == SENT
        said = found.configuration
        return ReportingRow(
            endpoint=endpoint,
            cluster=cluster,
            attribute=attribute,
            manufacturer=manufacturer,
            data_type=said.type,
            min_s=said.min_s,
            max_s=said.max_s,
            change=said.change if isinstance(said.change, int | float) else None,
            state="configured",
        )

    async def stop_reporting(
        self, device_id: str, endpoint: int, cluster: int, attribute: int, *, manufacturer: int | None = None
    ) -> None:
        """Have an attribute not reported any more (maximum interval 0xFFFF), or not polled any more."""
        network, member = self._place(device_id, endpoint, cluster, Side.SERVER, manufacturer)
        key = (endpoint, cluster, Side.SERVER, attribute, manufacturer)
        row = member.reporting.get(key)
        if row is None or not row.pseudo:
            type_id = attributes.type_of(member, endpoint, cluster, attribute, manufacturer, Side.SERVER, {})
            stop = ReportingRow(
                endpoint=endpoint,
                cluster=cluster,
                attribute=attribute,
                manufacturer=manufacturer,
                data_type=type_id,
                min_s=0,
                max_s=0xFFFF,
            )
            async with told(f"reports of {device_id}"):
                taken = await attributes.configure(network, member, stop)
            if taken.state == "refused":
                where = f"{device_id} goes on reporting {_name(cluster, attribute, manufacturer)}"
                raise ZclStatusError(where, taken.status, Status(taken.status).name)
        member.reporting.pop(key, None)
        self._household.save(member)


def _attribute(attribute: int) -> None:
    if not 0 <= attribute <= 0xFFFF:
        raise InvalidError("attribute", attribute, "0 to 0xFFFF")


def _name(cluster: int, attribute: int, manufacturer: int | None) -> str:
    row = attribute_def(cluster, attribute, manufacturer)
    return f"{cluster_name(cluster)}.{row.name if row is not None else f'0x{attribute:04x}'}"

"""Reports as whoever says all of it wants them (`hub.direct_reports`): those that devices send us, and those of ours.

CPX2-SE, start_receiving_reports to read_reporting_configuration. A device that does not report may be read in its place
(pseudo reporting), every minimum interval.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hub.errors import HubError, InvalidError, UnsupportedError
from hub.zigbee import attributes
from hub.zigbee.direct import Direct, Target
from hub.zigbee.household import Household
from hub.zigbee.member import Member, key_of
from hub.zigbee.model import ReportingRow, Side
from hub.zigbee.network import Network
from hub.zigbee.own_reporting import NEVER_S, OwnReport, Subscriber
from hub.zigbee.ways import conversing
from protocols.ids import Eui64
from protocols.zcl.general import ConfigureReporting
from protocols.zcl.records import RECEIVED, ReportingRecord
from protocols.zcl.status import Status

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedReport:
    """One attribute, and when it shall be reported."""

    attribute: int
    data_type: int
    min_s: int
    max_s: int
    """0: only on change; 0xFFFF: not at all."""
    change: int | float | None = None
    timeout_s: int = 0
    """Seconds of silence after which one is missed; 0: by the maximum interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownReport:
    """One attribute that is reported to us, or by us, as we have it."""

    ieee: Eui64
    """Of the device at the other end."""
    device_endpoint: int
    endpoint: int
    """Of ours."""
    cluster: int
    side: Side
    """Which side of the cluster we are."""
    is_received: bool
    pseudo: bool
    wanted: WantedReport
    manufacturer: int | None


class DirectReports:
    """`hub.direct_reports`."""

    def __init__(self, direct: Direct, household: Household) -> None:
        self._direct, self._household = direct, household

    # -- to us ---------------------------------------------------------------------------------------------------

    async def start(
        self, target: Target, wanted: Sequence[WantedReport], pseudo: bool | None
    ) -> tuple[ReportingRow, ...]:
        """Have attributes reported; each row says by its state and status how the device has taken it.

        `pseudo`: read them in place of that; None: where the device does not report. Raises `ConversationError`,
        `InvalidError`.
        """
        _need_remote(target)
        for one in wanted:
            if one.min_s > one.max_s > 0:
                raise InvalidError("max_interval", one.max_s, f"0 (only on change), or {one.min_s} (min_interval) on")
        found: list[ReportingRow] = []
        member = target.member
        if not pseudo:
            async with conversing(target.place):
                ours = target.network.need_radio().network.ieee
                await attributes.bind(
                    target.network,
                    member,
                    target.endpoint,
                    target.cluster,
                    ours,
                    to_endpoint=target.source_endpoint,
                )
        for one in wanted:
            row = _row(target, one)
            if pseudo:
                row = replace(row, pseudo=True, state="configured")
            else:
                async with conversing(target.place):
                    row = await attributes.configure(self._direct.way(target), member, row)
                if row.state == "refused" and pseudo is None:
                    row = replace(row, pseudo=True, state="configured", status=0)
            if row.max_s == NEVER_S and row.state == "configured":
                member.reporting.pop(key_of(row), None)
            elif row.state == "configured":
                member.reporting[key_of(row)] = row
            found.append(row)
        self._household.save(member)
        return tuple(found)

    async def stop(self, target: Target, ids: Sequence[int]) -> tuple[tuple[int, Status], ...]:
        """Have attributes reported no more, or read no more in place of that: each with its status.

        Raises as `start`.
        """
        _need_remote(target)
        found: list[tuple[int, Status]] = []
        member = target.member
        for attribute in ids:
            key = (target.endpoint, target.cluster, target.side, attribute, target.manufacturer)
            known = member.reporting.get(key)
            status = Status.SUCCESS
            if known is None or not known.pseudo:
                type_id = known.data_type if known is not None else self._direct.type_of(target, attribute)
                stop = WantedReport(attribute=attribute, data_type=type_id, min_s=0, max_s=NEVER_S)
                async with conversing(target.place):
                    taken = await attributes.configure(self._direct.way(target), member, _row(target, stop))
                status = Status(taken.status)
            if status is Status.SUCCESS:
                member.reporting.pop(key, None)
            found.append((attribute, status))
        self._household.save(member)
        return tuple(found)

    async def read_remote(
        self, target: Target, direction: int, ids: Sequence[int]
    ) -> tuple[tuple[int, Status, ReportingRecord | None], ...]:
        """How the device itself says that it reports attributes (SENT), or expects them (RECEIVED).

        Raises as `start`.
        """
        found: list[tuple[int, Status, ReportingRecord | None]] = []
        for attribute in ids:
            async with conversing(target.place):
                answer = await attributes.read_configuration(
                    self._direct.way(target),
                    target.member,
                    target.endpoint,
                    target.cluster,
                    attribute,
                    target.manufacturer,
                    side=target.side,
                    direction=direction,
                )
            found.append((attribute, answer.status, answer.configuration))
        return tuple(found)

    # -- as we have them -----------------------------------------------------------------------------------------

    def read_local(self, target: Target, *, is_received: bool, ids: Sequence[int]) -> tuple[KnownReport | None, ...]:
        """What we know of reports from a device's cluster to us, or from our other side of it to that."""
        ours = Side.CLIENT if target.side is Side.SERVER else Side.SERVER
        found = {
            one.wanted.attribute: one
            for one in self.known()
            if one.ieee == target.member.ieee
            and (one.device_endpoint, one.cluster, one.side) == (target.endpoint, target.cluster, ours)
            and (one.is_received, one.manufacturer) == (is_received, target.manufacturer)
            and (is_received or one.endpoint == target.source_endpoint)
        }
        return tuple(found.get(attribute) for attribute in ids)

    def known(self) -> tuple[KnownReport, ...]:
        """All reports to us and by us, on all networks."""
        found: list[KnownReport] = []
        for network in self._household.networks.values():
            for member in network.members.values():
                found.extend(_received(network, member))
            found.extend(_sent(network))
        return tuple(found)

    # -- by us ---------------------------------------------------------------------------------------------------

    async def stop_sending(self, target: Target, ids: Sequence[int]) -> tuple[tuple[int, Status], ...]:
        """Report attributes of ours no more to a device's other side of their cluster: each with its status.

        A device that is there is told that it need not wait for them any more.
        """
        _need_remote(target)
        network = target.network
        network.need_radio()
        assert network.local is not None, "it is there as long as the radio is"
        ours = Side.CLIENT if target.side is Side.SERVER else Side.SERVER

        def is_meant(one: Subscriber) -> bool:
            return not one.is_group and one.endpoint == target.endpoint and _ieee_of(network, one) == target.member.ieee

        found = [
            (
                attribute,
                network.local.reporting.stop(
                    (target.source_endpoint, target.cluster, ours, target.manufacturer, attribute), is_meant
                ),
            )
            for attribute in ids
        ]
        stopped = [attribute for attribute, status in found if status is Status.SUCCESS]
        if stopped and target.member.is_active:
            await self._tell(target, stopped)
        return tuple(found)

    async def _tell(self, target: Target, ids: Sequence[int]) -> None:
        """Timeout 0: no reports are to be expected. Few devices look at it, so what they answer is not told."""
        records = tuple(ReportingRecord(RECEIVED, attribute, timeout_s=0) for attribute in ids)
        try:
            async with conversing(target.place):
                await attributes.ask(
                    self._direct.way(target),
                    target.member,
                    target.endpoint,
                    target.cluster,
                    ConfigureReporting(records),
                    side=target.side,
                    manufacturer=target.manufacturer,
                )
        except HubError as error:
            log.info("%s: that reports to it have ended: %s", target.member.device_id, error)


def _need_remote(target: Target) -> None:
    if target.is_local:
        raise UnsupportedError("our own clusters do not report to ourselves; allowed: the address of a device")


def _row(target: Target, one: WantedReport) -> ReportingRow:
    return ReportingRow(
        endpoint=target.endpoint,
        cluster=target.cluster,
        side=target.side,
        attribute=one.attribute,
        manufacturer=target.manufacturer,
        data_type=one.data_type,
        min_s=one.min_s,
        max_s=one.max_s,
        change=one.change,
        timeout_s=one.timeout_s,
        to_endpoint=target.source_endpoint,
    )


def _received(network: Network, member: Member) -> Iterator[KnownReport]:
    for row in member.reporting.values():
        if row.state not in ("configured", "overdue"):
            continue
        profile = member.profile(row.endpoint)
        yield KnownReport(
            ieee=member.ieee,
            device_endpoint=row.endpoint,
            endpoint=row.to_endpoint or network.own_endpoint(profile or 0),
            cluster=row.cluster,
            side=Side.CLIENT if row.side is Side.SERVER else Side.SERVER,
            is_received=True,
            pseudo=row.pseudo,
            wanted=WantedReport(
                attribute=row.attribute,
                data_type=row.data_type,
                min_s=row.min_s,
                max_s=row.max_s,
                change=row.change,
                timeout_s=row.timeout_s,
            ),
            manufacturer=row.manufacturer,
        )


def _sent(network: Network) -> Iterator[KnownReport]:
    if network.local is None:
        return
    reporting = network.local.reporting
    for row in reporting.rows():
        for subscriber in reporting.destinations(row):
            ieee = _ieee_of(network, subscriber)
            if ieee is not None:
                yield _own(row, subscriber, ieee)


def _own(row: OwnReport, subscriber: Subscriber, ieee: Eui64) -> KnownReport:
    return KnownReport(
        ieee=ieee,
        device_endpoint=subscriber.endpoint,
        endpoint=row.endpoint,
        cluster=row.cluster,
        side=row.side,
        is_received=False,
        pseudo=False,
        wanted=WantedReport(
            attribute=row.attribute, data_type=row.type, min_s=row.min_s, max_s=row.max_s, change=row.change
        ),
        manufacturer=row.manufacturer,
    )


def _ieee_of(network: Network, subscriber: Subscriber) -> Eui64 | None:
    if subscriber.ieee is not None or subscriber.short is None or subscriber.is_group:
        return subscriber.ieee
    member = network.at(subscriber.short)
    return member.ieee if member is not None else None

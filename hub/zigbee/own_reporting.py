"""Reporting of our own attributes to others (ZCL8, 2.5.7 to 2.5.11).

There is one configuration for each attribute, the newest, as the standard has it. Its reports go to what the cluster is
bound to; Chosen: where nothing is bound, to those who configured it, since displays that ask us mostly do not bind.

Pure: `due(now)` gives the frames to be sent now, `next_due(now)` tells when to ask again. A report that is lost is not
repeated: the next one is newer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from hub.zigbee.model import Side
from hub.zigbee.servers.base import Answer, ClusterServer, Response, fit
from protocols.aps import ApsFrame, Delivery, Security
from protocols.errors import RangeError
from protocols.ids import Eui64
from protocols.zcl import general as g
from protocols.zcl.datatypes import Value, is_analog
from protocols.zcl.header import Direction, FrameType, ZclHeader, unsupported_command
from protocols.zcl.records import (
    RECEIVED,
    SENT,
    ReportingAnswer,
    ReportingQuery,
    ReportingRecord,
    ReportingStatus,
    WriteRecord,
    read_records,
)
from protocols.zcl.status import Status
from protocols.zdo import BindTarget

log = logging.getLogger(__name__)

NEVER_S = 0xFFFF
"""Maximum interval: no reports. As the minimum, beside a maximum of 0: back to the default, which is none too."""
MAX_CONFIGURATIONS = 256
"""Attributes that are reported, at most: each costs a look at every `due`. Chosen: ten displays with 25 each."""
MAX_SUBSCRIBERS = 8
"""Who is told of one attribute without a binding, at most; the newest stay."""
MAX_EXPECTED = 256
"""Announcements of reports to us (direction 1) that are remembered for whoever reads them back; the newest stay."""
CHECK_INTERVAL_S = 1.0
"""How often values are looked at for a change, and how often one is reported at most: the least minimum above none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """Where reports go."""

    short: int | None
    ieee: Eui64 | None
    endpoint: int
    profile: int
    security: Security = Security.NETWORK
    is_group: bool = False

    def is_same(self, other: Subscriber) -> bool:
        """Whether both are one endpoint of one device, whose network address may have changed."""
        if self.endpoint != other.endpoint or self.is_group != other.is_group:
            return False
        if self.ieee is not None and other.ieee is not None:
            return self.ieee == other.ieee
        return self.short is not None and self.short == other.short


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnReport:
    """How one of our attributes is reported; a row to be kept over restarts."""

    endpoint: int
    cluster: int
    side: Side = Side.SERVER
    attribute: int
    manufacturer: int | None = None
    type: int
    min_s: int
    max_s: int
    """0: only on change."""
    change: int | float | None = None
    """Least change; None: any change."""
    subscribers: tuple[Subscriber, ...] = ()
    """Who configured it, newest last."""


_Key = tuple[int, int, Side, int | None, int]


class _Running:
    """A configuration with what was reported last."""

    __slots__ = ("row", "sent_at", "value")

    def __init__(self, row: OwnReport, value: Value, now: float) -> None:
        self.row, self.value, self.sent_at = row, value, now

    def is_due(self, value: Value, now: float) -> bool:
        """Whether `value` has to be reported."""
        elapsed = now - self.sent_at
        if self.row.max_s and elapsed >= self.row.max_s:
            return True
        return elapsed >= max(self.row.min_s, CHECK_INTERVAL_S) and self._has_changed(value)

    def _has_changed(self, value: Value) -> bool:
        if value == self.value:
            return False
        if not isinstance(value, int | float) or not isinstance(self.value, int | float) or not self.row.change:
            return True
        return abs(value - self.value) >= abs(self.row.change)


class OwnReporting:
    """The reporting configurations of all our endpoints on one network."""

    def __init__(
        self,
        hosted: Callable[[int, int, Side], ClusterServer | None],
        bound: Callable[[int, int], Sequence[BindTarget]],
        next_tsn: Callable[[], int],
        *,
        profile: Callable[[int], int],
        max_payload: int,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """`hosted(endpoint, cluster, side)` and `profile(endpoint)` know our endpoints.

        `bound(endpoint, cluster)`: where our bindings lead. `on_change`: `rows()` are others than before, store them.
        """
        self._hosted, self._bound, self._next_tsn, self._profile = hosted, bound, next_tsn, profile
        self._max_payload, self._on_change = max_payload, on_change
        self._running: dict[_Key, _Running] = {}
        self._expected: dict[tuple[int | None, Eui64 | None, int, int, int], int] = {}

    # -- configuration -----------------------------------------------------------------------------------------------

    def rows(self) -> tuple[OwnReport, ...]:
        """All configurations, to be stored."""
        return tuple(found.row for found in self._running.values())

    def load(self, rows: Iterable[OwnReport], now: float) -> None:
        """Take up stored configurations. Those of attributes that we do not host any more are left out."""
        for row in rows:
            server = self._hosted(row.endpoint, row.cluster, row.side)
            attribute = server.attribute(row.attribute, row.manufacturer) if server is not None else None
            if attribute is None or not attribute.reportable or attribute.type != row.type:
                log.warning("reporting of 0x%04X/0x%04X is dropped: not hosted any more", row.cluster, row.attribute)
            elif len(self._running) < MAX_CONFIGURATIONS:
                self._running[_key(row)] = _Running(row, attribute.get(now), now)

    def destinations(self, row: OwnReport) -> tuple[Subscriber, ...]:
        """Where the reports of a configuration go: to what its cluster is bound to, else to who configured it."""
        return self._destinations(row)

    def stop(self, place: tuple[int, int, Side, int | None, int], is_meant: Callable[[Subscriber], bool]) -> Status:
        """Report an attribute no more to those who are meant.

        `place`: endpoint, cluster, side, manufacturer, attribute. NOT_FOUND where it is not reported to them; FAILURE
        where the cluster is bound to others as well, since a binding is for all of its attributes.
        """
        found = self._running.get(place)
        going = self._destinations(found.row) if found is not None else ()
        if found is None or not any(is_meant(one) for one in going):
            return Status.NOT_FOUND
        if all(is_meant(one) for one in going):
            del self._running[place]
        elif self._bound(found.row.endpoint, found.row.cluster):
            return Status.FAILURE
        else:
            found.row = replace(found.row, subscribers=tuple(one for one in going if not is_meant(one)))
        self._changed()
        return Status.SUCCESS

    def forget(self, ieee: Eui64) -> None:
        """A device has gone: tell it nothing any more."""
        changed = False
        for key, found in list(self._running.items()):
            left = tuple(row for row in found.row.subscribers if row.ieee != ieee)
            if left == found.row.subscribers:
                continue
            changed = True
            if left or self._bound(found.row.endpoint, found.row.cluster):
                found.row = replace(found.row, subscribers=left)
            else:
                del self._running[key]
        if changed:
            self._changed()

    def forget_endpoint(self, endpoint: int) -> None:
        """An endpoint of ours is gone: nothing of it is reported any more."""
        gone = [key for key, found in self._running.items() if found.row.endpoint == endpoint]
        for key in gone:
            del self._running[key]
        if gone:
            self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()

    def answer(
        self,
        endpoint: int,
        server: ClusterServer,
        header: ZclHeader,
        payload: bytes,
        frame: ApsFrame,
        limit: int,
        now: float,
    ) -> Answer:
        """Carry out Configure Reporting or Read Reporting Configuration. May raise `CodecError`: malformed."""
        if header.manufacturer is not None and not any(
            row.manufacturer == header.manufacturer for row in server.attributes
        ):
            return Answer(unsupported_command(header))
        if header.command == g.General.CONFIGURE_REPORTING:
            records, rest = read_records(ReportingRecord.read, payload)
            if rest or not records:
                return Answer(Status.MALFORMED_COMMAND)
            failed = []
            for record in records:
                status = self.configure(endpoint, server, header.manufacturer, record, frame, now)
                if status is not Status.SUCCESS:
                    failed.append(ReportingStatus(status, record.direction, record.attribute))
            body = fit((record.write() for record in failed), limit) or bytes((Status.SUCCESS,))
            return Answer(responses=(Response(g.General.CONFIGURE_REPORTING_RESPONSE, body),))
        queries, rest = read_records(ReportingQuery.read, payload)
        if rest or not queries:
            return Answer(Status.MALFORMED_COMMAND)
        rows = (self._configuration(endpoint, server, header.manufacturer, query, frame) for query in queries)
        body = fit((row.write() for row in rows), limit)
        return Answer(responses=(Response(g.General.READ_REPORTING_CONFIGURATION_RESPONSE, body),))

    def configure(
        self,
        endpoint: int,
        server: ClusterServer,
        manufacturer: int | None,
        record: ReportingRecord,
        frame: ApsFrame,
        now: float,
    ) -> Status:
        """Set up, change or stop the reporting of one attribute, as the sender of `frame` asks."""
        if record.direction == RECEIVED:
            return self._expect(endpoint, server, record, frame)
        attribute = server.attribute(record.attribute, manufacturer)
        if attribute is None:
            return Status.UNSUPPORTED_ATTRIBUTE
        if not attribute.reportable:
            return Status.UNREPORTABLE_ATTRIBUTE
        if attribute.type != record.type:
            return Status.INVALID_DATA_TYPE
        key = (endpoint, server.cluster, server.SIDE, manufacturer, record.attribute)
        if record.max_s == NEVER_S or (record.max_s == 0 and record.min_s == NEVER_S):
            if self._running.pop(key, None) is not None:
                self._changed()
            return Status.SUCCESS
        if record.max_s and record.min_s > record.max_s:
            return Status.INVALID_VALUE
        old = self._running.get(key)
        if old is None and len(self._running) >= MAX_CONFIGURATIONS:
            return Status.INSUFFICIENT_SPACE
        change = record.change if isinstance(record.change, int | float) and is_analog(record.type) else None
        sender = Subscriber(
            short=frame.source,
            ieee=frame.source_ieee,
            endpoint=frame.source_endpoint,
            profile=self._profile(endpoint),
            security=frame.security,
        )
        others = tuple(found for found in old.row.subscribers if not found.is_same(sender)) if old is not None else ()
        row = OwnReport(
            endpoint=endpoint,
            cluster=server.cluster,
            side=server.SIDE,
            attribute=record.attribute,
            manufacturer=manufacturer,
            type=record.type,
            min_s=record.min_s,
            max_s=record.max_s,
            change=change,
            subscribers=(*others, sender)[-MAX_SUBSCRIBERS:],
        )
        self._running[key] = _Running(row, attribute.get(now), now)
        if old is None or old.row != row:
            self._changed()
        return Status.SUCCESS

    def _expect(self, endpoint: int, server: ClusterServer, record: ReportingRecord, frame: ApsFrame) -> Status:
        """Remember that the sender will report to us. The hub takes reports announced or not."""
        key = (frame.source, frame.source_ieee, endpoint, server.cluster, record.attribute)
        self._expected.pop(key, None)
        if len(self._expected) >= MAX_EXPECTED:
            del self._expected[next(iter(self._expected))]
        self._expected[key] = record.timeout_s
        return Status.SUCCESS

    def _configuration(
        self, endpoint: int, server: ClusterServer, manufacturer: int | None, query: ReportingQuery, frame: ApsFrame
    ) -> ReportingAnswer:
        direction, number = query
        if direction == RECEIVED:
            timeout = self._expected.get((frame.source, frame.source_ieee, endpoint, server.cluster, number))
            if timeout is None:
                return ReportingAnswer(Status.NOT_FOUND, direction, number)
            record = ReportingRecord(RECEIVED, number, timeout_s=timeout)
            return ReportingAnswer(Status.SUCCESS, direction, number, record)
        if direction != SENT:
            return ReportingAnswer(Status.INVALID_VALUE, direction, number)
        attribute = server.attribute(number, manufacturer)
        if attribute is None:
            return ReportingAnswer(Status.UNSUPPORTED_ATTRIBUTE, direction, number)
        if not attribute.reportable:
            return ReportingAnswer(Status.UNREPORTABLE_ATTRIBUTE, direction, number)
        found = self._running.get((endpoint, server.cluster, server.SIDE, manufacturer, number))
        if found is None:
            return ReportingAnswer(Status.NOT_FOUND, direction, number)
        row = found.row
        record = ReportingRecord(SENT, number, row.type, row.min_s, row.max_s, row.change)
        return ReportingAnswer(Status.SUCCESS, direction, number, record)

    # -- reports -----------------------------------------------------------------------------------------------------

    def due(self, now: float) -> list[ApsFrame]:
        """The reports to be sent at monotonic time `now`; they count as sent. Attributes of a cluster share frames."""
        together: dict[tuple[int, int, Side, int | None, tuple[Subscriber, ...]], list[bytes]] = {}
        for found in self._running.values():
            row = found.row
            server = self._hosted(row.endpoint, row.cluster, row.side)
            attribute = server.attribute(row.attribute, row.manufacturer) if server is not None else None
            if attribute is None:
                continue
            value = attribute.get(now)
            if not found.is_due(value, now):
                continue
            found.value, found.sent_at = value, now
            try:
                part = WriteRecord(row.attribute, row.type, value).write()
            except RangeError as error:
                log.error("cluster 0x%04X attribute %s is not reported: %s", row.cluster, attribute.name, error)
                continue
            key = (row.endpoint, row.cluster, row.side, row.manufacturer, self._destinations(row))
            together.setdefault(key, []).append(part)
        return [
            frame
            for (endpoint, cluster, side, manufacturer, subscribers), parts in together.items()
            for subscriber in subscribers
            for frame in self._frames(endpoint, cluster, side, manufacturer, subscriber, parts)
        ]

    def next_due(self, now: float) -> float | None:
        """Monotonic time at which `due` may have something again; None while nothing is configured."""
        times = []
        for found in self._running.values():
            by_change = max(found.sent_at + found.row.min_s, now + CHECK_INTERVAL_S)
            times.append(min(by_change, found.sent_at + found.row.max_s) if found.row.max_s else by_change)
        return max(min(times), now) if times else None

    def _destinations(self, row: OwnReport) -> tuple[Subscriber, ...]:
        targets = self._bound(row.endpoint, row.cluster)
        if not targets:
            return row.subscribers
        security = row.subscribers[-1].security if row.subscribers else Security.NETWORK
        return tuple(
            Subscriber(
                short=target.group,
                ieee=target.ieee,
                endpoint=target.endpoint or 0,
                profile=self._profile(row.endpoint),
                security=Security.NETWORK if target.group is not None else security,
                is_group=target.group is not None,
            )
            for target in targets
        )

    def _frames(
        self,
        endpoint: int,
        cluster: int,
        side: Side,
        manufacturer: int | None,
        subscriber: Subscriber,
        parts: list[bytes],
    ) -> Iterator[ApsFrame]:
        direction = Direction.TO_CLIENT if side is Side.SERVER else Direction.TO_SERVER
        rest = list(parts)
        while rest:
            header = ZclHeader(
                FrameType.GENERAL, direction, self._next_tsn(), g.General.REPORT_ATTRIBUTES, True, manufacturer
            ).encode()
            taken, size = 0, len(header)
            while taken < len(rest) and size + len(rest[taken]) <= self._max_payload:
                size += len(rest[taken])
                taken += 1
            if not taken:
                log.error("cluster 0x%04X: an attribute of %d bytes fits no report", cluster, len(rest[0]))
                taken = 1
            else:
                yield ApsFrame(
                    profile=subscriber.profile,
                    cluster=cluster,
                    source_endpoint=endpoint,
                    destination_endpoint=subscriber.endpoint,
                    payload=header + b"".join(rest[:taken]),
                    # The extended address where it is known: the network address may be another one by now.
                    destination=subscriber.short if subscriber.ieee is None else None,
                    destination_ieee=subscriber.ieee,
                    delivery=Delivery.GROUP if subscriber.is_group else Delivery.UNICAST,
                    security=subscriber.security,
                )
            rest = rest[taken:]


def _key(row: OwnReport) -> _Key:
    return row.endpoint, row.cluster, row.side, row.manufacturer, row.attribute

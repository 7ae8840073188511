"""Reports that we asked for: noticed when they stop, configured again; and polled where a device cannot report.

As in the gateway manual (CPX2-SE, ZCL Reporting and Device Activity): a configured report that does not come within its
time is configured again, since the device may have lost its configuration with its power. Pseudo reporting reads an
attribute every minimum interval and tells it as a report would come: upon the least change, or after the maximum.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count

from hub.clock import Clock
from hub.errors import HubError
from hub.zigbee import attributes
from hub.zigbee.member import AttributeKey, Member
from hub.zigbee.model import AttributeValue, ReportingRow
from hub.zigbee.network import Network
from protocols.zcl.datatypes import Value
from radios.api import RadioError

log = logging.getLogger(__name__)

NEVER = 0xFFFF
"""Maximum interval of a report that never comes by time."""
MISSED_INTERVALS = 2
"""Maximum intervals without a report that make it overdue: one report may be lost."""
GRACE_S = 30.0
"""And so much more: a sleepy parent, a busy channel."""
FIRST_RETRY_S = 60.0
LONGEST_RETRY_S = 3600.0
"""Between attempts to configure a silent report again; doubled each time."""
LOOK_S = 5.0
"""The keeper looks this often at least; a row due earlier wakes it earlier."""
AT_ONCE = 4
"""Polls and configurations under way: the radio's window; more would only wait in it."""


def overdue_s(row: ReportingRow) -> float | None:
    """Seconds of silence after which a report is overdue; None for one that only comes upon change."""
    if row.timeout_s:
        return row.timeout_s
    if row.max_s in (0, NEVER):
        return None
    return MISSED_INTERVALS * row.max_s + GRACE_S


def is_change(row: ReportingRow, before: Value, after: Value) -> bool:
    """Whether a polled value differs enough to be told."""
    if isinstance(before, bool) or isinstance(after, bool):
        return before != after
    if isinstance(before, int | float) and isinstance(after, int | float):
        return abs(after - before) >= row.change if row.change else before != after
    return before != after


_Plan = tuple[bool, int, int]


def _plan_of(row: ReportingRow) -> _Plan:
    """What a plan depends on: a row with another one is planned anew."""
    return row.pseudo, row.min_s, row.max_s


class ReportKeeper:
    """Watches the reports of all networks."""

    def __init__(
        self,
        clock: Clock,
        network_of: Callable[[Member], Network | None],
        take: Callable[[Member, Sequence[AttributeValue]], None],
        save: Callable[[Member], None],
    ) -> None:
        """`take` is told what a poll read and a report would have said."""
        self._clock, self._network_of, self._take, self._save = clock, network_of, take, save
        self._due: list[tuple[float, int, Member, AttributeKey]] = []
        self._serial = count()
        self._planned: dict[tuple[int, AttributeKey], tuple[int, _Plan]] = {}
        """Serial of the one entry of `_due` that is meant, and for which row it was made; others are void."""
        self._polled: dict[tuple[int, AttributeKey], tuple[float, Value]] = {}
        """What pseudo reporting told last, and when."""
        self._retry: dict[tuple[int, AttributeKey], float] = {}
        self._busy: set[tuple[int, AttributeKey]] = set()
        self._woken = asyncio.Event()
        self._limit = asyncio.Semaphore(AT_ONCE)

    def watch(self, member: Member) -> None:
        """Follow all reporting rows of a device; call again when they change."""
        for key, row in member.reporting.items():
            planned = self._planned.get((member.ieee, key))
            if planned is None or planned[1] != _plan_of(row):
                self._plan(member, key, row)
        self._woken.set()

    def _plan(self, member: Member, key: AttributeKey, row: ReportingRow) -> None:
        now = self._clock.monotonic()
        if row.pseudo:
            self._push(now + row.min_s, member, key, row)
        elif (limit := overdue_s(row)) is not None and row.state in ("configured", "overdue"):
            self._push(now + limit, member, key, row)

    def _push(self, at: float, member: Member, key: AttributeKey, row: ReportingRow) -> None:
        serial = next(self._serial)
        self._planned[member.ieee, key] = (serial, _plan_of(row))
        heapq.heappush(self._due, (at, serial, member, key))

    def came(self, member: Member, key: AttributeKey, now: datetime) -> None:
        """A report came."""
        member.reported_at[key] = (self._clock.monotonic(), now)
        row = member.reporting.get(key)
        if row is not None and row.state == "overdue":
            member.reporting[key] = replace(row, state="configured")
            self._retry.pop((member.ieee, key), None)

    async def run(self) -> None:
        """Look after what is due; ends by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                now = self._clock.monotonic()
                while self._due and self._due[0][0] <= now:
                    _, serial, member, key = heapq.heappop(self._due)
                    place = (int(member.ieee), key)
                    if self._planned.get(place, (None,))[0] != serial:
                        continue  # planned otherwise meanwhile
                    del self._planned[place]
                    if place not in self._busy:
                        self._busy.add(place)
                        tasks.create_task(self._serve(member, key), name=f"report {member.device_id}")
                wait = min(LOOK_S, self._due[0][0] - now) if self._due else LOOK_S
                self._woken.clear()
                try:
                    async with asyncio.timeout(max(0.01, wait)):
                        await self._woken.wait()
                except TimeoutError:
                    pass

    async def _serve(self, member: Member, key: AttributeKey) -> None:
        try:
            async with self._limit:
                await self._attend(member, key)
        except (RadioError, HubError) as error:
            log.debug("%s: %s", member.device_id, error)
        except Exception:  # a task's top
            log.exception("%s: looking after its reports failed by a fault of ours", member.device_id)
        finally:
            self._busy.discard((int(member.ieee), key))

    async def _attend(self, member: Member, key: AttributeKey) -> None:
        row, network = member.reporting.get(key), self._network_of(member)
        if row is None or network is None or network.members.get(member.ieee) is not member:
            return  # stopped, or the device is gone
        now = self._clock.monotonic()
        if row.pseudo:
            self._push(now + max(1, row.min_s), member, key, row)
            if network.radio is not None and member.is_active:
                await self._poll(network, member, key, row)
            return
        limit = overdue_s(row)
        if limit is None:
            return
        last = member.reported_at.get(key)
        if last is not None and now - last[0] < limit:
            self._push(last[0] + limit, member, key, row)
            return
        pause = self._retry.get((member.ieee, key), FIRST_RETRY_S)
        self._retry[member.ieee, key] = min(2 * pause, LONGEST_RETRY_S)
        self._push(now + max(pause, FIRST_RETRY_S), member, key, row)
        if network.radio is None or not member.is_active:
            return  # a device that is away is not asked; it is when it comes back
        member.reporting[key] = replace(row, state="overdue")
        log.info("%s: no report of 0x%04x/0x%04x: configured again", member.device_id, row.cluster, row.attribute)
        # Whoever has lost the one has lost the other too, and without a binding it reports to nobody.
        ours = network.need_radio().network.ieee
        await attributes.bind(network, member, row.endpoint, row.cluster, ours, to_endpoint=row.to_endpoint)
        taken = await attributes.configure(network, member, replace(row, state="wanted"))
        # Accepted is not reported: it stays overdue until a report comes.
        member.reporting[key] = replace(taken, state="overdue" if taken.state == "configured" else taken.state)
        self._save(member)

    async def _poll(self, network: Network, member: Member, key: AttributeKey, row: ReportingRow) -> None:
        values = await attributes.read(
            network,
            member,
            row.endpoint,
            row.cluster,
            (row.attribute,),
            now=self._clock.now,
            side=row.side,
            manufacturer=row.manufacturer,
            source="pseudo",
        )
        for value in values:
            if value.status != 0:
                continue
            now = self._clock.monotonic()
            told = self._polled.get((member.ieee, key))
            is_time = told is not None and row.max_s not in (0, NEVER) and now - told[0] >= row.max_s
            if told is None or is_time or is_change(row, told[1], value.value):
                self._polled[member.ieee, key] = (now, value.value)
                member.reported_at[key] = (now, self._clock.now())
                self._take(member, (value,))

    def forget(self, member: Member) -> None:
        """A device is gone."""
        self._due = [entry for entry in self._due if entry[2] is not member]
        heapq.heapify(self._due)
        for table in (self._polled, self._retry, self._planned):
            for place in [place for place in table if place[0] == member.ieee]:
                del table[place]

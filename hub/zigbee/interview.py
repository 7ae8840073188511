"""The interview: what a new device is asked, in the gateway manual's order (CPX2-SE, Device Detection).

It survives sleepy devices (a question that is not answered is asked again when the device is heard) and restarts (what
was answered is on disk; the rest is asked after the start). A question that a device refuses is answered too: it is not
asked again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from hub.errors import HubError, UnavailableError, ZclStatusError
from hub.zigbee import attributes
from hub.zigbee.client_clusters import ZONE_ID
from hub.zigbee.member import Member, key_of
from hub.zigbee.model import AttributeValue, InterviewStep, ReportingRow, StepState
from hub.zigbee.network import Network
from protocols import zdo
from protocols.ids import COORDINATOR, Eui64, Profile
from protocols.zcl.clusters import BASIC, IAS_ZONE, KEY_ESTABLISHMENT, cluster_name
from protocols.zcl.commands import ZoneEnrollResponse
from protocols.zcl.header import Direction, FrameType, ZclHeader
from protocols.zcl.status import Status
from radios.api import DeliveryError, NoLinkKeyError, NoReplyError, RadioError, RadioLostError

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Times that a device which is always awake is asked."""
PAUSES_S = (1.0, 4.0)
"""Between them: a mesh that has just been joined needs a moment to find its routes."""
SLEEPY_ATTEMPTS = 12
"""Times that a sleepy device is asked, each time that it is heard; then the interview rests until the next announce."""
KEYS_S = 1200.0
"""For keys to be established: within 20 minutes of joining (Smart Energy profile, 5.4.7)."""
KEYS_LOOK_S = 30.0
"""Meanwhile what is secret is asked for so often: the radio's word that there are keys may have been lost."""
ANSWER_S = 10.0
"""For an answer to one question: a sleepy device that polls at all polls within 7.68 s (Zigbee R21, 3.6.1.3)."""
BASIC_ATTRIBUTES = (0x0004, 0x0005, 0x0007, 0x4000, 0x0006, 0x0000)
READ_AT_ONCE = 8
"""Attributes of one question: their values mostly fit one radio packet, and one that is lost costs little."""
IAS_CIE_ADDRESS = 0x0010
"""Attribute of an alarm zone: whom it tells."""
FIXED_QUESTIONS = 7
"""Without simple descriptors: match, node, power, endpoints, basic, attributes, reporting."""


class Household(Protocol):
    """Who keeps what an interview finds out."""

    def progress(
        self, member: Member, step: InterviewStep, state: StepState, done: int, total: int, detail: str
    ) -> None:
        """Tell how far it is."""
        ...

    def save(self, member: Member) -> None:
        """Keep what is known now."""
        ...

    def described(self, member: Member) -> None:
        """All endpoints are known, or the model is: what the device can do may have changed."""
        ...

    def learn(self, member: Member, values: Sequence[AttributeValue]) -> None:
        """Attributes were read."""
        ...

    def wanted(self, member: Member) -> Sequence[tuple[int, int, int, int | None]]:
        """Endpoint, cluster, attribute and manufacturer code of what to read."""
        ...

    def reporting(self, member: Member) -> Sequence[ReportingRow]:
        """What to have reported."""
        ...

    def now(self) -> datetime:
        """The time of day."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class _DeclinedError(Exception):
    """The device says no: asking again does not help. The text is its status."""


class Interview:
    """One interview of one device. `run` ends when everything was asked, or the radio is lost."""

    def __init__(self, network: Network, member: Member, household: Household, *, again: bool = False) -> None:
        """`again`: read attributes whose values are known too, since the device may have changed."""
        self._network, self._member, self._household, self._again = network, member, household, again
        self._heard = asyncio.Event()
        self._keyed = False
        self._keys_until: float | None = None
        """Monotonic seconds; None: nothing secret was asked for without keys."""
        self._key_news = asyncio.Event()
        self._ended: float | None = None
        self._done = 0
        self._failed: list[str] = []
        self._read_now: set[tuple[int, int, int, int | None]] = set()
        """Read by this interview: not read again when a step is repeated for others."""

    def is_over_since(self, before: float) -> bool:
        """Whether it ended at `before` or earlier, in monotonic seconds."""
        return self._ended is not None and self._ended <= before

    def authenticated(self) -> None:
        """Keys are established with the device."""
        self._keyed = True
        self._key_news.set()

    def radio_restarted(self) -> None:
        """Keys may have been established meanwhile: nobody heard of it."""
        self._key_news.set()

    def heard(self) -> None:
        """The device said something: it listens now, for a moment."""
        self._heard.set()

    async def run(self) -> None:
        """Ask what is not known yet."""
        try:
            await self._run()
        finally:
            self._ended = self._household.monotonic()

    async def _run(self) -> None:
        member = self._member
        member.interview_detail = ""
        try:
            await self._step(InterviewStep.MATCH_DESCRIPTOR, self._match)
            await self._step(InterviewStep.NODE_DESCRIPTOR, self._node)
            await self._step(InterviewStep.POWER_DESCRIPTOR, self._power)
            await self._step(InterviewStep.ACTIVE_ENDPOINTS, self._endpoints)
            for endpoint in member.endpoint_ids or ():
                await self._simple(endpoint)
            if member.endpoints:
                member.steps_done.add(InterviewStep.SIMPLE_DESCRIPTOR)
            self._household.described(member)
            self._household.save(member)
            if member.endpoint_ids is not None:
                await self._step(InterviewStep.BASIC, self._basic)
                self._household.described(member)
                await self._step(InterviewStep.ATTRIBUTES, self._attributes)
                await self._step(InterviewStep.REPORTING, self._reporting)
            if any(endpoint not in member.endpoints for endpoint in member.endpoint_ids or ()):
                # What these endpoints have is asked once they are known.
                member.steps_done -= {InterviewStep.BASIC, InterviewStep.ATTRIBUTES, InterviewStep.REPORTING}
        except (RadioLostError, UnavailableError) as error:
            # The next start of the radio goes on where this stopped.
            member.interview_detail = f"stopped: {error}"
            self._household.save(member)
            return
        complete = not self._failed
        member.interview = InterviewStep.DONE if complete else member.interview
        member.interview_detail = "" if complete else f"not answered: {', '.join(self._failed)}"
        self._household.save(member)
        state = StepState.DONE if complete else StepState.FAILED
        self._tell(InterviewStep.DONE, state, member.interview_detail)

    def _total(self) -> int:
        return FIXED_QUESTIONS + len(self._member.endpoint_ids or ())

    def _tell(self, step: InterviewStep, state: StepState, detail: str = "") -> None:
        self._household.progress(self._member, step, state, min(self._done, self._total()), self._total(), detail)

    async def _step(
        self, step: InterviewStep, ask: Callable[[], Awaitable[str]], *, endpoint: int | None = None
    ) -> None:
        member = self._member
        if endpoint is None and step in member.steps_done:
            self._done += 1
            return
        member.interview = step
        label = step.value.replace("_", " ") + (f" {endpoint}" if endpoint is not None else "")
        self._tell(step, StepState.STARTED, f"endpoint {endpoint}" if endpoint is not None else "")
        problem, declined = "", False
        attempt = 0
        while attempt < SLEEPY_ATTEMPTS:
            self._heard.clear()
            try:
                detail = await ask()
            except (_DeclinedError, ZclStatusError) as error:
                problem, declined = str(error), True
                break
            except (RadioLostError, UnavailableError):
                raise
            except (RadioError, HubError) as error:
                problem = str(error)
                if isinstance(error, NoLinkKeyError):
                    if not self._network.is_coordinator and member.short != COORDINATOR:
                        problem, declined = "this radio is a router: it has keys with the trust centre only", True
                        break
                    if await self._wait_for_keys(step):
                        continue
            else:
                member.interview_detail = ""
                self._done += 1
                if endpoint is None:
                    member.steps_done.add(step)
                self._household.save(member)
                self._tell(step, StepState.DONE, detail)
                return
            attempt += 1
            if member.is_sleepy:
                if attempt < SLEEPY_ATTEMPTS:
                    self._tell(
                        step, StepState.WAITING, "asleep: asked again when it is heard; wake it, as by its button"
                    )
                    await self._heard.wait()
            elif attempt >= ATTEMPTS:
                break
            else:
                await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S)) - 1])
        self._done += 1
        if not declined:
            self._failed.append(label)
        elif endpoint is None:
            member.steps_done.add(step)
        else:
            member.endpoint_ids = tuple(one for one in member.endpoint_ids or () if one != endpoint)
        log.info("%s: %s: %s", member.device_id, label, problem)
        self._tell(step, StepState.FAILED, problem)

    async def _wait_for_keys(self, step: InterviewStep) -> bool:
        """A device of Smart Energy establishes keys after it has joined; whether to ask again what is secret."""
        now = self._household.monotonic()
        if self._keys_until is None:
            self._keys_until = now + KEYS_S
            self._member.interview_detail = "keys are not established yet"
            self._household.save(self._member)
            self._tell(step, StepState.WAITING, self._member.interview_detail)
        left = self._keys_until - now
        if self._keyed or left <= 0:
            return False  # there are keys, or it was waited for long enough
        self._member.is_authenticated = False
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, KEYS_LOOK_S)):
                await self._key_news.wait()
        self._key_news.clear()
        return True

    # -- questions -----------------------------------------------------------------------------------------------

    def _short(self) -> int:
        if self._member.short is None:
            raise NoReplyError("its network address is not known; it is asked again when it is heard")
        return self._member.short

    async def _match(self) -> str:
        request = zdo.MatchDescriptorRequest(self._short(), Profile.SMART_ENERGY, (KEY_ESTABLISHMENT, BASIC))
        answer = await self._network.zdo_request(self._member, request, zdo.MatchDescriptorResponse, ANSWER_S)
        if answer.endpoints:
            return f"Smart Energy on endpoint {', '.join(map(str, answer.endpoints))}"
        return "no Smart Energy"

    async def _node(self) -> str:
        request = zdo.NodeDescriptorRequest(self._short())
        answer = await self._network.zdo_request(self._member, request, zdo.NodeDescriptorResponse, ANSWER_S)
        if answer.status is not zdo.ZdoStatus.SUCCESS or answer.descriptor is None:
            raise _DeclinedError(zdo.ZdoStatus(answer.status).name)
        self._member.node = answer.descriptor
        power = "mains" if answer.descriptor.mac_capability & zdo.MacCapability.MAINS_POWERED else "battery"
        return f"{answer.descriptor.logical_type.name.lower().replace('_', ' ')}, {power}"

    async def _power(self) -> str:
        request = zdo.PowerDescriptorRequest(self._short())
        answer = await self._network.zdo_request(self._member, request, zdo.PowerDescriptorResponse, ANSWER_S)
        if answer.status is not zdo.ZdoStatus.SUCCESS or answer.descriptor is None:
            raise _DeclinedError(zdo.ZdoStatus(answer.status).name)
        self._member.power = answer.descriptor
        level = answer.descriptor.level_percent
        return "on mains" if answer.descriptor.is_on_mains else f"on its own source{f', {level} %' if level else ''}"

    async def _endpoints(self) -> str:
        request = zdo.ActiveEndpointsRequest(self._short())
        answer = await self._network.zdo_request(self._member, request, zdo.ActiveEndpointsResponse, ANSWER_S)
        if answer.status is not zdo.ZdoStatus.SUCCESS or answer.endpoints is None:
            raise _DeclinedError(zdo.ZdoStatus(answer.status).name)
        self._member.endpoint_ids = tuple(dict.fromkeys(number for number in answer.endpoints if 0 < number < 0xFF))
        return f"endpoint{'s' if len(self._member.endpoint_ids) != 1 else ''} " + ", ".join(
            map(str, self._member.endpoint_ids)
        )

    async def _simple(self, endpoint: int) -> None:
        if endpoint in self._member.endpoints:
            self._done += 1
            return

        async def ask() -> str:
            request = zdo.SimpleDescriptorRequest(self._short(), endpoint)
            answer = await self._network.zdo_request(self._member, request, zdo.SimpleDescriptorResponse, ANSWER_S)
            if answer.status is not zdo.ZdoStatus.SUCCESS or answer.descriptor is None:
                raise _DeclinedError(zdo.ZdoStatus(answer.status).name)
            # Some devices give another endpoint's number here; the question's is the one that answers.
            found = replace(answer.descriptor, endpoint=endpoint)
            self._member.endpoints[endpoint] = found
            names = ", ".join(cluster_name(cluster) for cluster in found.input_clusters)
            return f"endpoint {endpoint}: {names or 'no servers'}"

        await self._step(InterviewStep.SIMPLE_DESCRIPTOR, ask, endpoint=endpoint)

    async def _basic(self) -> str:
        places = self._member.servers(BASIC)
        if not places:
            raise _DeclinedError("it has no Basic cluster")
        # By themselves, model and maker: devices that answer nothing else answer these (ZIGATE-GUIDE, step 4).
        values = await self._read(places[0], BASIC, (0x0004, 0x0005))
        name = " ".join(str(value.value) for value in values if isinstance(value.value, str))
        try:
            await self._read(places[0], BASIC, (0x0007, 0x4000, 0x0006, 0x0000))
        except (ZclStatusError, NoReplyError) as error:
            log.info("%s: %s", self._member.device_id, error)
        return name.strip()

    async def _read(
        self, endpoint: int, cluster: int, ids: Sequence[int], manufacturer: int | None = None
    ) -> Sequence[AttributeValue]:
        values = await attributes.read(
            self._network,
            self._member,
            endpoint,
            cluster,
            ids,
            now=self._household.now,
            manufacturer=manufacturer,
            timeout_s=ANSWER_S,
        )
        self._household.learn(self._member, values)
        return values

    async def _attributes(self) -> str:
        groups: dict[tuple[int, int, int | None], list[int]] = {}
        for endpoint, cluster, attribute, manufacturer in self._household.wanted(self._member):
            known = self._member.value(endpoint, cluster, attribute, manufacturer)
            if (endpoint, cluster, attribute, manufacturer) in self._read_now:
                continue
            if self._again or known is None or known.time is None:
                groups.setdefault((endpoint, cluster, manufacturer), []).append(attribute)
        missed: Exception | None = None
        parts = [
            (place, ids[at : at + READ_AT_ONCE])
            for place, ids in groups.items()
            for at in range(0, len(ids), READ_AT_ONCE)
        ]
        for (endpoint, cluster, manufacturer), ids in parts:
            try:
                await self._read(endpoint, cluster, ids, manufacturer)
                self._read_now.update((endpoint, cluster, attribute, manufacturer) for attribute in ids)
            except ZclStatusError as error:
                log.info("%s: %s", self._member.device_id, error)
            except (NoReplyError, DeliveryError) as error:
                if self._member.is_sleepy:
                    raise  # it is asleep again: the others would not be heard either
                missed = error
        if missed is not None:
            raise missed
        return ""

    async def _reporting(self) -> str:
        member, network = self._member, self._network
        bound: set[tuple[int, int]] = set()
        refused = 0
        rows = [row for row in self._household.reporting(member) if member.reporting.get(key_of(row)) is None]
        rows += [row for row in member.reporting.values() if row.state == "wanted" and not row.pseudo]
        ours: Eui64 = network.need_radio().network.ieee
        await self._enroll(ours)
        missed: Exception | None = None
        for row in rows:
            try:
                refused += await self._report(row, ours, bound)
            except (NoReplyError, DeliveryError) as error:
                if member.is_sleepy:
                    raise
                missed = error
        if missed is not None:
            raise missed
        return f"{len(rows) - refused} of {len(rows)} attributes report" if rows else "nothing to report"

    async def _enroll(self, ours: Eui64) -> None:
        """Alarm zones tell nobody until they know to whom, and have a number (ZCL8, 8.2.2.2)."""
        member, network = self._member, self._network
        for endpoint in member.servers(IAS_ZONE):
            try:
                await attributes.write(
                    network, member, endpoint, IAS_ZONE, {IAS_CIE_ADDRESS: int(ours)}, data_types={}, timeout_s=ANSWER_S
                )
            except ZclStatusError as error:
                log.info("%s: %s", member.device_id, error)
                continue
            header = ZclHeader(
                FrameType.CLUSTER,
                Direction.TO_SERVER,
                network.conversations.next_tsn(),
                ZoneEnrollResponse.COMMAND,
                disable_default_response=True,
            )
            body = ZoneEnrollResponse(0, ZONE_ID).encode()
            network.send_soon(network.frame(member, endpoint, IAS_ZONE, header, body))

    async def _report(self, row: ReportingRow, ours: Eui64, bound: set[tuple[int, int]]) -> bool:
        """Have one attribute reported; whether the device refuses."""
        member, network = self._member, self._network
        place = (row.endpoint, row.cluster)
        if place not in bound:
            status = await attributes.bind(
                network, member, row.endpoint, row.cluster, ours, ANSWER_S, to_endpoint=row.to_endpoint
            )
            if status is not zdo.ZdoStatus.SUCCESS:
                log.info("%s: binding %s: %s", member.device_id, cluster_name(row.cluster), status.name)
            bound.add(place)
        taken = as_polled(await attributes.configure(network, member, row, ANSWER_S))
        member.reporting[key_of(taken)] = taken
        self._household.save(member)
        return taken.state == "refused" or taken.pseudo


UNABLE = frozenset(
    (
        Status.UNREPORTABLE_ATTRIBUTE,
        Status.UNSUP_GENERAL_COMMAND,
        Status.UNSUP_CLUSTER_COMMAND,
        Status.INSUFFICIENT_SPACE,
    )
)
"""Refusals that say: it can be read, but it does not report."""
POLL_AT_LEAST_S = 30
"""A device that cannot report is asked no more often than this by itself; a person may choose otherwise."""


def as_polled(row: ReportingRow) -> ReportingRow:
    """A row that a device cannot report, turned into one that we poll; others as they are."""
    if row.state != "refused" or row.status not in UNABLE:
        return row
    return replace(row, pseudo=True, state="configured", min_s=max(row.min_s, POLL_AT_LEAST_S))

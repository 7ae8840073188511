"""The EMCB radio: finds breakers, keeps their sequence numbers, polls them, moves their contacts.

Per breaker one task runs: synchronise, then poll at the configured rate. A breaker that stays silent is synchronised
anew (it may have restarted: the number is random at each boot) and looked for by discovery (it may have moved). What a
silent or moved contact means is decided above, in `hub`; here no command that moves contacts is ever repeated.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from protocols import emcb
from protocols.emcb import Ack, HandleAction, HandlePosition, Led, Message, NextSequence, SigningKey
from radios.api import (
    BreakerAck,
    BreakerEvent,
    BreakerReported,
    BreakerSeen,
    BreakerUnanswered,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    RadioConfig,
    UdpKeys,
)
from radios.emcb.link import EmcbLink, Peer
from radios.emcb.options import EmcbOptions, parse_options
from radios.emcb.sequence import is_ahead
from radios.pipe import Address

log = logging.getLogger(__name__)

EVENTS_WAITING = 4096
"""Events that the hub may be behind; then polling waits for it. Twenty seconds of 200 breakers at 1 Hz."""
PROBE_TIMES_S = (0.0, 0.3, 2.2, 4.4)
"""A breaker answers 0x0000 once in 2 s: when the answer to a probe is lost, only one more than 2 s later can succeed
(EMCB 5.1.1), so a round of discovery lasts longer than that."""
LATER_PROBE_TIMES_S = (0.0, 2.2)
"""Once the breakers are known a round is two probes: each holds up everybody's polls for some 300 ms."""
PROBE_GAP_S = 2.2
EXTRA_PROBES = 3
"""More probes in a round that did not find everybody: at 20 % loss each way one breaker in fifty needs them."""
DISCOVERY_GAP_S = 10.0
"""Least time between rounds of discovery that a silent breaker causes; doubles with each that finds nothing."""
ASK_GAPS_S = (0.3, 2.1, 2.1, 5.0, 10.0)
"""Waits between attempts to ask one silent breaker for its number: the first for a lost request, the next past the 2 s
of the rate limit in case the answer was lost, then longer; the last for ever."""
RESYNCHRONISE_AFTER = 3
"""After every so many polls unanswered in a row the sequence number is asked for, in case the breaker restarted. Loss
of 20 % each way leaves three in a row unanswered once in twenty times; a restarted breaker is back within a second."""
SILENT_AFTER = 12
"""After so many polls unanswered in a row a breaker is only asked for its number, ever more rarely, till it answers."""
READ_ATTEMPTS = 6
"""Times that a read, or a write which may safely be repeated, is sent. At 20 % loss each way 998 of 1000 succeed."""
SET_SEQUENCE_GAP_S = 10.0
"""A breaker takes a new sequence number once in 10 s (EMCB 5.5.1)."""
GROUP_SPREAD = 2000
"""A breaker so little behind the group's front catches up by polls alone, 50 numbers each."""
ANSWERED_DISCOVERY_S = 150.0
"""A breaker that answered discovery so lately and no poll since is there, but not with this unicast key."""

M = TypeVar("M", bound=Message)


class _Breaker(Peer):
    """A breaker with what the driver keeps of it beside the link's state."""

    __slots__ = ("asked", "discovered", "misses", "set_at", "task", "woken")

    def __init__(self, device_id: str) -> None:
        super().__init__(device_id)
        self.misses = 0
        self.asked = 0
        """Attempts to learn its sequence number that failed in a row."""
        self.discovered: float | None = None
        """When it answered discovery last; None once a poll was answered after that."""
        self.set_at: float | None = None
        """When it last took a new sequence number."""
        self.task: asyncio.Task[None] | None = None
        self.woken = asyncio.Event()
        """Something changed (key, address): do not wait out the pause."""


class EmcbRadio:
    """A `radios.api.BreakerRadio` over signed UDP."""

    def __init__(
        self,
        config: RadioConfig,
        options: EmcbOptions,
        trace: Callable[[str, bytes, str], None] | None = None,
        random_u32: Callable[[], int] = lambda: secrets.randbits(32),
    ) -> None:
        """`random_u32` makes nonces and must be unpredictable outside tests."""
        self.name = config.name
        self._options = options
        self._random_u32 = random_u32
        self._link = EmcbLink(config.pipe, on_found=self._found, on_late=self._late, trace=trace)
        self._breakers: dict[str, _Breaker] = {}
        self._keys: dict[str, tuple[SigningKey, ...]] = {}
        """Unicast keys, also of breakers that were forgotten."""
        self._events: asyncio.Queue[BreakerEvent] = asyncio.Queue(EVENTS_WAITING)
        self._search = asyncio.Event()
        """Somebody is missing: do not wait for the next regular round of discovery."""
        self._news = False
        """This round of discovery found something."""
        self._front: int | None = None
        """The highest next sequence number of the group."""
        self._tasks = asyncio.TaskGroup()
        self._discovery: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        """Open the socket and begin discovery and polling. Raises `PipeError`."""
        await self._link.__aenter__()
        await self._tasks.__aenter__()
        self.set_keys(self._options.keys)
        for device_id, host in self._options.addresses.items():
            self._link.place(self._breaker(device_id), (host, self._link.url.port))
        self._discovery = self._tasks.create_task(self._discover(), name=f"{self.name} discovery")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._discovery is not None:
            self._discovery.cancel()
        for breaker in self._breakers.values():
            if breaker.task is not None:
                breaker.task.cancel()
        try:
            # The body's own error must come out as it is, not wrapped in a group: the tasks are not its cause.
            await self._tasks.__aexit__(None, None, None)
        finally:
            await self._link.__aexit__(kind, error, trace)

    @property
    def counters(self) -> Mapping[str, int]:
        """Datagrams sent, received, and dropped by reason."""
        return self._link.counters

    async def events(self) -> AsyncIterator[BreakerEvent]:
        """What the breakers say. UDP has no connection that could be lost, so this ends only with the radio."""
        while True:
            yield await self._events.get()

    # -- commands ------------------------------------------------------------------------------------------------

    async def position(self, device_id: str) -> HandlePosition:
        """Read the feedback position, with repeats. Raises `NoReplyError`, `NotReachableError`."""
        breaker = self._known(device_id)
        return (await self._repeat(breaker, emcb.GetHandlePosition(), emcb.HandlePositionResponse)).position

    async def move(self, device_id: str, action: HandleAction) -> BreakerAck:
        """Send one command, once. Raises `NoReplyError`, or `NotReachableError` when nothing was sent."""
        message = emcb.SetHandlePosition(action)
        answer = _expect(await self._link.transact(self._known(device_id), message), emcb.SetHandlePositionResponse)
        return BreakerAck(answer.ack, answer.position)

    async def move_all(self, action: HandleAction) -> Mapping[str, BreakerAck | None]:
        """Send one command to every breaker by broadcast; None for a breaker that did not answer.

        Only when every known breaker would accept it: one whose window does not reach the broadcast's sequence number
        yet would accept it later, from whoever kept a copy. Raises `NotSupportedError` otherwise.
        """
        if not self._link.broadcast_keys:
            raise NotSupportedError(f"{self.name}: there is no broadcast key")
        if not self._options.group_control:
            raise NotSupportedError(f"{self.name}: group_control is off")
        breakers = tuple(self._breakers.values())
        async with self._link.turns(breakers):
            strangers = [b.device_id for b in breakers if b.address is None or not b.sequence.is_synchronised]
            if not breakers or strangers:
                raise NotSupportedError(f"{self.name}: not synchronised: {', '.join(strangers) or 'no breakers'}")
            sequence = breakers[0].sequence.next
            for breaker in breakers:
                if is_ahead(breaker.sequence.next, sequence):
                    sequence = breaker.sequence.next
            behind = [b.device_id for b in breakers if is_ahead(sequence, b.sequence.last_usable)]
            if behind:
                raise NotSupportedError(f"{self.name}: not synchronised with the others: {', '.join(behind)}")
            answers = await self._link.broadcast(emcb.SetHandlePosition(action), sequence, breakers)
        return {
            breaker.device_id: BreakerAck(answer.ack, answer.position)
            if isinstance(answer := answers.get(breaker.device_id), emcb.SetHandlePositionResponse)
            else None
            for breaker in breakers
        }

    async def set_leds(self, device_id: str, leds: tuple[Led, ...] | None, duration_s: int) -> Ack:
        """Show five colours, or None: back to normal. Repeated until answered, since it says the same each time."""
        message = emcb.SetBargraphLeds(
            0 if leds is None else 1, duration_s, leds if leds is not None else (emcb.LED_OFF,) * emcb.LED_COUNT
        )
        return (await self._repeat(self._known(device_id), message, emcb.SetBargraphLedsResponse)).ack

    def set_keys(self, keys: UdpKeys) -> None:
        """Use these keys from now on; kinds and breakers that are not named keep theirs."""
        if keys.broadcast:
            self._link.broadcast_keys = tuple(SigningKey(key) for key in keys.broadcast)
        for device_id, pair in keys.unicast.items():
            signing = self._keys[device_id] = tuple(SigningKey(key) for key in pair)
            breaker = self._breaker(device_id)
            if signing != breaker.keys:
                breaker.keys = signing
                breaker.sequence.lose()
                breaker.asked = 0
                breaker.woken.set()
        self._search.set()

    def forget(self, device_id: str) -> None:
        """Drop what is known of a breaker; it comes back if it answers discovery again."""
        breaker = self._breakers.pop(device_id, None)
        if breaker is not None:
            if breaker.task is not None:
                breaker.task.cancel()
            self._link.remove(breaker)

    async def _repeat(self, breaker: _Breaker, message: Message, expected: type[M]) -> M:
        for attempt in range(READ_ATTEMPTS):
            try:
                return _expect(await self._link.transact(breaker, message), expected)
            except NoReplyError:
                if attempt == READ_ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _known(self, device_id: str) -> _Breaker:
        breaker = self._breakers.get(device_id)
        if breaker is None:
            raise NotReachableError(f"{device_id} has not been seen by {self.name}")
        return breaker

    # -- discovery -----------------------------------------------------------------------------------------------

    async def _discover(self) -> None:
        gap = DISCOVERY_GAP_S
        times: Sequence[float] = PROBE_TIMES_S
        while True:
            started = self._loop.time()
            self._search.clear()
            self._news = False
            for at in times:
                await asyncio.sleep(max(0.0, started + at - self._loop.time()))
                await self._link.probe(self._random_u32(), self._breakers.values())
            for _ in range(EXTRA_PROBES):
                if not self._lost():
                    break
                await asyncio.sleep(PROBE_GAP_S)
                await self._link.probe(self._random_u32(), self._breakers.values())
            times = LATER_PROBE_TIMES_S
            # Whoever is looked for in vain is looked for ever more rarely: each round holds up the others' polls.
            gap = DISCOVERY_GAP_S if self._news else min(2 * gap, self._options.discovery_interval_s)
            if self._lost():
                self._search.set()
            try:
                async with asyncio.timeout(self._options.discovery_interval_s):
                    await asyncio.sleep(gap)
                    await self._search.wait()
            except TimeoutError:
                pass

    def _lost(self) -> bool:
        """Whether there is a key for a breaker that nobody has found."""
        return any(breaker.address is None and breaker.keys for breaker in self._breakers.values())

    def _found(self, answer: NextSequence, address: Address) -> None:
        """A probe was answered: a new breaker, a new address, a restart, or nothing new."""
        breaker = self._breaker(answer.device_id)
        moved = breaker.address != address
        restarted = breaker.sequence.is_synchronised and not breaker.sequence.agrees(answer.sequence)
        if moved:
            self._link.place(breaker, address)
        if restarted or (breaker.keys and not breaker.sequence.is_synchronised):
            breaker.sequence.synchronise(answer.sequence)
        breaker.discovered = self._loop.time()
        if moved or restarted or breaker.misses:
            breaker.woken.set()
            self._news = True
        if moved or restarted:
            self._say(BreakerSeen(breaker.device_id, f"{address[0]}:{address[1]}", bool(breaker.keys), restarted))

    def _breaker(self, device_id: str) -> _Breaker:
        breaker = self._breakers.get(device_id)
        if breaker is None:
            breaker = self._breakers[device_id] = _Breaker(device_id)
            breaker.keys = self._keys.get(device_id, ())
            breaker.task = self._tasks.create_task(self._serve(breaker), name=f"{self.name} {device_id}")
        return breaker

    def _late(self, peer: Peer, message: Message) -> None:
        """An answer came after its deadline: still true, and a sign of life."""
        if isinstance(message, emcb.DeviceStatus) and isinstance(peer, _Breaker):
            self._say(BreakerReported(peer.device_id, message, self._loop.time()))

    def _say(self, event: BreakerEvent) -> None:
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            log.warning("%s: the hub is %d events behind; dropping %s", self.name, EVENTS_WAITING, type(event).__name__)

    # -- one breaker ---------------------------------------------------------------------------------------------

    async def _serve(self, breaker: _Breaker) -> None:
        """Synchronise and poll one breaker for as long as the radio lives."""
        # Spread the polls of many breakers over the interval, the same way after each start.
        due = self._loop.time() + self._options.poll_interval_s * (len(self._breakers) * 0.618 % 1)
        while True:
            if breaker.address is None or not breaker.keys:
                await self._pause(breaker, None)
                continue
            if not breaker.sequence.is_synchronised and not await self._synchronise(breaker):
                continue
            await self._join_group(breaker)
            try:
                answer = await self._link.transact(breaker, emcb.GetDeviceStatus())
            except NoReplyError:
                await self._missed(breaker)
                if breaker.misses >= SILENT_AFTER:
                    breaker.sequence.lose()
                    self._search.set()
                elif breaker.misses % RESYNCHRONISE_AFTER == 0:
                    await self._ask(breaker)
                continue
            except NotReachableError:
                continue  # forgotten, moved or re-keyed meanwhile: look again
            status = _expect(answer, emcb.DeviceStatus)
            breaker.misses = breaker.asked = 0
            breaker.discovered = None
            self._advance(breaker)
            await self._events.put(BreakerReported(breaker.device_id, status, self._loop.time()))
            due = max(due + self._options.poll_interval_s, self._loop.time())
            if self._options.poll_interval_s:
                await self._pause(breaker, due - self._loop.time())

    async def _missed(self, breaker: _Breaker) -> None:
        breaker.misses += 1
        seen = breaker.discovered
        there = seen is not None and self._loop.time() - seen < ANSWERED_DISCOVERY_S
        await self._events.put(BreakerUnanswered(breaker.device_id, breaker.misses, there))

    async def _synchronise(self, breaker: _Breaker) -> bool:
        """Ask a breaker of which nothing is known for its sequence number; False, after a pause, if it did not say."""
        if await self._ask(breaker):
            return True
        await self._missed(breaker)
        gap = ASK_GAPS_S[min(breaker.asked, len(ASK_GAPS_S) - 1)]
        breaker.asked += 1
        breaker.keys = breaker.keys[1:] + breaker.keys[:1]  # perhaps it uses the other key by now
        self._search.set()
        await self._pause(breaker, gap)
        return False

    async def _ask(self, breaker: _Breaker) -> bool:
        """Ask a breaker once which sequence number it expects; False when it did not say."""
        try:
            message = emcb.GetNextSequence(self._random_u32())
            answer = _expect(await self._link.transact(breaker, message), NextSequence)
        except (NoReplyError, NotReachableError):
            return False
        if answer.device_id != breaker.device_id:
            # Somebody else has this address and, against all odds, this key: believe the signed answer.
            if breaker.address is not None:
                self._found(answer, breaker.address)
            return False
        if breaker.sequence.agrees(answer.sequence):
            breaker.sequence.confirm(emcb.sequence_add(answer.sequence, -1))
        else:
            breaker.sequence.synchronise(answer.sequence)
        return True

    async def _pause(self, breaker: _Breaker, seconds: float | None) -> None:
        """Wait, but not when something about the breaker changes; None: until then."""
        if seconds is not None and seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await breaker.woken.wait()
        except TimeoutError:
            return
        breaker.woken.clear()

    # -- the group -----------------------------------------------------------------------------------------------

    def _advance(self, breaker: _Breaker) -> None:
        if self._front is not None and is_ahead(breaker.sequence.next, self._front):
            self._front = breaker.sequence.next

    async def _join_group(self, breaker: _Breaker) -> None:
        """Keep a breaker's sequence number near the others', so that one broadcast reaches them all (EMCB 6.1.2)."""
        if not (self._options.group_control and self._link.broadcast_keys):
            return
        if self._front is None:
            self._front = breaker.sequence.next
        front, following = self._front, breaker.sequence.next
        if following == front:
            return
        if is_ahead(following, front):
            distance = emcb.sequence_distance(front, following)
        else:
            distance = emcb.sequence_distance(following, front)
        if distance <= GROUP_SPREAD:
            breaker.sequence.catch_up(front)
            return
        if len(self._breakers) < 2:
            self._front = following
            return
        now = self._loop.time()
        if breaker.set_at is not None and now - breaker.set_at < SET_SEQUENCE_GAP_S:
            return
        breaker.set_at = now
        # The front is one past the last number that any breaker was sent: random at their boot, never a constant.
        try:
            answer = await self._link.transact(breaker, emcb.SetNextSequence(front))
        except NoReplyError:
            breaker.sequence.lose()  # it may or may not have taken it
            return
        except NotReachableError:
            return
        if _expect(answer, emcb.SetNextSequenceResponse).ack is Ack.ACKNOWLEDGE:
            breaker.sequence.synchronise(front)


def _expect(answer: Message, expected: type[M]) -> M:
    """The link matches answers by code, so an answer of another class is a bug of ours."""
    assert isinstance(answer, expected)
    return answer


class EmcbDriver:
    """The driver as `radios.loader` finds it."""

    carries = "breakers"
    joins = False

    def check(self, config: RadioConfig) -> None:
        """Raise `OptionError` when the configuration is wrong."""
        parse_options(config)

    def open(self, config: RadioConfig, trace: Callable[[str, bytes, str], None] | None) -> EmcbRadio:
        """A radio that is not open yet."""
        return EmcbRadio(config, parse_options(config), trace)


DRIVER = EmcbDriver()

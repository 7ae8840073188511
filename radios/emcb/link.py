"""Transactions with breakers over one UDP socket: signing, matching, verifying, dropping.

The rules of the application layer live here (EMCB chapter 4): one transaction in flight per breaker, nothing sent to a
breaker within 200 ms of a command it left unanswered, every datagram under a new sequence number, and of what comes in
only the answer that is waited for. Everything else is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from protocols import emcb
from protocols.emcb import SIGNATURE_SIZE, START_RESPONSE, Message, NextSequence, SigningKey
from protocols.errors import CodecError, SignatureError
from radios.api import NoReplyError, NotReachableError
from radios.emcb.sequence import SequenceTracker
from radios.pipe import Address, DatagramPipe, UdpUrl
from radios.waiters import Waiters

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 0.2
"""After so long without an answer the next transaction may start (EMCB chapter 4)."""
ANSWER_TIMEOUTS_S: Mapping[int, float] = {
    emcb.SetHandlePosition.code: 0.6,  # contacts move: 21 to 170 ms captured, 418 ms the longest known (EMCB-LIB)
    emcb.SetNextSequence.code: 0.4,  # 8 to 51 ms captured; giving up too early loses the sequence number
    emcb.SetEvseConfiguration.code: 5.0,  # EMCB-LIB
}
LATE_ANSWERS_KEPT = 8
"""Unanswered requests per breaker that a late answer may still belong to: 1.6 s of them."""
PROBES_KEPT = 16
"""Discovery nonces that may still be answered: several rounds of probes."""

Counters = Counter[str]
COUNTED = (
    "sent",
    "send_failed",
    "received",
    "answered",
    "unanswered",
    "late",
    "dropped_malformed",
    "dropped_signature",
    "dropped_replayed",
    "dropped_foreign",
)
"""What is counted, in the order shown. `dropped_replayed`: signed, but answered before or never asked for."""


@dataclass(slots=True)
class _Open:
    """The transaction that a breaker is in."""

    sequence: int
    code: int
    key: SigningKey
    nonce: int | None
    mark: bytes
    """Bytes 4 to 9 of its request, which the answer repeats: sequence number and message code."""


@dataclass(slots=True)
class Peer:
    """One breaker as the link sees it."""

    device_id: str
    address: Address | None = None
    keys: tuple[SigningKey, ...] = ()
    sequence: SequenceTracker = field(default_factory=SequenceTracker)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    quiet_until: float = 0.0
    """Monotonic seconds before which nothing is sent: 200 ms after a command without an answer."""
    open: _Open | None = None
    unanswered: deque[_Open] = field(default_factory=lambda: deque(maxlen=LATE_ANSWERS_KEPT))

    @property
    def key(self) -> SigningKey | None:
        """The unicast key in use."""
        return self.keys[0] if self.keys else None


@dataclass(slots=True)
class _Broadcast:
    """A command under way to all breakers at once."""

    sequence: int
    code: int
    key: SigningKey
    waiting: dict[Address, Peer]
    answers: dict[str, Message]
    done: asyncio.Future[None]


class EmcbLink:
    """The socket with everything that is in flight on it."""

    def __init__(
        self,
        url: str,
        *,
        on_found: Callable[[NextSequence, Address], None],
        on_late: Callable[[Peer, Message], None],
        trace: Callable[[str, bytes, str], None] | None = None,
    ) -> None:
        """`on_found` is told of each verified answer to a discovery probe, `on_late` of each verified late answer."""
        self._pipe = DatagramPipe(url, self._receive)
        self._on_found = on_found
        self._on_late = on_late
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._waiters: Waiters[Address, Message] = Waiters(lambda address: f"no answer from {address[0]}:{address[1]}")
        self._by_address: dict[Address, Peer] = {}
        self._several = asyncio.Lock()
        self._probes: deque[tuple[int, set[Address]]] = deque(maxlen=PROBES_KEPT)
        self._broadcast: _Broadcast | None = None
        self.broadcast_keys: tuple[SigningKey, ...] = ()
        self.counters: Counters = Counter(dict.fromkeys(COUNTED, 0))

    async def __aenter__(self) -> Self:
        await self._pipe.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiters.fail_all(NoReplyError("the radio was closed"))
        await self._pipe.__aexit__(kind, error, trace)

    @property
    def url(self) -> UdpUrl:
        """The pipe's parsed URL."""
        return self._pipe.url

    def place(self, peer: Peer, address: Address) -> None:
        """A breaker is at `address` from now on; whoever was there before is not any more."""
        previous = self._by_address.get(address)
        if previous is not None and previous is not peer:
            previous.address = None
        self.remove(peer)
        peer.address = address
        self._by_address[address] = peer

    def remove(self, peer: Peer) -> None:
        """Forget where a breaker is."""
        if peer.address is not None and self._by_address.get(peer.address) is peer:
            del self._by_address[peer.address]
        peer.address = None

    # -- out -----------------------------------------------------------------------------------------------------

    async def transact(self, peer: Peer, message: Message) -> Message:
        """Send `message` once, under the next sequence number (0 for `GetNextSequence`), and await its answer.

        Raises `NoReplyError` when none came, `NotReachableError` when nothing was sent.
        """
        async with peer.turn:
            return await self._transact(peer, message)

    async def _transact(self, peer: Peer, message: Message) -> Message:
        await self._quiet((peer,))
        address, key = peer.address, peer.key
        if address is None:
            raise NotReachableError(f"{peer.device_id}: its address is not known")
        if key is None:
            raise NotReachableError(f"{peer.device_id}: there is no unicast key for it")
        asks_sequence = isinstance(message, emcb.GetNextSequence)
        if not asks_sequence and not peer.sequence.is_synchronised:
            raise NotReachableError(f"{peer.device_id}: its sequence number is not known yet")
        sequence = 0 if asks_sequence else peer.sequence.take()
        nonce = message.nonce if isinstance(message, emcb.GetNextSequence) else None
        request = emcb.encode_request(sequence, message, key)
        opened = _Open(sequence, message.code, key, nonce, request[4:10])
        answer = self._waiters.expect(address, ANSWER_TIMEOUTS_S.get(message.code, ANSWER_TIMEOUT_S))
        peer.open = opened
        self._send(request, address)
        # From when it is out: a machine that was busy meanwhile must not ask again too soon.
        peer.quiet_until = self._loop.time() + ANSWER_TIMEOUT_S
        try:
            return await answer
        except NoReplyError:
            self.counters["unanswered"] += 1
            raise NoReplyError(f"no answer from {peer.device_id} at {address[0]}") from None
        finally:
            if peer.open is opened:  # unanswered, or its caller was cancelled
                peer.open = None
                peer.unanswered.append(opened)
                self._waiters.discard(address)

    async def probe(self, nonce: int, peers: Iterable[Peer]) -> None:
        """Ask everybody on the network who they are and which number they expect. `peers`: all that are known.

        Since it is a command to each of them, it waits for their turns and gives them 200 ms to answer.
        """
        if not self.broadcast_keys:
            return
        known = tuple(peers)
        async with self.turns(known):
            self._probes.append((nonce, set()))
            for key in self.broadcast_keys:
                datagram = emcb.encode_request(0, emcb.GetNextSequence(nonce), key)
                for address in self._pipe.broadcast_addresses:
                    self._send(datagram, address)
            for peer in known:
                peer.quiet_until = self._loop.time() + ANSWER_TIMEOUT_S

    async def broadcast(self, message: Message, sequence: int, peers: Iterable[Peer]) -> Mapping[str, Message]:
        """Send `message` once to every breaker and collect the answers of `peers`, by device id.

        The caller holds the turns of all of them and knows that each accepts `sequence`.
        """
        members = {peer.address: peer for peer in peers if peer.address is not None}
        call = _Broadcast(sequence, message.code, self.broadcast_keys[0], dict(members), {}, self._loop.create_future())
        datagram = emcb.encode_request(sequence, message, call.key)
        self._broadcast = call
        try:
            for peer in members.values():
                peer.sequence.sent(sequence)
            for address in self._pipe.broadcast_addresses:
                self._send(datagram, address)
            for peer in members.values():
                peer.quiet_until = self._loop.time() + ANSWER_TIMEOUT_S
            await asyncio.wait((call.done,), timeout=ANSWER_TIMEOUTS_S.get(message.code, ANSWER_TIMEOUT_S))
        finally:
            self._broadcast = None
            call.done.cancel()
        self.counters["unanswered"] += len(call.waiting)
        return call.answers

    @asynccontextmanager
    async def turns(self, peers: Iterable[Peer]) -> AsyncIterator[None]:
        """Hold the turns of several breakers, none of which has an unanswered command less than 200 ms old."""
        members = tuple(peers)
        held: list[Peer] = []

        async def take(peer: Peer) -> None:
            await peer.turn.acquire()
            held.append(peer)

        # All at once: one after the other, a lossy network of 32 breakers stood still for 3 s. Whoever wants several
        # turns waits for whoever else does, so that two cannot wait for each other.
        async with self._several:
            try:
                async with asyncio.TaskGroup() as group:
                    for peer in members:
                        group.create_task(take(peer))
                await self._quiet(members)
                yield
            finally:
                for peer in held:
                    peer.turn.release()

    async def _quiet(self, peers: Iterable[Peer]) -> None:
        until = max((peer.quiet_until for peer in peers), default=0.0)
        wait = until - self._loop.time()
        if wait > 0:
            await asyncio.sleep(wait)

    def _send(self, datagram: bytes, address: Address) -> None:
        if self._trace is not None:
            self._trace("tx", _masked(datagram), f"{address[0]}:{address[1]}")
        self.counters["sent" if self._pipe.send(datagram, address) else "send_failed"] += 1

    # -- in ------------------------------------------------------------------------------------------------------

    def _receive(self, datagram: bytes, address: Address) -> None:
        self.counters["received"] += 1
        if self._trace is not None:
            self._trace("rx", _masked(datagram), f"{address[0]}:{address[1]}")
        peer = self._by_address.get(address)
        # The common case first: the answer that a breaker owes us.
        if (
            peer is not None
            and (opened := peer.open) is not None
            and datagram[4:10] == opened.mark
            and self._answer(peer, opened, datagram, address)
        ):
            return
        self._receive_other(datagram, address, peer)

    def _answer(self, peer: Peer, opened: _Open, datagram: bytes, address: Address) -> bool:
        """Verify and deliver the answer to `opened`; False when it is something else after all."""
        try:
            message = emcb.decode_response(datagram, opened.key).message
        except SignatureError:
            return False  # a probe's answer has the same sequence and code, and another key
        except CodecError:
            self.counters["dropped_malformed"] += 1
            return True
        if isinstance(message, NextSequence):
            if message.nonce != opened.nonce:
                self.counters["dropped_replayed"] += 1
                return True
        else:
            peer.sequence.confirm(opened.sequence)
        peer.open = None
        peer.quiet_until = 0.0
        self.counters["answered"] += 1
        self._waiters.resolve(address, message)
        return True

    def _receive_other(self, datagram: bytes, address: Address, peer: Peer | None) -> None:
        try:
            header = emcb.parse_header(datagram)
        except CodecError:
            self.counters["dropped_malformed"] += 1
            return
        if header.start != START_RESPONSE:
            self.counters["dropped_foreign"] += 1  # another coordinator, or our own broadcast come back
            return
        call = self._broadcast
        if call is not None and (header.sequence, header.code) == (call.sequence, call.code):
            self._broadcast_answer(call, datagram, address)
        elif header.sequence == 0 and header.code == NextSequence.code:
            self._probe_answer(datagram, address, peer)
        elif peer is None:
            self.counters["dropped_foreign"] += 1
        else:
            self._late_answer(peer, header, datagram)

    def _broadcast_answer(self, call: _Broadcast, datagram: bytes, address: Address) -> None:
        message = self._verified(datagram, (call.key,))
        if message is None:
            return
        peer = call.waiting.pop(address, None)
        if peer is None:
            self.counters["dropped_replayed"] += 1
            return
        peer.sequence.confirm(call.sequence)
        peer.quiet_until = 0.0
        call.answers[peer.device_id] = message
        self.counters["answered"] += 1
        if not call.waiting and not call.done.done():
            call.done.set_result(None)

    def _probe_answer(self, datagram: bytes, address: Address, peer: Peer | None) -> None:
        message = self._verified(datagram, (*self.broadcast_keys, *(peer.keys if peer is not None else ())))
        if not isinstance(message, NextSequence):
            return
        for nonce, answered in self._probes:
            if nonce == message.nonce and address not in answered:
                answered.add(address)
                break
        else:
            self.counters["dropped_replayed"] += 1
            return
        self.counters["answered"] += 1
        if peer is not None and peer.open is None:
            peer.quiet_until = 0.0
        self._on_found(message, address)

    def _late_answer(self, peer: Peer, header: emcb.Header, datagram: bytes) -> None:
        for opened in peer.unanswered:
            if (opened.sequence, opened.code) == (header.sequence, header.code):
                message = self._verified(datagram, (opened.key,))
                if message is not None:
                    peer.unanswered.remove(opened)
                    peer.sequence.confirm(header.sequence)
                    self.counters["late"] += 1
                    self._on_late(peer, message)
                return
        if self._verified(datagram, (*peer.keys, *self.broadcast_keys)) is not None:
            self.counters["dropped_replayed"] += 1

    def _verified(self, datagram: bytes, keys: Iterable[SigningKey]) -> Message | None:
        """The message, if one of `keys` signed it and it parses; else None, and counted."""
        for key in keys:
            try:
                return emcb.decode_response(datagram, key).message
            except SignatureError:
                continue
            except CodecError:
                self.counters["dropped_malformed"] += 1
                return None
        self.counters["dropped_signature"] += 1
        return None


def _masked(datagram: bytes) -> bytes:
    """The datagram without its signature, for the trace: what is in a trace cannot be sent again."""
    return datagram[:-SIGNATURE_SIZE] + bytes(min(len(datagram), SIGNATURE_SIZE))

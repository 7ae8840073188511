"""Key establishment as a state machine of each side: four questions, four answers (Smart Energy profile, C.3 and C.4).

Commands and time go in; commands to send, computations to run, a link key or an end without one come out:

    initiator                responder               expects                            while
    -----------------------  ----------------------  ---------------------------------  -----------------------------
    AWAITS_CERTIFICATE       (idle)                  Initiate Key Establishment         `ANSWER_S`
    MAKES_EPHEMERAL                                  its own computation                as it has told
    AWAITS_EPHEMERAL         AWAITS_EPHEMERAL        Ephemeral Data                     as the other has told
    DERIVES                  DERIVES                 its own computation                as it has told
    AWAITS_CONFIRMATION      AWAITS_CONFIRMATION     Confirm Key Data                   as the other has told
    DONE                     DONE                    nothing; repeats                   as it has told
    FAILED                   FAILED

What is told gets `SLACK_S` more. Whatever else comes is out of order and ends the exchange with BAD_MESSAGE. Terminate
Key Establishment is never answered.

Chosen, where the profile leaves it open: the responder answers a repeated question with the same answer, and a new
Initiate begins anew at any time, because a device that has lost its power knows no better; the initiator passes over
repeated answers. Nothing heard in time ends with NO_RESOURCES.

The computations take milliseconds and are not done here: a `Compute` is run by the caller, in a thread if he likes, and
what it returns comes back through `computed`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import ClassVar, Final

from protocols.errors import CodecError, RangeError
from protocols.ids import Eui64
from protocols.se import key_establishment as wire
from protocols.se.base import SeCommand, SeVersion
from protocols.se.binary_curve import PURE_PYTHON, Arithmetic, Point
from protocols.se.cbke import EstablishedKeys, KeyPair, Party, derive, same_mac, shared_secret
from protocols.se.ecqv import Certificate, Credentials, public_key, read_certificate
from protocols.se.key_establishment import Suite, TerminateStatus

SLACK_S: Final = 5.0
"""Seconds beyond what the other side has told: for the way there and back."""
ANSWER_S: Final = 10.0
"""Seconds for the first answer, of which nothing has been told."""
WAIT_S: Final = 30
"""Seconds that the other side shall wait before it tries again."""
TIMES_S: Final = {Suite.SECT163K1: (10, 15), Suite.SECT283K1: (20, 25)}
"""What we tell of ourselves: for ephemeral data, for the confirmation. As other stacks do, whatever the machine."""
NO_SUITE: Final = Suite(0)
TERMINATE: Final = wire.TerminateByInitiator.COMMAND


class Step(Enum):
    """Where an exchange is; see the table above."""

    IDLE = auto()
    AWAITS_CERTIFICATE = auto()
    MAKES_EPHEMERAL = auto()
    AWAITS_EPHEMERAL = auto()
    DERIVES = auto()
    AWAITS_CONFIRMATION = auto()
    DONE = auto()
    FAILED = auto()


AT_REST: Final = frozenset({Step.IDLE, Step.DONE, Step.FAILED})


class Retry(Enum):
    """Whether it is worth another try."""

    AFTER_WAIT = auto()
    OTHER_SUITE = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class Send:
    """Send this to the other side, unencrypted by any link key of key establishment."""

    command: SeCommand


@dataclass(frozen=True, slots=True)
class Computed:
    """What a computation has found; for `computed` and nobody else."""

    number: int
    result: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Compute:
    """Call `run`, which touches nothing but its own, and give what it returns to `computed`."""

    number: int
    work: Callable[[], object] = field(repr=False)

    def run(self) -> Computed:
        """Compute. Raises only what the arithmetic raises for faults of its own: then `abort` the exchange."""
        try:
            return Computed(self.number, self.work())
        except _RefusedError as refused:
            return Computed(self.number, refused)


@dataclass(frozen=True, slots=True)
class Established:
    """Both sides have shown that they have the key.

    A responder hears of it before its last word is known to have come; a `Failed` behind it says that it has not.
    """

    peer: Eui64
    suite: Suite
    link_key: bytes = field(repr=False)
    public_key: Point
    """Of the peer's certificate: what its signatures verify with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It ended without a key."""

    status: TerminateStatus
    by_peer: bool
    """Whether the other side has ended it."""
    wait_s: int
    """Before it may be tried again."""
    suites: Suite = NO_SUITE
    """What the other side can, if it has told."""
    reason: str

    @property
    def retry(self) -> Retry:
        """What the status means for another try."""
        if self.status == TerminateStatus.UNSUPPORTED_SUITE:
            return Retry.OTHER_SUITE
        later = (TerminateStatus.BAD_MESSAGE, TerminateStatus.NO_RESOURCES)
        return Retry.AFTER_WAIT if self.status in later else Retry.NEVER


Outcome = Send | Compute | Established | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What one side brings: credentials of one suite or both, and randomness."""

    credentials: tuple[Credentials, ...]
    random: Callable[[int], bytes] = field(repr=False)
    """So many random bytes, for the ephemeral keys: `secrets.token_bytes`."""
    arithmetic: Arithmetic = PURE_PYTHON
    version: SeVersion = SeVersion.V1_1
    """From 1.2 on there is the status INVALID_CERTIFICATE."""

    def __post_init__(self) -> None:
        subjects = {one.certificate.subject for one in self.credentials}
        if len(subjects) != 1 or len({one.suite for one in self.credentials}) != len(self.credentials):
            shown = ", ".join(f"suite {int(one.suite)} for {one.certificate.subject}" for one in self.credentials)
            raise RangeError("credentials", shown or "none", "one of each suite at most, all for one device")

    @property
    def ieee(self) -> Eui64:
        """Who we are."""
        return self.credentials[0].certificate.subject

    @property
    def suites(self) -> Suite:
        """What we can."""
        found = NO_SUITE
        for one in self.credentials:
            found |= one.suite
        return found

    def of(self, suite: Suite) -> Credentials | None:
        """Our credentials of a suite."""
        return next((one for one in self.credentials if one.suite == suite), None)


class _RefusedError(Exception):
    """What the other side sent is not as it must be."""

    def __init__(self, status: TerminateStatus, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a computation gives."""

    pair: KeyPair = field(repr=False)
    peer_static: Point
    established: EstablishedKeys | None = None


class KeyExchange:
    """What both sides have in common. `now` is everywhere a time in seconds of one clock that never goes back."""

    TERMINATED_WITH: ClassVar[type[wire.TerminateByInitiator]]
    """How we end it."""

    def __init__(self, own: Own, peer: Eui64) -> None:
        self.own, self.peer = own, peer
        self.step = Step.IDLE
        self.deadline: float | None = None
        """When `tick` has to be called at the latest."""
        self._number = 0
        self._forget()

    def _forget(self) -> None:
        """Secrets of the exchange, and all else that belongs to one."""
        self._number += 1
        self._credentials: Credentials | None = None
        self._certificate: Certificate | None = None
        self._keys: _Keys | None = None
        self._peer_ephemeral = b""
        self._times_s = (0, 0)
        self._heard: tuple[int, bytes] | None = None
        self._answer: Send | None = None

    # -- what the caller does ------------------------------------------------------------------------------------------

    def receive(self, command: int, payload: bytes, now: float) -> Sequence[Outcome]:
        """A command of the cluster from the other side; one of an unknown id gives nothing."""
        answers = not self.TERMINATED_WITH.TO_SERVER
        try:
            found = wire.COMMANDS.read(command, payload, to_server=answers)
        except CodecError as error:
            if command == TERMINATE:
                return self._ended(TerminateStatus.BAD_MESSAGE, WAIT_S, NO_SUITE, now)
            return self._refuse(_RefusedError(TerminateStatus.BAD_MESSAGE, str(error)))
        if found is None:
            return ()
        if isinstance(found, wire.TerminateByInitiator):
            return self._ended(found.status, found.wait_s, found.suite, now)
        if (command, payload) == self._heard and not self._begins_anew(found):
            return () if self._answer is None else (self._answer,)
        try:
            outcome = self._take(found, now)
        except _RefusedError as refused:
            return self._refuse(refused)
        self._heard = command, payload
        return outcome

    def computed(self, found: Computed, now: float) -> Sequence[Outcome]:
        """What a `Compute` of ours has returned; one that came too late gives nothing."""
        if found.number != self._number or self.step not in (Step.MAKES_EPHEMERAL, Step.DERIVES):
            return ()
        if isinstance(found.result, _RefusedError):
            return self._refuse(found.result)
        assert isinstance(found.result, _Keys)
        self._keys = found.result
        return self._go_on(found.result, now)

    def tick(self, now: float) -> Sequence[Outcome]:
        """What is due by `deadline`; before that nothing."""
        if self.deadline is None or now < self.deadline:
            return ()
        if self.step is Step.DONE:
            self.deadline = None
            self._forget()
            return ()
        waited = self.step.name.lower().replace("_", " ")
        return self._refuse(_RefusedError(TerminateStatus.NO_RESOURCES, f"{waited}, and in vain: it took too long"))

    def abort(
        self, status: TerminateStatus = TerminateStatus.NO_RESOURCES, reason: str = "we have no room for it"
    ) -> Sequence[Outcome]:
        """End it from our side, or refuse it before it begins."""
        return self._refuse(_RefusedError(status, reason))

    # -- what both sides do --------------------------------------------------------------------------------------------

    def _begins_anew(self, found: SeCommand) -> bool:
        return False

    def _take(self, found: SeCommand, now: float) -> Sequence[Outcome]:
        raise NotImplementedError

    def _go_on(self, keys: _Keys, now: float) -> Sequence[Outcome]:
        raise NotImplementedError

    def _refuse(self, refused: _RefusedError) -> Sequence[Outcome]:
        """Tell the other side; one that does not belong to an exchange ends none."""
        send = Send(self.TERMINATED_WITH(refused.status, WAIT_S, self.own.suites))
        if self.step in AT_REST:
            return (send,)
        self._stop(Step.FAILED, None)
        return (
            send,
            Failed(status=refused.status, by_peer=False, wait_s=WAIT_S, reason=refused.reason),
        )

    def _ended(self, status: TerminateStatus, wait_s: int, suites: Suite, now: float) -> Sequence[Outcome]:
        """The other side has ended it: even after our last word, which it may not have believed."""
        late = self.step is Step.DONE and self.deadline is not None and now < self.deadline
        if self.step in AT_REST and not late:
            return ()
        self._stop(Step.FAILED, None)
        reason = f"the other side has ended it: {status.name}"
        return (Failed(status=status, by_peer=True, wait_s=wait_s, suites=suites, reason=reason),)

    def _stop(self, step: Step, deadline: float | None) -> None:
        self._forget()
        self.step, self.deadline = step, deadline

    def _wait(self, step: Step, seconds: float, now: float) -> None:
        self.step, self.deadline = step, now + seconds + SLACK_S

    def _compute(self, step: Step, work: Callable[[], _Keys], now: float) -> Compute:
        ephemeral_s, confirm_s = TIMES_S[self._own().suite]
        self._wait(step, ephemeral_s if step is Step.MAKES_EPHEMERAL else confirm_s, now)
        self._number += 1
        self._answer = None
        return Compute(self._number, work)

    def _send(self, command: SeCommand) -> Send:
        self._answer = Send(command)
        return self._answer

    def _own(self) -> Credentials:
        assert self._credentials is not None
        return self._credentials

    def _accept(self, credentials: Credentials, found: wire.InitiateKeyEstablishmentRequest) -> None:
        """Check the other side's certificate, all but its point."""
        suite = credentials.suite
        try:
            certificate = read_certificate(suite, found.certificate)
        except RangeError as error:
            raise _RefusedError(TerminateStatus.BAD_MESSAGE, str(error)) from None
        try:
            certificate.check()
        except RangeError as error:
            raise self._invalid(suite, str(error)) from None
        if certificate.issuer != credentials.certificate.issuer:
            raise _RefusedError(TerminateStatus.UNKNOWN_ISSUER, f"its certificate is of {certificate.issuer!r}")
        if certificate.subject != self.peer:
            raise self._invalid(suite, f"its certificate is for {certificate.subject}")
        self._credentials, self._certificate = credentials, certificate
        self._times_s = found.ephemeral_data_generate_s, found.confirm_key_generate_s

    def _invalid(self, suite: Suite, reason: str) -> _RefusedError:
        # Suite 2 came with the revision that has the status.
        known = suite == Suite.SECT283K1 or self.own.version >= SeVersion.V1_2
        return _RefusedError(TerminateStatus.INVALID_CERTIFICATE if known else TerminateStatus.BAD_MESSAGE, reason)

    def _initiate(self, kind: type[wire.InitiateKeyEstablishmentRequest], own: Credentials) -> Send:
        return self._send(kind(own.suite, *TIMES_S[own.suite], own.certificate.encode()))

    def _check_point(self, point: bytes) -> None:
        if len(point) != wire.POINT_SIZES[self._own().suite]:
            raise _RefusedError(TerminateStatus.BAD_MESSAGE, f"an ephemeral key of {len(point)} bytes")

    def _make_keys(self) -> Callable[[], _Keys]:
        """Our ephemeral keys, and the public key of the other side's certificate."""
        own, arithmetic, certificate = self._own(), self.own.arithmetic, self._certificate
        seed, invalid = self.own.random(own.curve.seed_size), self._invalid
        assert certificate is not None

        def work() -> _Keys:
            try:
                peer_static = public_key(certificate, own.authority_key, arithmetic)
            except RangeError as error:
                raise invalid(own.suite, str(error)) from None
            return _Keys(KeyPair.make(own.curve.scalar(seed), own.curve.base, arithmetic), peer_static)

        return work

    def _derive(self, made: _Keys | None, make: Callable[[], _Keys] | None) -> Callable[[], _Keys]:
        """The keys that both sides share: of the other side's point and our keys, which are `made` or to be made."""
        own, arithmetic, point = self._own(), self.own.arithmetic, self._peer_ephemeral

        def work() -> _Keys:
            keys = make() if make is not None else made
            assert keys is not None
            try:
                ephemeral = own.curve.read_point(point)
                secret = shared_secret(own.private_key, keys.pair, keys.peer_static, ephemeral, arithmetic)
            except RangeError as error:
                raise _RefusedError(TerminateStatus.BAD_MESSAGE, f"ephemeral key: {error}") from None
            return _Keys(keys.pair, keys.peer_static, derive(secret))

        return work

    def _macs(self, keys: _Keys) -> tuple[bytes, bytes]:
        """MACU and MACV."""
        ours = Party(self.own.ieee, keys.pair.public.encode())
        theirs = Party(self.peer, self._peer_ephemeral)
        u, v = (ours, theirs) if isinstance(self, Initiator) else (theirs, ours)
        assert keys.established is not None
        return keys.established.mac_u(u, v), keys.established.mac_v(u, v)

    def _established(self) -> Established:
        keys = self._keys
        assert keys is not None
        assert keys.established is not None
        return Established(self.peer, self._own().suite, keys.established.link_key, keys.peer_static)


def _out_of_order(found: SeCommand, step: Step) -> _RefusedError:
    return _RefusedError(TerminateStatus.BAD_MESSAGE, f"{type(found).__name__} out of order, in {step.name}")


class Initiator(KeyExchange):
    """The side that begins: a device that has joined. For one exchange."""

    TERMINATED_WITH = wire.TerminateByInitiator

    def start(self, now: float, suites: Suite = Suite.SECT163K1 | Suite.SECT283K1) -> Sequence[Outcome]:
        """Begin, with the best suite of ours that the other side can; `suites` is its attribute 0x0000."""
        if self.step is not Step.IDLE:
            raise ValueError("an exchange is started once")
        usable = [one for one in self.own.credentials if one.suite & suites]
        if not usable:
            self._stop(Step.FAILED, None)
            reason = f"we have no certificate of suites {int(suites):#06x}"
            status = TerminateStatus.UNSUPPORTED_SUITE
            return (Failed(status=status, by_peer=False, wait_s=WAIT_S, suites=suites, reason=reason),)
        self._credentials = max(usable, key=lambda one: one.suite)
        self.step, self.deadline = Step.AWAITS_CERTIFICATE, now + ANSWER_S
        return (Send(self._initiate(wire.InitiateKeyEstablishmentRequest, self._credentials).command),)

    def receive(self, command: int, payload: bytes, now: float) -> Sequence[Outcome]:
        """See `KeyExchange`; a repeated answer is passed over."""
        if (command, payload) == self._heard:
            return ()
        return super().receive(command, payload, now)

    def _take(self, found: SeCommand, now: float) -> Sequence[Outcome]:
        match found:
            case wire.InitiateKeyEstablishmentResponse() if self.step is Step.AWAITS_CERTIFICATE:
                own = self._own()
                if found.suite != own.suite:
                    raise _RefusedError(
                        TerminateStatus.UNSUPPORTED_SUITE, f"it answers with suite {int(found.suite):#06x}"
                    )
                self._accept(own, found)
                return (self._compute(Step.MAKES_EPHEMERAL, self._make_keys(), now),)
            case wire.EphemeralDataResponse(point) if self.step is Step.AWAITS_EPHEMERAL:
                self._check_point(point)
                self._peer_ephemeral = point
                return (self._compute(Step.DERIVES, self._derive(self._keys, None), now),)
            case wire.ConfirmKeyDataResponse(mac) if self.step is Step.AWAITS_CONFIRMATION:
                keys = self._keys
                assert keys is not None
                if not same_mac(mac, self._macs(keys)[1]):
                    raise _RefusedError(TerminateStatus.BAD_KEY_CONFIRM, "its proof is wrong: it has another key")
                done = self._established()
                self._stop(Step.DONE, None)
                return (done,)
        raise _out_of_order(found, self.step)

    def _go_on(self, keys: _Keys, now: float) -> Sequence[Outcome]:
        ephemeral_s, confirm_s = self._times_s
        if self.step is Step.MAKES_EPHEMERAL:
            self._wait(Step.AWAITS_EPHEMERAL, ephemeral_s, now)
            return (self._send(wire.EphemeralDataRequest(keys.pair.public.encode())),)
        self._wait(Step.AWAITS_CONFIRMATION, confirm_s, now)
        return (self._send(wire.ConfirmKeyDataRequest(self._macs(keys)[0])),)


class Responder(KeyExchange):
    """The side that answers: the trust centre. For one device, as often as it asks."""

    TERMINATED_WITH = wire.TerminateByResponder

    def _begins_anew(self, found: SeCommand) -> bool:
        return isinstance(found, wire.InitiateKeyEstablishmentRequest)

    def _take(self, found: SeCommand, now: float) -> Sequence[Outcome]:
        match found:
            case wire.InitiateKeyEstablishmentRequest():
                return self._begin(found, now)
            case wire.EphemeralDataRequest(point) if self.step is Step.AWAITS_EPHEMERAL:
                self._check_point(point)
                self._peer_ephemeral = point
                return (self._compute(Step.DERIVES, self._derive(None, self._make_keys()), now),)
            case wire.ConfirmKeyDataRequest(mac) if self.step is Step.AWAITS_CONFIRMATION:
                keys = self._keys
                assert keys is not None
                ours, theirs = self._macs(keys)[::-1]
                if not same_mac(mac, theirs):
                    raise _RefusedError(TerminateStatus.BAD_KEY_CONFIRM, "its proof is wrong: it has another key")
                done = self._established()
                # What is needed for a repeated question is kept for a while, the keys are not.
                self._keys = None
                # Longer than the initiator waits for it: when it gives up, its Terminate shall still be heard.
                self._wait(Step.DONE, TIMES_S[self._own().suite][1] + SLACK_S, now)
                return self._send(wire.ConfirmKeyDataResponse(ours)), done
        raise _out_of_order(found, self.step)

    def _begin(self, found: wire.InitiateKeyEstablishmentRequest, now: float) -> Sequence[Outcome]:
        self._stop(Step.AWAITS_EPHEMERAL, None)
        if int(found.suite).bit_count() != 1:
            raise _RefusedError(TerminateStatus.BAD_MESSAGE, f"suite {int(found.suite):#06x}: one is allowed")
        own = self.own.of(found.suite)
        if own is None:
            raise _RefusedError(TerminateStatus.UNSUPPORTED_SUITE, f"we have no suite {int(found.suite):#06x}")
        self._accept(own, found)
        self._wait(Step.AWAITS_EPHEMERAL, found.ephemeral_data_generate_s, now)
        return (self._initiate(wire.InitiateKeyEstablishmentResponse, own),)

    def _go_on(self, keys: _Keys, now: float) -> Sequence[Outcome]:
        self._wait(Step.AWAITS_CONFIRMATION, self._times_s[1], now)
        return (self._send(wire.EphemeralDataResponse(keys.pair.public.encode())),)

"""Key establishment of an emulated device with a trust centre that leaves it to its host: the device begins.

Four questions of cluster 0x0800 and their answers (Smart Energy profile, annex C): certificates, ephemeral keys, proofs
that both have come to the same key. What is wrong is answered with Terminate; what was ended may be tried again later.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from radios.emulators import sect163k1, zcl
from radios.emulators.air import COORDINATOR, AirFrame
from radios.emulators.attributes import Attribute
from radios.emulators.certificates import CERTIFICATE_SIZE, ISSUER, SUBJECT, Certificate, public_key
from radios.emulators.device import Cluster
from radios.emulators.errors import EmulatorError
from radios.emulators.keyed_hash import keyed_hash, mmo_hash
from radios.emulators.sect163k1 import COFACTOR, COORDINATE_SIZE, ORDER, POINT_SIZE, Point

if TYPE_CHECKING:
    from radios.emulators.se_endpoint import SmartEnergyDevice

SUITE = 1
EPHEMERAL_S, CONFIRM_S = 10, 15
"""What it says that its steps take."""
ANSWER_S = 12.0
"""For an answer, in seconds of the person who looks on: who answers does not live faster than that."""
INITIATE, EPHEMERAL, CONFIRM, TERMINATE = range(4)
UNKNOWN_ISSUER, BAD_KEY_CONFIRM, BAD_MESSAGE, NO_RESOURCES, UNSUPPORTED_SUITE, INVALID_CERTIFICATE = range(1, 7)
REASONS = {
    UNKNOWN_ISSUER: "unknown issuer",
    BAD_KEY_CONFIRM: "bad key confirm",
    BAD_MESSAGE: "bad message",
    NO_RESOURCES: "no resources",
    UNSUPPORTED_SUITE: "unsupported suite",
    INVALID_CERTIFICATE: "invalid certificate",
}
PASSING = (BAD_MESSAGE, NO_RESOURCES)
"""Reasons that may be gone after a while."""
WAIT_S = 5
"""That the other side shall wait before it tries again."""
FROM_INITIATOR, FROM_RESPONDER = b"\x02", b"\x03"
"""What proofs begin with."""
HALF = 1 << 82
"""The lower half of an x has so many bits, for half the length of the order; and one more before them."""


class Step(Enum):
    """What it waits for."""

    REST = "nothing"
    CERTIFICATE = "a certificate"
    POINT = "an ephemeral key"
    PROOF = "a proof"


EXPECTED = {INITIATE: Step.CERTIFICATE, EPHEMERAL: Step.POINT, CONFIRM: Step.PROOF}


class RefusedError(Exception):
    """What came is not as it must be."""

    def __init__(self, reason: int) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Derived:
    """What both sides have in common at last."""

    link_key: bytes
    own_proof: bytes
    proof: bytes
    """Of the other side."""


def half_of(point: Point) -> int:
    """What a point weighs in the sum of two keys (SEC 1, 3.4)."""
    return sect163k1.coordinate(point) % HALF + HALF


def shared_secret(static: int, ephemeral: int, point: Point, peer_static: Point, peer_ephemeral: Point) -> bytes:
    """Elliptic curve MQV (SEC 1, 3.4); `point`: our ephemeral public key. Raises `EmulatorError`."""
    weight = COFACTOR * ((ephemeral + half_of(point) * static) % ORDER)
    theirs = sect163k1.plus(peer_ephemeral, sect163k1.multiple(half_of(peer_ephemeral), peer_static))
    found = sect163k1.coordinate(sect163k1.multiple(weight, theirs))
    return found.to_bytes(COORDINATE_SIZE, "big")


def derive(secret: bytes, initiator: bytes, responder: bytes, point: bytes, peer_point: bytes) -> Derived:
    """Keys and proofs (annex C.4.2); `initiator` and `responder` are addresses, most significant byte first."""
    proof_key, link_key = (mmo_hash(secret + counter.to_bytes(4, "big")) for counter in (1, 2))
    own = keyed_hash(proof_key, FROM_INITIATOR + initiator + responder + point + peer_point)
    return Derived(link_key, own, keyed_hash(proof_key, FROM_RESPONDER + responder + initiator + peer_point + point))


class KeyInitiator:
    """One device's."""

    def __init__(self, device: SmartEnergyDevice) -> None:
        self.device = device
        suite = {0x0000: Attribute(zcl.ENUM16, SUITE)}
        self.server, self.client = Cluster(suite), Cluster(suite, hear=self._hear)
        self.certificate: Certificate | None = None
        self.established = 0
        """How often it has come to a key."""
        self.refusal = ""
        """Why the last exchange ended without one."""
        self._endpoint = 0
        self._tsn = 0
        self._random = Random(device.seed)
        self._timer: asyncio.TimerHandle | None = None
        self.forget()

    @property
    def is_running(self) -> bool:
        """Whether an exchange is under way."""
        return self._step is not Step.REST

    def forget(self) -> None:
        """What is under way is over."""
        self._step = Step.REST
        self._peer_static: Point | None = None
        self._ephemeral, self._point = 0, sect163k1.BASE
        self._derived: Derived | None = None
        self._heard: tuple[int, bytes] | None = None
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def begin(self, endpoint: int) -> None:
        """With the coordinator's endpoint, unless that is under way, or there is no certificate."""
        if self.certificate is None or self.is_running:
            return
        self.forget()
        self._endpoint, self.refusal = endpoint, ""
        head = struct.pack("<HBB", SUITE, EPHEMERAL_S, CONFIRM_S)
        self._ask(INITIATE, head + self.certificate.implicit, Step.CERTIFICATE)

    def _ask(self, command: int, payload: bytes, step: Step) -> None:
        self._tsn = self.device.next_tsn()
        self._say(command, payload)
        self._step = step
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(ANSWER_S, self._in_vain)

    def _say(self, command: int, payload: bytes) -> None:
        body = zcl.frame(self._tsn, command, payload, is_cluster=True, to_client=False)
        self.device.say_keys(body, self._endpoint)

    def _in_vain(self) -> None:
        self._timer = None
        self._end(NO_RESOURCES, WAIT_S)

    def _refuse(self, reason: int) -> None:
        self._say(TERMINATE, struct.pack("<BBH", reason, WAIT_S, SUITE))
        self._end(reason, WAIT_S)

    def _end(self, reason: int, wait_s: int) -> None:
        """Without a key; what may be over by itself is tried again."""
        self.forget()
        self.refusal = REASONS.get(reason, f"reason {reason}")
        self.device.search_no_keys()
        if reason in PASSING:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.device.search_keys_again)

    # -- what comes ----------------------------------------------------------------------------------------------------

    def _hear(self, frame: AirFrame, header: zcl.Header, payload: bytes) -> int | None:
        if not header.is_cluster or frame.source != COORDINATOR or not self.is_running:
            return None
        if header.command == TERMINATE:
            reason, wait_s, _ = struct.unpack_from("<BBH", payload)
            self._end(reason, wait_s)
            return None
        if (header.command, payload) == self._heard:
            return None  # once more
        self._heard = header.command, payload
        try:
            if EXPECTED.get(header.command) is not self._step:
                raise RefusedError(BAD_MESSAGE)
            match header.command:
                case 0x00:
                    self._take_certificate(payload)
                case 0x01:
                    self._take_point(payload)
                case 0x02:
                    self._take_proof(payload)
        except RefusedError as refused:
            self._refuse(refused.reason)
        except EmulatorError:
            self._refuse(BAD_MESSAGE)
        return None

    @property
    def _peer(self) -> bytes:
        air = self.device.air
        assert air is not None
        assert air.coordinator is not None
        return air.coordinator.ieee.to_bytes(8, "big")

    def _own(self) -> Certificate:
        assert self.certificate is not None
        return self.certificate

    def _take_certificate(self, payload: bytes) -> None:
        if len(payload) != 4 + CERTIFICATE_SIZE:
            raise RefusedError(BAD_MESSAGE)
        own, theirs = self._own(), payload[4:]
        if struct.unpack_from("<H", payload)[0] != SUITE:
            raise RefusedError(UNSUPPORTED_SUITE)
        if theirs[ISSUER] != own.implicit[ISSUER]:
            raise RefusedError(UNKNOWN_ISSUER)
        if theirs[SUBJECT] != self._peer:
            raise RefusedError(BAD_MESSAGE)
        self._peer_static = public_key(theirs, own.authority)
        self._ephemeral = self._random.randint(1, ORDER - 1)
        self._point = sect163k1.multiple(self._ephemeral)
        self._ask(EPHEMERAL, sect163k1.written(self._point), Step.POINT)

    def _take_point(self, payload: bytes) -> None:
        if len(payload) != POINT_SIZE:
            raise RefusedError(BAD_MESSAGE)
        peer_static, point = self._peer_static, sect163k1.read(payload)
        assert peer_static is not None
        secret = shared_secret(self._own().private_key, self._ephemeral, self._point, peer_static, point)
        names = self.device.ieee.to_bytes(8, "big"), self._peer
        self._derived = derive(secret, *names, sect163k1.written(self._point), payload)
        self._ask(CONFIRM, self._derived.own_proof, Step.PROOF)

    def _take_proof(self, payload: bytes) -> None:
        found = self._derived
        assert found is not None
        if payload != found.proof:
            raise RefusedError(BAD_KEY_CONFIRM)
        self.forget()
        self.established += 1
        self.device.has_new_key(found.link_key)

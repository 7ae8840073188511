"""One emulated EMCB without its socket: datagram in, answer or silence out.

EMCB chapters 4 and 5, with own encoder and signer. Whatever is not a valid request is dropped in silence and counted.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from struct import Struct
from typing import NamedTuple

from radios.emulators.emcb_evse import NEW_CONFIG_SIZE, Evse
from radios.emulators.emcb_meter import Meter
from radios.emulators.errors import EmulatorError

START_REQUEST, START_RESPONSE = b"ETNM", b"ETNS"
HEADER = Struct("<4sIH")
SIGNATURE_SIZE = 32
KEY_SIZE = 32
MIN_DATAGRAM = HEADER.size + SIGNATURE_SIZE
MAX_DATAGRAM = MIN_DATAGRAM + 1458
PROTOCOL_VERSION = 1
DEVICE_ID_SIZE = 16

SEQUENCE_WINDOW = 100
MASK_32 = 0xFFFFFFFF
NEXT_SEQUENCE_EVERY_S = 2.0
"""EMCB 5.1.1."""
SET_SEQUENCE_EVERY_S = 10.0
"""EMCB 5.5.1: of successes."""
MAX_LED_DURATION_S = 10_737_418
"""EMCB 5.7.2."""

GET_NEXT_SEQUENCE = 0x0000
OPEN, CLOSE, TOGGLE = 0, 1, 2
STATE_OPEN, STATE_CLOSED, STATE_MISMATCH = 0, 1, 2
ACK, NACK = 0, 1
ACK_RATE_LIMITED, ACK_BAD_SEQUENCE = 1, 2

COMMANDS_KEPT = 10_000
"""Newest `commands_applied` of one breaker."""

_U32 = Struct("<I")
_NEXT_SEQUENCE = Struct(f"<I{DEVICE_ID_SIZE}sII")
_LEDS = Struct("<Bi20B")

COUNTED = (
    "received",
    "answered",
    "dropped_off",
    "dropped_source",
    "dropped_length",
    "dropped_start",
    "dropped_code",
    "dropped_size",
    "dropped_signature",
    "dropped_sequence",
    "dropped_rate",
)
"""What a breaker counts of the datagrams that reach it."""


class Signer:
    """HMAC-SHA256 under one key. The two padded key blocks are hashed once and copied for each datagram."""

    __slots__ = ("_inner", "_outer", "key")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise EmulatorError(f"an EMCB key has {KEY_SIZE} bytes, not {len(key)}")
        self.key = key
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in block))
        self._outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in block))

    def sign(self, message: bytes) -> bytes:
        """The 32-byte signature of `message`."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


class AppliedCommand(NamedTuple):
    """One 0x8100 that a breaker accepted and carried out or refused."""

    time_s: float
    action: int
    """As on the wire: 0 open, 1 close, 2 toggle, or whatever else was asked."""
    result: int
    """The ACK of the answer: 0 done."""


@dataclass(frozen=True, slots=True)
class Led:
    """One bargraph LED."""

    red: int
    green: int
    blue: int
    blinking: bool


class Breaker:
    """An EMCB; with an `Evse`, an EV-EMCB."""

    def __init__(
        self,
        *,
        device_id: str,
        load: str,
        keys: Sequence[bytes],
        broadcast_keys: Sequence[bytes],
        meter: Meter,
        clock: Callable[[], float],
        randomness: Random,
        evse: Evse | None = None,
        lockout_s: float = 0.0,
        keep_energies: bool = True,
    ) -> None:
        if len(device_id) != DEVICE_ID_SIZE or not device_id.isascii():
            raise EmulatorError(f"device id {device_id!r}: must be {DEVICE_ID_SIZE} ASCII characters")
        self.device_id = device_id
        self.load = load
        """What is behind it, as `home.LOADS` calls it, or "evse"."""
        self.evse = evse
        self.lockout_s = lockout_s
        """Seconds after a breaker command in which another is refused. The document has none; EMCB-LIB says 10."""
        self.keep_energies = keep_energies
        """Chosen: energies outlive a reboot unless told otherwise. No document says."""
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
        self.is_on = True
        self.expected = 0
        """The sequence number it expects next."""
        self._meter = meter
        self._clock = clock
        self._random = randomness
        self._signers: tuple[Signer, ...] = ()
        self._broadcast_signers: tuple[Signer, ...] = ()
        self.set_keys(keys)
        self.set_broadcast_keys(broadcast_keys)
        self._commanded = True
        self._contacts = True
        self._stuck = False
        self._leds: tuple[Led, ...] = ()
        self._leds_until: float | None = None
        self._next_sequence_at: float | None = None
        self._set_sequence_at: float | None = None
        self._command_at: float | None = None
        self._applied: deque[AppliedCommand] = deque(maxlen=COMMANDS_KEPT)
        self._messages: dict[int, tuple[int, Callable[[bytes, float], bytes]]] = {
            0x00FF: (0, self._get_status),
            0x0100: (0, self._get_handle_position),
            0x0200: (0, self._get_meter),
            0x8000: (_U32.size, self._set_next_sequence),
            0x8100: (1, self._set_handle_position),
            0x8300: (_LEDS.size, self._set_leds),
        }
        if evse is not None:
            self._messages |= {
                0x1100: (0, lambda _, now: evse.applied_settings(now)),
                0x1200: (0, lambda _, now: evse.charging_state(now)),
                0x1300: (0, lambda *_: evse.configuration()),
                0x9300: (NEW_CONFIG_SIZE, lambda data, now: bytes((ACK if evse.configure(now, data) else NACK,))),
            }
        # An answer to each code, with the size that the whole request must have.
        self._sizes = {code: MIN_DATAGRAM + size for code, (size, _) in self._messages.items()}
        self._sizes[GET_NEXT_SEQUENCE] = MIN_DATAGRAM + _U32.size
        self._boot(clock())

    # -- what one sees at the breaker, and does to it ------------------------------------------------------------

    @property
    def key(self) -> bytes:
        """The unicast key, the first one if there are several."""
        return self._signers[0].key

    @property
    def keys(self) -> tuple[bytes, ...]:
        """All unicast keys that it accepts."""
        return tuple(signer.key for signer in self._signers)

    def set_key(self, key: bytes) -> None:
        """From now on only this unicast key is accepted."""
        self.set_keys((key,))

    def set_keys(self, keys: Sequence[bytes]) -> None:
        """From now on these unicast keys are accepted; an answer is signed with its request's key."""
        self._signers = _signers(keys)

    def set_broadcast_keys(self, keys: Sequence[bytes]) -> None:
        """From now on these broadcast keys are accepted."""
        self._broadcast_signers = _signers(keys)

    @property
    def state(self) -> int:
        """Feedback state: 0 open, 1 closed, 2 the contacts are not where the last command put them."""
        if self._commanded != self._contacts:
            return STATE_MISMATCH
        return STATE_CLOSED if self._contacts else STATE_OPEN

    @property
    def contacts_closed(self) -> bool:
        """Where the contacts really are."""
        return self._contacts

    @property
    def commands_applied(self) -> list[AppliedCommand]:
        """Each 0x8100 that was accepted, oldest first."""
        return list(self._applied)

    @property
    def leds(self) -> tuple[Led, ...]:
        """The five user-defined LEDs; empty in normal operation."""
        if self._leds_until is not None and self._clock() >= self._leds_until:
            self._leds, self._leds_until = (), None
        return self._leds

    def set_state_by_hand(self, *, closed: bool) -> None:
        """Somebody operates the breaker. Chosen: it takes that position for commanded, so it reports open or closed."""
        self._move(self._clock(), closed)
        self._commanded = self._contacts

    def trip(self) -> None:
        """Overload: the contacts open by themselves while the last command was another: feedback mismatch."""
        self._move(self._clock(), False)

    def set_mismatch(self, stuck: bool = True) -> None:
        """The contacts stick where they are, against what was commanded last; or come free and follow it."""
        if stuck:
            self._stuck = True
            self._commanded = not self._contacts
        else:
            self._stuck = False
            self._move(self._clock(), self._commanded)

    def set_line(self, *, live: bool) -> None:
        """The line side gained or lost its voltage; the breaker itself goes on."""
        self._meter.set_line(self._clock(), live=live)

    def reboot(self) -> None:
        """A power cycle of no length: a new random sequence number, update number 0, normal LEDs, limits forgotten."""
        now = self._clock()
        self._catch_up(now)
        self._boot(now)

    def power_off(self) -> None:
        """It answers nothing any more. Chosen: the contacts stay where they are, and what flows is not metered."""
        if self.is_on:
            self._catch_up(self._clock())
            self.is_on = False

    def power_on(self) -> None:
        """It boots."""
        if not self.is_on:
            self.is_on = True
            self._boot(self._clock())

    def _boot(self, now: float) -> None:
        self.expected = self._random.getrandbits(32)
        self._leds, self._leds_until = (), None
        self._next_sequence_at = self._set_sequence_at = self._command_at = None
        self._commanded = not self._contacts if self._stuck else self._contacts
        self._meter.boot(now, keep_energies=self.keep_energies)

    def _move(self, now: float, closed: bool) -> None:
        if self._contacts != closed and not self._stuck:
            self._catch_up(now)
            self._contacts = closed
            self._meter.set_contacts(now, closed=closed)
            if self.evse is not None:
                self.evse.contacts_closed = closed

    def _catch_up(self, now: float) -> None:
        """Let everything that happened by itself have happened."""
        if self.evse is not None and (due := self.evse.due(now)) is not None:
            self._meter.advance(due)
            self.evse.apply()
        if self.is_on:
            self._meter.advance(now)

    # -- datagrams -----------------------------------------------------------------------------------------------

    def receive(self, datagram: bytes, *, broadcast: bool) -> bytes | None:
        """The answer to one datagram, or None for silence. `broadcast`: it came to the broadcast address."""
        counters = self.counters
        counters["received"] += 1
        if not self.is_on:
            return self._drop("off")
        size = len(datagram)
        if not MIN_DATAGRAM <= size <= MAX_DATAGRAM:
            return self._drop("length")
        start, sequence, code = HEADER.unpack_from(datagram)
        if start != START_REQUEST:
            return self._drop("start")
        expected_size = self._sizes.get(code)
        if expected_size is None:
            return self._drop("code")
        if size != expected_size:
            return self._drop("size")
        body, signature = datagram[:-SIGNATURE_SIZE], datagram[-SIGNATURE_SIZE:]
        for signer in self._broadcast_signers if broadcast else self._signers:
            if hmac.compare_digest(signer.sign(body), signature):
                break
        else:
            return self._drop("signature")
        now = self._clock()
        if code == GET_NEXT_SEQUENCE:
            data = self._get_next_sequence(sequence, body[HEADER.size :], now)
            if data is None:
                return None
        else:
            if (sequence - self.expected) & MASK_32 >= SEQUENCE_WINDOW:
                return self._drop("sequence")
            # Chosen: a command that is refused has used its number up all the same, or it could be replayed.
            self.expected = (sequence + 1) & MASK_32
            if self.evse is not None:
                self._catch_up(now)
            data = self._messages[code][1](body[HEADER.size :], now)
        answer = HEADER.pack(START_RESPONSE, sequence, code) + data
        counters["answered"] += 1
        return answer + signer.sign(answer)

    def _drop(self, reason: str) -> bytes | None:
        self.counters["dropped_" + reason] += 1
        return None

    def _get_next_sequence(self, sequence: int, nonce: bytes, now: float) -> bytes | None:
        # Chosen: sequence number 0 is always a question of a stranger, even when 0 is in the window: it moves nothing.
        if sequence != 0 and (sequence - self.expected) & MASK_32 >= SEQUENCE_WINDOW:
            return self._drop("sequence")
        # Chosen: one limit for all askers, by unicast and by broadcast; a question that hits it uses no number up.
        if self._next_sequence_at is not None and now - self._next_sequence_at < NEXT_SEQUENCE_EVERY_S:
            return self._drop("rate")
        self._next_sequence_at = now
        if sequence != 0:
            self.expected = (sequence + 1) & MASK_32
        (number,) = _U32.unpack(nonce)
        return _NEXT_SEQUENCE.pack(self.expected, self.device_id.encode("ascii"), PROTOCOL_VERSION, number)

    def _get_status(self, _data: bytes, now: float) -> bytes:
        return bytes((self.state,)) + self._meter.record(now)

    def _get_handle_position(self, _data: bytes, _now: float) -> bytes:
        return bytes((self.state,))

    def _get_meter(self, _data: bytes, now: float) -> bytes:
        return self._meter.record(now)

    def _set_next_sequence(self, data: bytes, now: float) -> bytes:
        # Chosen: the limit is checked before the value; both count from after this command's own number.
        if self._set_sequence_at is not None and now - self._set_sequence_at < SET_SEQUENCE_EVERY_S:
            return bytes((ACK_RATE_LIMITED,))
        (value,) = _U32.unpack(data)
        if (value - self.expected + SEQUENCE_WINDOW) & MASK_32 < 2 * SEQUENCE_WINDOW:
            return bytes((ACK_BAD_SEQUENCE,))
        self._set_sequence_at = now
        self.expected = value
        return bytes((ACK,))

    def _set_handle_position(self, data: bytes, now: float) -> bytes:
        action = data[0]
        result = self._command(action, now)
        self._applied.append(AppliedCommand(now, action, result))
        return bytes((result, self.state))

    def _command(self, action: int, now: float) -> int:
        if action not in (OPEN, CLOSE, TOGGLE):
            return NACK
        if self._command_at is not None and now - self._command_at < self.lockout_s:
            return NACK
        self._command_at = now
        wanted = not self._contacts if action == TOGGLE else action == CLOSE
        self._commanded = wanted
        self._move(now, wanted)
        return ACK if self._contacts == wanted else NACK

    def _set_leds(self, data: bytes, now: float) -> bytes:
        enabled, duration_s, *values = _LEDS.unpack(data)
        if enabled == 0:
            self._leds, self._leds_until = (), None
            return bytes((ACK,))
        # Chosen: values that the document does not list (enabled, blinking above 1) are refused.
        blinking = values[3::4]
        if enabled != 1 or duration_s > MAX_LED_DURATION_S or max(blinking) > 1:
            return bytes((NACK,))
        colours = zip(values[0::4], values[1::4], values[2::4], blinking, strict=True)
        self._leds = tuple(Led(red, green, blue, bool(blink)) for red, green, blue, blink in colours)
        self._leds_until = now + duration_s if duration_s > 0 else None
        return bytes((ACK,))


def _signers(keys: Sequence[bytes]) -> tuple[Signer, ...]:
    if not keys:
        raise EmulatorError("a breaker needs at least one key")
    return tuple(Signer(key) for key in keys)

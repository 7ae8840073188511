"""Commands to smart breakers, from intent to an honest outcome. What breakers say by themselves is `hub.breaker_watch`.

A command goes intent, command, confirm. The intent is on disk before anything is sent. Then:

- the breaker acknowledged and its contacts are where they should be: CONFIRMED;
- it answered otherwise: REFUSED, or UNKNOWN when its contacts are not where they should be although it acknowledged;
- it did not answer: its position is read. Where it should be: CONFIRMED. Still where it was: the command was lost, and
  since a later request was answered it cannot arrive any more, so OPEN and CLOSE are sent again; a TOGGLE never is;
- not even the read was answered: UNKNOWN. A timed-out write is not a failed one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from hub.breaker_watch import DEVICE_PREFIX, BreakerWatch, position_of
from hub.bus import Bus
from hub.clock import Clock
from hub.config import RadioSection
from hub.devices import Devices
from hub.errors import (
    InvalidError,
    RefusedError,
    StorageError,
    UnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from hub.events import CommandChanged
from hub.history import History
from hub.metering import Metering
from hub.model import (
    Action,
    Availability,
    Capability,
    Command,
    Device,
    Outcome,
    Position,
)
from protocols.emcb import LED_COUNT, MAX_LED_DURATION_S, Ack, HandleAction, Led
from radios.api import (
    BreakerAck,
    BreakerEvent,
    BreakerRadio,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
)

log = logging.getLogger(__name__)

MOVE_ATTEMPTS = 3
"""Times that OPEN or CLOSE is sent when the breaker answers reads but not the command: at 20 % loss each way one
command in a hundred is lost three times."""
WAITING_COMMANDS = 4
"""Commands that may wait for one breaker: with its lockout of 10 s more would move it when nobody remembers why."""

_WANTED = {Action.OPEN: Position.OPEN, Action.CLOSE: Position.CLOSED}
_HANDLE = {Position.OPEN: HandleAction.OPEN, Position.CLOSED: HandleAction.CLOSE}


@dataclass(frozen=True, slots=True)
class LedPattern:
    """Five bargraph colours, the one nearest the status LED first, for `duration_s` (0: until told otherwise)."""

    leds: tuple[Led, ...]
    duration_s: int = 0

    def __post_init__(self) -> None:
        if len(self.leds) != LED_COUNT:
            raise InvalidError("leds", f"{len(self.leds)} colours", f"exactly {LED_COUNT}")
        if not 0 <= self.duration_s <= MAX_LED_DURATION_S:
            raise InvalidError("duration_s", self.duration_s, f"0 (for ever) to {MAX_LED_DURATION_S}")


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a command ended."""

    outcome: Outcome
    detail: str
    position: Position | None = None
    sent: bool = True


Ended = tuple[Command, bool]
"""A finished command, and whether anything was sent for it."""


class _Slot:
    """What is kept of one breaker between commands."""

    __slots__ = ("commanded_at", "lock", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0
        self.commanded_at: float | None = None
        """Monotonic seconds of the last command that may have reached it."""


class BreakerService:
    """All breakers of all radios."""

    def __init__(
        self,
        sections: tuple[RadioSection, ...],
        devices: Devices,
        metering: Metering,
        history: History,
        bus: Bus,
        clock: Clock,
        key_detail: Callable[[str, str], tuple[Availability, str] | None],
        spawn: Callable[[Coroutine[None, None, Ended]], asyncio.Task[Ended | Exception]],
    ) -> None:
        """`key_detail(radio, emcb id)` says when a breaker's key is known to be expired.

        `spawn` runs a command to its end although its caller may go away.
        """
        self._sections = {section.name: section for section in sections}
        self._devices, self._history = devices, history
        self._bus, self._clock = bus, clock
        self._spawn = spawn
        self._watch = BreakerWatch(sections, devices, metering, bus, clock, key_detail, self._is_moving)
        self._radios: dict[str, BreakerRadio] = {}
        self._slots: dict[str, _Slot] = {}
        self._pending: dict[str, Command] = {}

    # -- radios --------------------------------------------------------------------------------------------------

    def radio_up(self, name: str, radio: BreakerRadio) -> None:
        """A radio is there; its events follow."""
        self._radios[name] = radio

    def radio_down(self, name: str, detail: str) -> None:
        """A radio is gone: its breakers cannot be reached."""
        self._radios.pop(name, None)
        self._watch.radio_down(name, detail)

    def hear(self, radio: str, event: BreakerEvent) -> None:
        """An event of a radio."""
        self._watch.hear(radio, event)

    async def resume(self) -> None:
        """After a start: a command that was under way when the hub stopped has an unknown outcome."""
        for command in await self._history.unfinished():
            await self._finish(
                command, _Ending(Outcome.UNKNOWN, "the hub stopped before the outcome was known; look at the breaker")
            )

    def pending(self) -> list[Command]:
        """Commands under way."""
        return list(self._pending.values())

    # -- commands ------------------------------------------------------------------------------------------------

    async def move(self, device_id: str, action: Action, requested_by: str) -> Command:
        """Open, close or toggle one breaker; returns the confirmed command.

        Raises `RefusedError`, `UnknownOutcomeError` (both with the command), `UnavailableError`, `UnsupportedError`,
        `NotFoundError`, or `StorageError` when the intent cannot be recorded; then nothing is sent.
        """
        device = self._breaker(device_id)
        if action is Action.OPEN and device.protected:
            raise RefusedError(f"{device.name} is protected: it is never opened from here; remove the protection first")
        slot = self._slot(device_id)
        if slot.waiting >= WAITING_COMMANDS:
            raise RefusedError(f"{device.name}: {slot.waiting} commands are waiting already")
        slot.waiting += 1
        try:
            result = await asyncio.shield(self._spawn(self._move(device, slot, action, requested_by)))
            if isinstance(result, Exception):
                raise result
            return _or_raise(result)
        finally:
            slot.waiting -= 1

    async def move_group(
        self, device_ids: tuple[str, ...] | None, action: Action, requested_by: str
    ) -> tuple[Command, ...]:
        """Open or close several breakers, or all (None). Returns every command with its own outcome.

        All breakers of a radio are moved by one broadcast where that is possible, and those that did not answer it are
        then dealt with one by one. Fewer than all never are: a broadcast acts on everybody who holds the key.
        """
        if action not in _WANTED:
            raise InvalidError("action", action.value, "open or close")
        if device_ids is None:
            targets = [device for device in self._devices.all() if Capability.BREAKER in device.capabilities]
        else:
            targets = [self._breaker(device_id) for device_id in dict.fromkeys(device_ids)]
        if not targets:
            raise InvalidError(
                "breakers", "an empty list" if device_ids is not None else "all", "at least one known breaker"
            )
        by_radio: dict[str, list[Device]] = {}
        for device in targets:
            by_radio.setdefault(device.radio, []).append(device)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._move_some(radio, members, action, requested_by))
                for radio, members in by_radio.items()
            ]
        by_device = {command.device_id: command for task in tasks for command in task.result()}
        return tuple(by_device[device.id] for device in targets)

    async def set_leds(self, device_id: str, pattern: LedPattern | None, requested_by: str) -> Command:
        """Show colours on a breaker's bargraph, or let it resume its normal operation (None)."""
        device = self._breaker(device_id)
        if Capability.LEDS not in device.capabilities:
            raise UnsupportedError(f"{device.name} has no LEDs")
        radio = self._radio(device)
        command = await self._record(device, Action.LED, requested_by)
        try:
            ack = await radio.set_leds(
                _emcb_id(device), pattern.leds if pattern else None, pattern.duration_s if pattern else 0
            )
        except NoReplyError:
            ending = _Ending(Outcome.UNKNOWN, "the breaker did not answer; whether it shows the colours is unknown")
        except NotReachableError as error:
            ending = _Ending(Outcome.REFUSED, f"nothing was sent: {error}", sent=False)
        else:
            if ack is Ack.ACKNOWLEDGE:
                ending = _Ending(Outcome.CONFIRMED, "")
            else:
                ending = _Ending(Outcome.REFUSED, f"the breaker answered {ack.name.lower()} ({ack.value})")
        return _or_raise((await self._finish(command, ending), ending.sent))

    async def _move(self, device: Device, slot: _Slot, action: Action, requested_by: str) -> Ended:
        """One command from intent to outcome; with it whether anything was sent."""
        self._radio(device)
        async with slot.lock:
            command = await self._record(device, action, requested_by)
            ending = await self._execute(command, slot, read_first=False)
            return await self._finish(command, ending), ending.sent

    async def _move_some(
        self, radio_name: str, members: list[Device], action: Action, requested_by: str
    ) -> list[Command]:
        """Move several breakers of one radio: by broadcast when they are all it has, else one by one."""
        async with AsyncExitStack() as stack:
            for device in sorted(members, key=lambda device: device.id):
                await stack.enter_async_context(self._slot(device.id).lock)
            commands = {device.id: await self._record(device, action, requested_by) for device in members}
            finished: dict[str, Command] = {}
            for device in members:
                refusal = self._group_refusal(device, action)
                if refusal is not None:
                    finished[device.id] = await self._finish(commands[device.id], refusal)
            remaining = [device for device in members if device.id not in finished]
            answers: Mapping[str, BreakerAck | None] | None = None
            if len(remaining) > 1:
                answers = await self._broadcast(radio_name, remaining, action, commands)
            async with asyncio.TaskGroup() as group:
                tasks = {
                    device.id: group.create_task(
                        self._settle(commands[device.id], (answers or {}).get(_emcb_id(device)), answers is not None)
                    )
                    for device in remaining
                }
            finished.update({device_id: task.result() for device_id, task in tasks.items()})
            return [finished[device.id] for device in members]

    def _group_refusal(self, device: Device, action: Action) -> _Ending | None:
        if action is Action.OPEN and device.protected:
            return _Ending(Outcome.REFUSED, "protected: it is never opened from here", sent=False)
        if device.radio not in self._radios:
            return _Ending(Outcome.REFUSED, f"nothing was sent: radio {device.radio} is down", sent=False)
        return None

    async def _broadcast(
        self, radio_name: str, members: list[Device], action: Action, commands: Mapping[str, Command]
    ) -> Mapping[str, BreakerAck | None] | None:
        """Send one command to all breakers of a radio; None when that is not possible and nothing was sent."""
        if not self._may_broadcast(radio_name, members, action):
            return None
        slots = [self._slot(device.id) for device in members]
        lockout = self._sections[radio_name].command_lockout_s
        wait = max(self._lockout_left(slot, lockout) for slot in slots)
        if wait > 0:
            for device in members:
                self._publish(_waiting(commands[device.id], wait))
            await asyncio.sleep(wait)
            if not self._may_broadcast(radio_name, members, action):
                return None  # a breaker was found, or protected, meanwhile
        wanted = _WANTED[action]
        try:
            answers = await self._radios[radio_name].move_all(_HANDLE[wanted])
        except (NotSupportedError, KeyError) as error:
            log.info("%s: no broadcast, one by one instead: %s", radio_name, error)
            return None
        for device, slot in zip(members, slots, strict=True):
            slot.commanded_at = self._clock.monotonic()
            self._watch.commanded(device.id, wanted)
        return answers

    def _may_broadcast(self, radio_name: str, members: list[Device], action: Action) -> bool:
        """Whether `members` are all that the radio has, and none of them is protected from this."""
        everybody = {device.id: device for device in self._devices.all() if device.radio == radio_name}
        protected = action is Action.OPEN and any(device.protected for device in everybody.values())
        return everybody.keys() == {device.id for device in members} and not protected

    async def _settle(self, command: Command, answer: BreakerAck | None, was_broadcast: bool) -> Command:
        """Find out what became of one member of a group, and repair it if it did not hear."""
        slot = self._slot(command.device_id)
        device = self._devices.get(command.device_id)
        if was_broadcast and answer is not None:
            ending = await self._judge(device, answer, _WANTED[command.action])
            if ending.outcome is Outcome.CONFIRMED:
                # Answers to a broadcast carry the shared key only: believe the breaker's own.
                ending = await self._read_back(device, _WANTED[command.action], ending)
        else:
            ending = await self._execute(command, slot, read_first=was_broadcast)
        return await self._finish(command, ending)

    async def _execute(self, command: Command, slot: _Slot, *, read_first: bool) -> _Ending:
        """Send a command and follow it up. The caller holds the breaker's lock and has recorded the intent."""
        device = self._devices.get(command.device_id)
        radio = self._radios.get(device.radio)
        if radio is None:
            return _Ending(Outcome.REFUSED, f"nothing was sent: radio {device.radio} is down", sent=False)
        emcb_id = _emcb_id(device)
        try:
            if command.action is Action.TOGGLE:
                wanted = _inverse(position_of(await radio.position(emcb_id)))
                if wanted is None:
                    detail = "toggle needs a known position, and the feedback is a mismatch: open or close it instead"
                    return _Ending(Outcome.REFUSED, detail, Position.MISMATCH, sent=False)
            else:
                wanted = _WANTED[command.action]
            if read_first and position_of(await radio.position(emcb_id)) is wanted:
                self._watch.observe(device.id, wanted)
                return _Ending(Outcome.CONFIRMED, "its answer to the broadcast was lost", wanted)
        except (NoReplyError, NotReachableError) as error:
            return _Ending(
                Outcome.UNKNOWN if read_first else Outcome.REFUSED,
                f"its position could not be read: {error}" + ("" if read_first else "; nothing was sent"),
                sent=read_first,
            )
        attempts = 1 if command.action is Action.TOGGLE else MOVE_ATTEMPTS
        for attempt in range(1, attempts + 1):
            await self._wait_for_lockout(command, device, slot, repeat=attempt > 1)
            ending = await self._attempt(radio, device, slot, wanted)
            if ending is not None:
                return ending
        times = "once" if attempts == 1 else f"{attempts} times"
        detail = f"the command was sent {times} and never answered, and the contacts did not move"
        return _Ending(Outcome.REFUSED, detail, _inverse(wanted))

    async def _attempt(self, radio: BreakerRadio, device: Device, slot: _Slot, wanted: Position) -> _Ending | None:
        """Send once; None when the command was certainly lost, so that it may be sent again."""
        emcb_id = _emcb_id(device)
        if wanted is Position.OPEN and self._devices.get(device.id).protected:  # perhaps since the command was given
            return _Ending(Outcome.REFUSED, "protected: it is never opened from here", sent=False)
        self._watch.commanded(device.id, wanted)
        try:
            answer = await radio.move(emcb_id, _HANDLE[wanted])
        except NotReachableError as error:
            self._watch.settled(device.id)
            return _Ending(Outcome.REFUSED, f"nothing was sent: {error}", sent=False)
        except NoReplyError:
            try:
                position = position_of(await radio.position(emcb_id))
            except (NoReplyError, NotReachableError):
                slot.commanded_at = self._clock.monotonic()
                detail = "the command was sent, but the breaker answers nothing; nobody knows whether it moved"
                return _Ending(Outcome.UNKNOWN, detail)
            self._watch.observe(device.id, position)
            if position is wanted:
                slot.commanded_at = self._clock.monotonic()
                return _Ending(Outcome.CONFIRMED, "its answer was lost; its position was read back", position)
            if position is not _inverse(wanted):
                slot.commanded_at = self._clock.monotonic()
                return _Ending(
                    Outcome.UNKNOWN, "feedback mismatch: the contacts are not where they should be", position
                )
            return None
        slot.commanded_at = self._clock.monotonic()
        return await self._judge(device, answer, wanted)

    async def _judge(self, device: Device, answer: BreakerAck, wanted: Position) -> _Ending:
        """What a breaker's own answer to a command means."""
        position = position_of(answer.position)
        self._watch.observe(device.id, position)
        if answer.ack is not Ack.ACKNOWLEDGE:
            detail = f"the breaker refused ({answer.ack.value}); its contacts are {position.value}"
            return _Ending(Outcome.REFUSED, detail, position)
        if position is wanted:
            return _Ending(Outcome.CONFIRMED, "", position)
        return await self._read_back(device, wanted, None)

    async def _read_back(self, device: Device, wanted: Position, unread: _Ending | None) -> _Ending:
        """Read the position once more and decide. `unread`: how it ends if the breaker does not answer that."""
        radio = self._radios.get(device.radio)
        try:
            if radio is None:
                raise NotReachableError(f"radio {device.radio} is down")
            position = position_of(await radio.position(_emcb_id(device)))
        except (NoReplyError, NotReachableError):
            return unread or _Ending(Outcome.UNKNOWN, "acknowledged, but the contacts did not follow", None)
        self._watch.observe(device.id, position)
        if position is wanted:
            return _Ending(Outcome.CONFIRMED, "", position)
        what = "feedback mismatch" if position is Position.MISMATCH else f"the contacts are {position.value}"
        return _Ending(Outcome.UNKNOWN, f"acknowledged, but {what}; look at the breaker", position)

    async def _wait_for_lockout(self, command: Command, device: Device, slot: _Slot, *, repeat: bool) -> None:
        wait = self._lockout_left(slot, self._sections[device.radio].command_lockout_s)
        if wait <= 0 or repeat:
            return
        self._publish(_waiting(command, wait))
        await asyncio.sleep(wait)

    def _lockout_left(self, slot: _Slot, lockout_s: float) -> float:
        if slot.commanded_at is None:
            return 0.0
        return slot.commanded_at + lockout_s - self._clock.monotonic()

    # -- records -------------------------------------------------------------------------------------------------

    async def _record(self, device: Device, action: Action, requested_by: str) -> Command:
        """Put the intent on disk. Raises `StorageError`; then nothing may be sent."""
        command = await self._history.begin_command(device.id, action, requested_by)
        self._publish(command)
        return command

    async def _finish(self, command: Command, ending: _Ending) -> Command:
        finished = replace(
            command,
            outcome=ending.outcome,
            detail=ending.detail,
            position=ending.position,
            finished_at=self._clock.now(),
        )
        try:
            await self._history.finish_command(finished)
        except StorageError as error:
            # The intent is on disk; the breaker has done what it has done, and the caller must hear of it.
            log.error("%s: the outcome of %s cannot be recorded: %s", finished.device_id, finished.id, error)
        self._publish(finished)
        log.info(
            "%s: %s asked by %s: %s %s",
            finished.device_id, finished.action.value, finished.requested_by, finished.outcome.value, finished.detail,
        )  # fmt: skip
        if ending.outcome in (Outcome.CONFIRMED, Outcome.REFUSED):
            self._watch.settled(command.device_id)
        return finished

    def _publish(self, command: Command) -> None:
        if command.outcome is Outcome.PENDING:
            self._pending[command.id] = command
        else:
            self._pending.pop(command.id, None)
        self._bus.publish(CommandChanged(self._clock.now(), command))

    def _breaker(self, device_id: str) -> Device:
        device = self._devices.get(device_id)
        if Capability.BREAKER not in device.capabilities:
            raise UnsupportedError(f"{device.name} is not a breaker")
        return device

    def _radio(self, device: Device) -> BreakerRadio:
        radio = self._radios.get(device.radio)
        if radio is None:
            raise UnavailableError(f"{device.name}: its radio {device.radio!r} is down")
        return radio

    def _is_moving(self, device_id: str) -> bool:
        slot = self._slots.get(device_id)
        return slot is not None and slot.lock.locked()

    def _slot(self, device_id: str) -> _Slot:
        return self._slots.setdefault(device_id, _Slot())


def _waiting(command: Command, seconds: float) -> Command:
    return replace(command, detail=f"waiting {seconds:.0f} s: a breaker refuses commands that follow too closely")


def _or_raise(result: Ended) -> Command:
    command, sent = result
    if command.outcome is Outcome.CONFIRMED:
        return command
    if command.outcome is Outcome.UNKNOWN:
        raise UnknownOutcomeError(command.detail, (command,))
    if not sent and command.detail.startswith("nothing was sent"):
        raise UnavailableError(command.detail)
    raise RefusedError(command.detail, (command,))


def _emcb_id(device: Device) -> str:
    return device.id.removeprefix(DEVICE_PREFIX)


def _inverse(position: Position) -> Position | None:
    return {Position.OPEN: Position.CLOSED, Position.CLOSED: Position.OPEN}.get(position)

"""Commands from intent to outcome, over real UDP: nothing moves by accident, and no outcome is guessed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hub.breakers import LedPattern
from hub.errors import (
    ConfigError,
    InvalidError,
    NotFoundError,
    RefusedError,
    StorageError,
    UnavailableError,
    UnknownOutcomeError,
)
from hub.events import BreakerChanged, CommandChanged, HubEvent
from hub.hub import Hub
from hub.model import Action, Availability, ChangeCause, Channel, Outcome, Position, Quantity
from protocols.emcb import Led
from radios.api import BreakerSeen
from radios.emulators.emcb import EmcbConfig, EmcbEmulator, EmulatedBreaker
from tests.hub.conftest import home, hub_config, running_hub
from tests.hub.waiting import eventually


def device_id(breaker: EmulatedBreaker) -> str:
    return f"emcb-{breaker.device_id}"


def actions(breaker: EmulatedBreaker) -> list[int]:
    return [command.action for command in breaker.commands_applied]


async def test_open_and_close_are_confirmed_by_the_breaker_itself(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[0]
        for action, state, position in ((Action.OPEN, 0, Position.OPEN), (Action.CLOSE, 1, Position.CLOSED)):
            command = await hub.breakers.move(device_id(breaker), action, "test")
            assert (command.outcome, command.position, command.requested_by) == (Outcome.CONFIRMED, position, "test")
            assert breaker.state == state
            device = hub.devices.get(device_id(breaker))
            assert device.breaker is not None
            assert (device.breaker.position, device.breaker.commanded) == (position, position)
            assert device.breaker.cause is ChangeCause.COMMAND
        assert actions(breaker) == [0, 1]
        assert [command.outcome for command in await hub.history.commands(device_id(breaker))] == [
            Outcome.CONFIRMED
        ] * 2


async def test_the_intent_is_on_disk_before_anything_is_sent(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[0]
        recorded: list[int] = []
        begin = hub.history.begin_command

        async def watch(*arguments: object) -> object:
            command = await begin(*arguments)  # type: ignore[arg-type]
            assert actions(breaker) == []
            recorded.append(len(await hub.history.unfinished()))
            return command

        hub.history.begin_command = watch  # type: ignore[method-assign, assignment]
        await hub.breakers.move(device_id(breaker), Action.OPEN, "test")
        assert recorded == [1]


async def test_nothing_is_sent_when_the_intent_cannot_be_recorded(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):

        async def full(*_: object) -> None:
            raise StorageError("the disk is full")

        hub.store.write = full  # type: ignore[method-assign, assignment]
        for action in (Action.OPEN, Action.TOGGLE):
            with pytest.raises(StorageError):
                await hub.breakers.move(device_id(emulator.breakers[0]), action, "test")
        assert actions(emulator.breakers[0]) == []


async def test_a_toggle_is_sent_once_and_says_what_it_meant(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[0]
        command = await hub.breakers.move(device_id(breaker), Action.TOGGLE, "test")
        assert (command.outcome, command.position) == (Outcome.CONFIRMED, Position.OPEN)
        assert len(actions(breaker)) == 1


async def test_a_toggle_whose_answers_are_lost_moves_once_and_is_unknown(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[0]
        position = hub.breakers._radios["breakers"].position

        async def then_mute(emcb_id: str) -> object:
            found = await position(emcb_id)
            breaker.muted = True  # it goes on to hear and to obey
            return found

        hub.breakers._radios["breakers"].position = then_mute  # type: ignore[method-assign, assignment]
        with pytest.raises(UnknownOutcomeError, match="nobody knows whether it moved") as caught:
            await hub.breakers.move(device_id(breaker), Action.TOGGLE, "test")
        assert caught.value.commands[0].outcome is Outcome.UNKNOWN
        assert actions(breaker) == [0], "one command reached it"
        assert breaker.state == 0


async def test_a_lost_answer_is_made_up_for_by_reading_back(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[0]
        radio = hub.breakers._radios["breakers"]
        move = radio.move

        async def lose_the_answer(emcb_id: str, action: object) -> object:
            breaker.muted = True
            try:
                return await move(emcb_id, action)  # type: ignore[arg-type]
            finally:
                breaker.muted = False

        radio.move = lose_the_answer  # type: ignore[method-assign, assignment]
        command = await hub.breakers.move(device_id(breaker), Action.OPEN, "test")
        assert command.outcome is Outcome.CONFIRMED
        assert "read back" in command.detail
        assert actions(breaker) == [0]


async def test_a_lost_command_is_sent_again_only_after_the_breaker_said_it_did_not_move(
    loopback: str, tmp_path: Path
) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[0]
        radio = hub.breakers._radios["breakers"]
        move, attempts = radio.move, [0]

        async def lose_the_first(emcb_id: str, action: object) -> object:
            attempts[0] += 1
            emulator.faults.loss = 1.0 if attempts[0] == 1 else 0.0
            try:
                return await move(emcb_id, action)  # type: ignore[arg-type]
            finally:
                emulator.faults.loss = 0.0

        radio.move = lose_the_first  # type: ignore[method-assign, assignment]
        command = await hub.breakers.move(device_id(breaker), Action.OPEN, "test")
        assert command.outcome is Outcome.CONFIRMED
        assert attempts == [2]
        assert actions(breaker) == [0]


async def test_a_silent_breaker_gives_an_unknown_outcome_never_a_guess(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[0]
        emulator.faults.loss = 1.0
        with pytest.raises(UnknownOutcomeError):
            await hub.breakers.move(device_id(breaker), Action.OPEN, "test")
        assert actions(breaker) == []


async def test_a_refusal_of_the_breaker_is_a_refusal(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[0]
        breaker.lockout_s = 60
        await hub.breakers.move(device_id(breaker), Action.OPEN, "test")
        with pytest.raises(RefusedError, match=r"the breaker refused.*open"):
            await hub.breakers.move(device_id(breaker), Action.CLOSE, "test")
        assert [command.result for command in breaker.commands_applied] == [0, 1]


async def test_contacts_that_stick_are_shown_as_a_mismatch(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[0]
        breaker.set_mismatch()
        await eventually(lambda: hub.devices.get(device_id(breaker)).breaker.position is Position.MISMATCH)  # type: ignore[union-attr]
        with pytest.raises(RefusedError, match="toggle needs a known position"):
            await hub.breakers.move(device_id(breaker), Action.TOGGLE, "test")
        with pytest.raises((RefusedError, UnknownOutcomeError)):
            await hub.breakers.move(device_id(breaker), Action.OPEN, "test")


async def test_a_breaker_moved_by_hand_is_news_with_its_cause(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[1]
        async with hub.bus.subscribe(BreakerChanged) as events:
            breaker.set_state_by_hand(closed=False)
            async with asyncio.timeout(10):
                event = await events.get()
        assert (event.device_id, event.position, event.previous, event.cause) == (
            device_id(breaker),
            Position.OPEN,
            Position.CLOSED,
            ChangeCause.UNSOLICITED,
        )


async def test_a_protected_breaker_is_never_opened_not_even_by_a_group(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        freezer = emulator.breakers[0]
        await hub.devices.update(device_id(freezer), protected=True)
        with pytest.raises(RefusedError, match="protected"):
            await hub.breakers.move(device_id(freezer), Action.OPEN, "test")
        with pytest.raises(RefusedError, match="protected"):
            await hub.breakers.move(device_id(freezer), Action.TOGGLE, "test")
        commands = await hub.breakers.move_group(None, Action.OPEN, "test")
        assert [command.outcome for command in commands] == [Outcome.REFUSED, Outcome.CONFIRMED, Outcome.CONFIRMED]
        assert actions(freezer) == []
        assert [breaker.state for breaker in emulator.breakers] == [1, 0, 0]
        assert (await hub.breakers.move(device_id(freezer), Action.CLOSE, "test")).outcome is Outcome.CONFIRMED


async def test_a_group_of_all_is_moved_and_each_one_confirms_for_itself(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 4) as (hub, emulator):
        commands = await hub.breakers.move_group(None, Action.OPEN, "test")
        assert [command.outcome for command in commands] == [Outcome.CONFIRMED] * 4
        assert [breaker.state for breaker in emulator.breakers] == [0] * 4
        assert [len(actions(breaker)) for breaker in emulator.breakers] == [1] * 4


async def test_a_group_of_some_never_reaches_the_others(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 4) as (hub, emulator):
        chosen = tuple(device_id(breaker) for breaker in emulator.breakers[:2])
        commands = await hub.breakers.move_group(chosen, Action.OPEN, "test")
        assert [command.outcome for command in commands] == [Outcome.CONFIRMED] * 2
        assert [breaker.state for breaker in emulator.breakers] == [0, 0, 1, 1]
        assert [len(actions(breaker)) for breaker in emulator.breakers] == [1, 1, 0, 0]


async def test_members_that_did_not_hear_the_broadcast_are_repaired_one_by_one(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 6) as (hub, emulator):
        emulator.faults.loss = 0.25
        commands = await hub.breakers.move_group(None, Action.OPEN, "test")
        emulator.faults.loss = 0.0
        for command, breaker in zip(commands, emulator.breakers, strict=True):
            if command.outcome is Outcome.CONFIRMED:
                assert breaker.state == 0
            assert set(actions(breaker)) <= {0}
        assert [command.outcome for command in commands].count(Outcome.CONFIRMED) >= 4


async def test_a_group_cannot_toggle(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path) as (hub, _):
        with pytest.raises(InvalidError, match="action is 'toggle'; allowed: open or close"):
            await hub.breakers.move_group(None, Action.TOGGLE, "test")


async def test_commands_for_one_breaker_wait_for_its_lockout_in_turn_and_say_so(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 1, command_lockout_s=0.6) as (hub, emulator):
        [breaker] = emulator.breakers
        breaker.lockout_s = 0.5
        details: list[str] = []
        async with hub.bus.subscribe(CommandChanged) as events:
            async with asyncio.TaskGroup() as group:
                first = group.create_task(hub.breakers.move(device_id(breaker), Action.OPEN, "one"))
                second = group.create_task(hub.breakers.move(device_id(breaker), Action.CLOSE, "two"))
            details = [event.command.detail for event in events.drain()]
        assert (first.result().outcome, second.result().outcome) == (Outcome.CONFIRMED, Outcome.CONFIRMED)
        assert [command.result for command in breaker.commands_applied] == [0, 0], "none was sent inside the lockout"
        assert any(detail.startswith("waiting") for detail in details)


async def test_a_breaker_that_is_protected_while_a_command_waits_is_not_opened(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 1, command_lockout_s=0.6) as (hub, emulator):
        [breaker] = emulator.breakers
        await hub.breakers.move(device_id(breaker), Action.CLOSE, "test")
        opening = asyncio.ensure_future(hub.breakers.move(device_id(breaker), Action.OPEN, "test"))
        await eventually(lambda: any("waiting" in command.detail for command in hub.breakers.pending()))
        await hub.devices.update(device_id(breaker), protected=True)
        with pytest.raises(RefusedError, match="protected"):
            await opening
        assert actions(breaker) == [1]


async def test_a_breaker_that_appears_while_a_group_waits_is_not_moved_with_it(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 2, command_lockout_s=1.0, discovery_interval_s=5) as (hub, emulator):
        for breaker in emulator.breakers:
            await hub.breakers.move(device_id(breaker), Action.CLOSE, "test")
        moving = asyncio.ensure_future(hub.breakers.move_group(None, Action.OPEN, "test"))
        await eventually(lambda: any("waiting" in command.detail for command in hub.breakers.pending()))
        added = emulator.add_breaker()
        hub.breakers.hear("breakers", BreakerSeen(added.device_id, added.address, False, False))
        commands = await moving
        assert [command.outcome for command in commands] == [Outcome.CONFIRMED] * 2
        assert added.commands_applied == []


async def test_too_many_waiting_commands_are_refused(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 1, command_lockout_s=0.4) as (hub, emulator):
        [breaker] = emulator.breakers
        results = await asyncio.gather(
            *(hub.breakers.move(device_id(breaker), Action.OPEN, "test") for _ in range(6)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, RefusedError)]
        assert len(refused) == 2
        assert "4 commands are waiting already" in str(refused[0])


async def test_a_command_goes_on_although_its_caller_goes_away(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 1) as (hub, emulator):
        [breaker] = emulator.breakers
        calling = asyncio.ensure_future(hub.breakers.move(device_id(breaker), Action.OPEN, "test"))
        await asyncio.sleep(0)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        async with asyncio.timeout(10):
            while hub.breakers.pending() or breaker.state:  # noqa: ASYNC110 - two objects, no one event
                await asyncio.sleep(0.02)
        assert [command.outcome for command in await hub.history.commands()] == [Outcome.CONFIRMED]
        assert breaker.state == 0


async def test_a_command_cut_short_by_a_stop_is_unknown_after_the_restart(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 1) as (hub, emulator):
        command = await hub.history.begin_command(device_id(emulator.breakers[0]), Action.OPEN, "test")
    async with EmcbEmulator() as other, Hub(hub_config(other, tmp_path)) as hub:
        [found] = await hub.history.commands()
        assert found.id == command.id
        assert found.outcome is Outcome.UNKNOWN
        assert "look at the breaker" in found.detail


async def test_leds_are_shown_and_switched_off(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 1) as (hub, emulator):
        [breaker] = emulator.breakers
        pattern = LedPattern(tuple(Led(0, 0, 255, 1) for _ in range(5)), 30)
        assert (await hub.breakers.set_leds(device_id(breaker), pattern, "test")).outcome is Outcome.CONFIRMED
        assert [(led.blue, led.blinking) for led in breaker.leds] == [(255, True)] * 5
        assert (await hub.breakers.set_leds(device_id(breaker), None, "test")).outcome is Outcome.CONFIRMED
        assert breaker.leds == ()
        with pytest.raises(InvalidError, match="duration_s is 10737419"):
            LedPattern(pattern.leds, 10_737_419)
        with pytest.raises(InvalidError, match=r"4 colours.*exactly 5"):
            LedPattern(pattern.leds[:4], 1)


async def test_an_unknown_breaker_is_named_with_the_nearest(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 1) as (hub, emulator):
        known = device_id(emulator.breakers[0])
        with pytest.raises(NotFoundError, match=f"did you mean {known}"):
            await hub.breakers.move(known[:-1] + "x", Action.OPEN, "test")


# -- availability and readings -----------------------------------------------------------------------------------


async def test_a_silent_breaker_becomes_unavailable_without_stale_readings_and_comes_back(
    loopback: str, tmp_path: Path
) -> None:
    async with home(loopback, tmp_path) as (hub, emulator):
        breaker = emulator.breakers[0]
        power = (Channel.TOTAL, Quantity.POWER)
        await eventually(lambda: power in hub.devices.latest(device_id(breaker)).values)
        energy = hub.devices.latest(device_id(breaker)).values[Channel.TOTAL, Quantity.ENERGY_DELIVERED]
        breaker.power_off()
        await eventually(lambda: hub.devices.get(device_id(breaker)).availability is Availability.UNAVAILABLE)
        latest = hub.devices.latest(device_id(breaker)).values
        assert power not in latest, "unknown is absent, not what it was"
        assert latest[Channel.TOTAL, Quantity.ENERGY_DELIVERED] >= energy
        house = hub.house()
        assert not house.complete
        assert house.missing == (device_id(breaker),)
        with pytest.raises((UnknownOutcomeError, UnavailableError, RefusedError)):
            await hub.breakers.move(device_id(breaker), Action.OPEN, "test")
        breaker.power_on()
        await eventually(lambda: hub.devices.get(device_id(breaker)).availability is Availability.AVAILABLE)
        await eventually(lambda: power in hub.devices.latest(device_id(breaker)).values)
        assert hub.devices.latest(device_id(breaker)).values[Channel.TOTAL, Quantity.ENERGY_DELIVERED] >= energy


async def test_a_wrong_key_is_shown_as_the_breakers_state(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 2) as (hub, emulator):
        breaker = emulator.breakers[0]
        breaker.use_wrong_key()
        await eventually(lambda: hub.devices.get(device_id(breaker)).availability is Availability.KEY_EXPIRED, 40)
        assert "set a new one" in hub.devices.get(device_id(breaker)).availability_detail


async def test_the_house_is_the_sum_of_its_breakers(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 3) as (hub, _):
        await eventually(lambda: hub.house().complete)
        house = hub.house()
        powers = [hub.devices.latest(device.id).values[Channel.TOTAL, Quantity.POWER] for device in hub.devices.all()]
        assert house.power_w == pytest.approx(sum(powers))
        assert house.today_delivered_wh is not None
        assert house.today_delivered_wh >= 0


async def test_devices_names_energy_and_history_outlive_a_restart(loopback: str, tmp_path: Path) -> None:
    async with EmcbEmulator() as emulator:
        async with running_hub(emulator, tmp_path) as hub:
            known = device_id(emulator.breakers[0])
            await hub.devices.update(known, name="Freezer", area="Cellar", protected=True)
            await eventually(lambda: bool(hub.devices.latest(known).values))
            before = hub.devices.latest(known).values[Channel.TOTAL, Quantity.ENERGY_DELIVERED]
            totals = dict(hub.energy._meters[known].ledgers[0].totals)
        async with running_hub(emulator, tmp_path) as hub:
            device = hub.devices.get(known)
            assert (device.name, device.area, device.protected) == ("Freezer", "Cellar", True)
            await eventually(lambda: bool(hub.devices.latest(known).values))
            assert hub.devices.latest(known).values[Channel.TOTAL, Quantity.ENERGY_DELIVERED] >= before
            again = hub.energy._meters[known].ledgers[0].totals
            assert all(again[quantity] >= total for quantity, total in totals.items())


async def test_a_removed_breaker_is_listed_again_when_it_answers_discovery(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 2, discovery_interval_s=5) as (hub, emulator):
        known = device_id(emulator.breakers[0])
        emulator.breakers[0].power_off()
        await hub.devices.remove(known)
        await eventually(lambda: known not in {device.id for device in hub.devices.all()})
        emulator.breakers[0].power_on()
        await eventually(
            lambda: any(d.id == known and d.availability is Availability.AVAILABLE for d in hub.devices.all()), 40
        )


async def test_a_trace_holds_every_datagram_and_no_secret(loopback: str, tmp_path: Path) -> None:
    path = tmp_path / "breakers.txt"
    async with home(loopback, tmp_path, 1, trace=str(path)) as (_, emulator):
        [breaker] = emulator.breakers
    text = path.read_text()
    assert " tx " in text
    assert " rx " in text
    assert breaker.key.hex() not in text
    assert all(line.endswith("00" * 32) for line in text.splitlines()), "signatures are masked"


async def test_a_trace_that_cannot_be_written_is_named(loopback: str, tmp_path: Path) -> None:
    async with EmcbEmulator(EmcbConfig(count=1, bind=loopback)) as emulator:
        with pytest.raises(ConfigError, match=r"radio 'breakers': trace: '/nowhere/t' cannot be written: No such file"):
            async with Hub(hub_config(emulator, tmp_path, trace="/nowhere/t")):
                pass


async def test_two_hundred_breakers_on_one_hub(loopback: str, tmp_path: Path) -> None:
    async with home(loopback, tmp_path, 200, poll_interval_s=1.0, unavailable_after=20) as (hub, emulator):
        seen: set[str] = set()
        async with hub.bus.subscribe(CommandChanged) as events:
            await eventually(lambda: len([d for d in hub.devices.all() if hub.devices.latest(d.id).values]) == 200)
            commands = await hub.breakers.move_group(None, Action.OPEN, "test")
            seen |= {event.command.device_id for event in events.drain()}
        assert len(commands) == 200
        assert [command.outcome for command in commands].count(Outcome.CONFIRMED) >= 198
        assert len(seen) == 200
        confirmed = {command.device_id for command in commands if command.outcome is Outcome.CONFIRMED}
        assert all(breaker.state == 0 for breaker in emulator.breakers if device_id(breaker) in confirmed)


def test_every_event_type_is_in_the_union() -> None:
    import hub.events as module

    classes = {
        value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__
    }
    assert classes == set(HubEvent.__args__)

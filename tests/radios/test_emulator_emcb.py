"""The EMCB emulator over real UDP sockets, faced by a coordinator of ten lines that knows only the document."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import struct
import tomllib
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Self

import pytest

from radios.emulators.emcb import BROADCAST_ADDRESS, EmcbConfig, EmcbEmulator, EmulatedBreaker, answerable
from radios.emulators.emcb_breaker import HEADER, Led, Signer
from radios.emulators.errors import EmulatorError

DEADLINE_S = 5.0
DISCOVER, STATUS, POSITION, METER, SET_SEQUENCE, SET_POSITION, LEDS = 0, 0xFF, 0x100, 0x200, 0x8000, 0x8100, 0x8300
OPEN, CLOSE, TOGGLE = b"\0", b"\1", b"\2"


class Clock:
    """Seconds that move by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def request(sequence: int, code: int, data: bytes, key: bytes, start: bytes = b"ETNM") -> bytes:
    body = start + struct.pack("<IH", sequence & 0xFFFFFFFF, code) + data
    return body + hmac.digest(key, body, "sha256")


class Coordinator:
    """A socket that asks and checks signatures."""

    def __init__(self, emulator: EmcbEmulator) -> None:
        self.emulator = emulator
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, datagram: bytes, breaker: EmulatedBreaker | None) -> None:
        """To one breaker, or to all."""
        address = BROADCAST_ADDRESS if breaker is None else breaker.address
        self.socket.sendto(datagram, (address, self.emulator.port))

    async def hear(self) -> tuple[bytes, str]:
        """The next datagram and the address it came from."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self.socket.fileno(), readable.set)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await readable.wait()
        finally:
            loop.remove_reader(self.socket.fileno())
        datagram, source = self.socket.recvfrom(2048)
        assert source[1] == self.emulator.port
        return datagram, source[0]

    async def ask(
        self, breaker: EmulatedBreaker, code: int, data: bytes = b"", *, sequence: int | None = None
    ) -> bytes:
        """The data of the answer to one signed request under the next sequence number."""
        number = breaker.expected if sequence is None else sequence
        self.send(request(number, code, data, breaker.key), breaker)
        answer, source = await self.hear()
        assert source == breaker.address
        return opened(answer, number, code, breaker.key)

    async def is_silent(self, breaker: EmulatedBreaker, datagram: bytes, reason: str) -> None:
        """The datagram moves nothing, is counted under `reason`, and the next answer is that to another question."""
        before, state = breaker.counters["dropped_" + reason], (breaker.state, breaker.expected, breaker.leds)
        self.send(datagram, breaker)
        await until(lambda: breaker.counters["dropped_" + reason] == before + 1)
        assert (breaker.state, breaker.expected, breaker.leds) == state
        await self.ask(breaker, POSITION)

    async def discover(self) -> dict[str, tuple[int, str]]:
        """Device id -> next sequence number, address; of all breakers, by one broadcast."""
        self.send(request(0, DISCOVER, b"\x11\x22\x33\x44", self.emulator.broadcast_key), None)
        found = {}
        for _ in self.emulator.breakers:
            answer, source = await self.hear()
            sequence, device_id, version, nonce = struct.unpack(
                "<I16sII", opened(answer, 0, DISCOVER, self.emulator.broadcast_key)
            )
            assert (version, nonce) == (1, 0x44332211)
            found[device_id.decode("ascii")] = (sequence, source)
        return found


def opened(answer: bytes, sequence: int, code: int, key: bytes) -> bytes:
    """The data of an answer whose header and signature are right."""
    assert hmac.compare_digest(hmac.digest(key, answer[:-32], "sha256"), answer[-32:])
    assert answer[:10] == b"ETNS" + struct.pack("<IH", sequence & 0xFFFFFFFF, code)
    return answer[10:-32]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - an emulator has no events for what does not happen
            await asyncio.sleep(0.001)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def emulator(clock: Clock) -> AsyncIterator[EmcbEmulator]:
    async with EmcbEmulator(EmcbConfig(count=3), clock=clock, randomness=Random(7)) as running:
        yield running


@pytest.fixture
async def coordinator(emulator: EmcbEmulator) -> AsyncIterator[Coordinator]:
    with Coordinator(emulator) as made:
        yield made


@pytest.fixture
def breaker(emulator: EmcbEmulator) -> EmulatedBreaker:
    return emulator.breakers[0]


# -- frames ---------------------------------------------------------------------------------------------------------


def test_signer_agrees_with_the_captured_request() -> None:
    signer = Signer(bytes.fromhex("DD4253D8725A02A0C1FA3417D809686FE397CC8148EFF5328CE436644849A225"))
    frame = bytes.fromhex("45544e4d6161b37eff006b6053e4f452f62809fed6ad8a65f4ebdabd11eba680797d45a7e36d7646c7f5")
    assert signer.sign(frame[:-32]) == frame[-32:]
    assert HEADER.unpack(frame[:10]) == (b"ETNM", 0x7EB36161, STATUS)
    assert signer.sign(b"") == hmac.digest(signer.key, b"", hashlib.sha256)


async def test_discovery_by_broadcast_finds_everybody_at_its_own_address(
    emulator: EmcbEmulator, coordinator: Coordinator
) -> None:
    found = await coordinator.discover()
    assert found == {b.device_id: (b.expected, b.address) for b in emulator.breakers}
    assert [b.address for b in emulator.breakers] == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    assert len({b.expected for b in emulator.breakers}) == 3


async def test_next_sequence_is_told_once_in_two_seconds_by_either_way(
    coordinator: Coordinator, breaker: EmulatedBreaker, clock: Clock
) -> None:
    await coordinator.discover()
    clock.now += 1.99
    await coordinator.is_silent(breaker, request(0, DISCOVER, bytes(4), breaker.key), "rate")
    clock.now += 0.01
    expected = breaker.expected
    data = await coordinator.ask(breaker, DISCOVER, b"abcd", sequence=0)
    assert data == struct.pack("<I16sI4s", expected, breaker.device_id.encode(), 1, b"abcd")
    assert breaker.expected == expected


async def test_next_sequence_under_an_ordinary_number_uses_it_unless_rate_limited(
    coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    expected = breaker.expected
    data = await coordinator.ask(breaker, DISCOVER, bytes(4), sequence=expected + 5)
    assert struct.unpack_from("<I", data) == (expected + 6,)
    await coordinator.is_silent(breaker, request(breaker.expected, DISCOVER, bytes(4), breaker.key), "rate")
    await coordinator.is_silent(breaker, request(expected, DISCOVER, bytes(4), breaker.key), "sequence")


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("start", lambda n, k: request(n, POSITION, b"", k, start=b"ETNS")),
        ("start", lambda n, k: request(n, POSITION, b"", k, start=b"MNTE")),
        ("length", lambda n, k: b""),
        ("length", lambda n, k: request(n, POSITION, b"", k)[:-1]),
        ("length", lambda n, k: request(n, POSITION, bytes(1459), k)),
        ("code", lambda n, k: request(n, 0x0006, b"", k)),
        ("code", lambda n, k: request(n, 0x1100, b"", k)),
        ("code", lambda n, k: request(n, 0x0001, b"", k)),
        ("size", lambda n, k: request(n, POSITION, bytes(1), k)),
        ("size", lambda n, k: request(n, POSITION, bytes(1458), k)),
        ("size", lambda n, k: request(n, SET_POSITION, b"", k)),
        ("size", lambda n, k: request(n, LEDS, bytes(24), k)),
        ("size", lambda n, k: request(n, SET_SEQUENCE, bytes(5), k)),
        ("signature", lambda n, k: request(n, SET_POSITION, OPEN, k[::-1])),
        ("signature", lambda n, k: request(n, SET_POSITION, OPEN, k)[:-1] + b"\0"),
        ("signature", lambda n, k: request(n, SET_POSITION, OPEN, k)[:-32] + bytes(32)),
        ("sequence", lambda n, k: request(n + 100, SET_POSITION, OPEN, k)),
        ("sequence", lambda n, k: request(n - 1, SET_POSITION, OPEN, k)),
        ("sequence", lambda n, k: request(n + 0x80000000, SET_POSITION, OPEN, k)),
    ],
)
async def test_an_invalid_datagram_is_dropped_in_silence(
    coordinator: Coordinator, breaker: EmulatedBreaker, reason: str, change: Callable[[int, bytes], bytes]
) -> None:
    await coordinator.is_silent(breaker, change(breaker.expected, breaker.key), reason)
    assert breaker.commands_applied == []


async def test_unicast_and_broadcast_keys_are_not_interchangeable(
    emulator: EmcbEmulator, coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    await coordinator.is_silent(breaker, request(breaker.expected, POSITION, b"", emulator.broadcast_key), "signature")
    coordinator.send(request(breaker.expected, POSITION, b"", breaker.key), None)
    await until(lambda: all(b.counters["dropped_signature"] for b in emulator.breakers))


async def test_a_breaker_accepts_its_secondary_key_and_answers_with_the_key_of_the_request(
    coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    second = bytes(range(32))
    breaker.set_keys((breaker.key, second))
    number = breaker.expected
    coordinator.send(request(number, POSITION, b"", second), breaker)
    answer, _ = await coordinator.hear()
    assert opened(answer, number, POSITION, second) == b"\1"
    assert await coordinator.ask(breaker, POSITION) == b"\1"


def test_only_private_sources_are_answered() -> None:
    assert all(map(answerable, ("127.0.0.1", "10.1.2.3", "192.168.0.9", "172.16.0.1", "172.31.255.255")))
    assert not any(map(answerable, ("8.8.8.8", "172.15.0.1", "172.32.0.1", "192.169.0.1", "100.64.0.1")))


# -- sequence numbers -----------------------------------------------------------------------------------------------


async def test_a_number_within_the_window_moves_the_expectation_past_it(
    coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    start = breaker.expected
    await coordinator.ask(breaker, POSITION, sequence=start + 99)
    assert breaker.expected == start + 100
    await coordinator.is_silent(breaker, request(start + 99, POSITION, b"", breaker.key), "sequence")


async def test_sequence_numbers_wrap_around(coordinator: Coordinator, breaker: EmulatedBreaker) -> None:
    breaker.expected = 0xFFFFFFFE
    await coordinator.ask(breaker, POSITION, sequence=0xFFFFFFFF)
    assert breaker.expected == 0
    await coordinator.ask(breaker, POSITION, sequence=0)
    assert breaker.expected == 1
    breaker.expected = 0xFFFFFFF0
    await coordinator.ask(breaker, POSITION, sequence=50)
    assert breaker.expected == 51


async def test_a_replayed_command_is_applied_once(coordinator: Coordinator, breaker: EmulatedBreaker) -> None:
    datagram = request(breaker.expected, SET_POSITION, TOGGLE, breaker.key)
    coordinator.send(datagram, breaker)
    await coordinator.hear()
    await coordinator.is_silent(breaker, datagram, "sequence")
    assert len(breaker.commands_applied) == 1
    assert breaker.state == 0


async def test_set_sequence_refuses_its_neighbourhood_and_more_than_one_success_in_ten_seconds(
    coordinator: Coordinator, breaker: EmulatedBreaker, clock: Clock
) -> None:
    async def set_to(value: int) -> bytes:
        return await coordinator.ask(breaker, SET_SEQUENCE, struct.pack("<I", value & 0xFFFFFFFF))

    after = breaker.expected + 1  # what is expected once the command's own number is used up
    assert await set_to(after - 100) == b"\2"
    assert breaker.expected == after
    assert await set_to(breaker.expected + 1 + 99) == b"\2"
    value = (breaker.expected + 1 + 100) & 0xFFFFFFFF
    assert await set_to(value) == b"\0"
    assert breaker.expected == value
    clock.now += 9.99
    assert await set_to(0x12345678) == b"\1"
    assert breaker.expected == value + 1
    clock.now += 0.01
    assert await set_to(breaker.expected + 1 - 101) == b"\0"


async def test_synchronised_breakers_obey_one_broadcast(emulator: EmcbEmulator, coordinator: Coordinator) -> None:
    base = 0x65C18A10
    for breaker in emulator.breakers:
        assert await coordinator.ask(breaker, SET_SEQUENCE, struct.pack("<I", base)) == b"\0"
    coordinator.send(request(base, SET_POSITION, OPEN, emulator.broadcast_key), None)
    heard = [await coordinator.hear() for _ in emulator.breakers]
    assert {source for _, source in heard} == {b.address for b in emulator.breakers}
    assert {opened(a, base, SET_POSITION, emulator.broadcast_key) for a, _ in heard} == {b"\0\0"}
    assert [b.state for b in emulator.breakers] == [0, 0, 0]


# -- breaker and LEDs -----------------------------------------------------------------------------------------------


async def test_open_close_and_toggle_move_the_contacts(
    coordinator: Coordinator, breaker: EmulatedBreaker, clock: Clock
) -> None:
    answers = [await coordinator.ask(breaker, SET_POSITION, action) for action in (OPEN, OPEN, TOGGLE, CLOSE, TOGGLE)]
    assert answers == [b"\0\0", b"\0\0", b"\0\1", b"\0\1", b"\0\0"]
    assert await coordinator.ask(breaker, POSITION) == b"\0"
    assert breaker.commands_applied[-1] == (clock.now, 2, 0)
    assert len(breaker.commands_applied) == 5


async def test_an_unknown_action_is_refused_and_uses_its_number_up(
    coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    number = breaker.expected
    assert await coordinator.ask(breaker, SET_POSITION, b"\3") == b"\1\1"
    assert breaker.expected == number + 1
    assert breaker.commands_applied[-1].result == 1


async def test_contacts_that_stick_are_reported_as_a_mismatch(
    coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    breaker.set_mismatch()
    assert await coordinator.ask(breaker, POSITION) == b"\2"
    assert await coordinator.ask(breaker, SET_POSITION, OPEN) == b"\1\2"
    assert breaker.contacts_closed
    assert (await coordinator.ask(breaker, STATUS))[0] == 2
    breaker.set_mismatch(stuck=False)
    assert await coordinator.ask(breaker, POSITION) == b"\0"


async def test_a_trip_shows_as_mismatch_and_a_hand_on_the_handle_as_the_new_position(
    coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    breaker.trip()
    assert await coordinator.ask(breaker, POSITION) == b"\2"
    assert await coordinator.ask(breaker, SET_POSITION, CLOSE) == b"\0\1"
    breaker.set_state_by_hand(closed=False)
    assert await coordinator.ask(breaker, POSITION) == b"\0"
    assert len(breaker.commands_applied) == 1


async def test_a_command_inside_the_lockout_is_refused() -> None:
    clock = Clock()
    config = EmcbConfig(count=1, lockout_s=10)
    async with EmcbEmulator(config, clock=clock) as emulator:
        (breaker,) = emulator.breakers
        with Coordinator(emulator) as coordinator:
            assert await coordinator.ask(breaker, SET_POSITION, OPEN) == b"\0\0"
            clock.now += 9.9
            assert await coordinator.ask(breaker, SET_POSITION, CLOSE) == b"\1\0"
            clock.now += 0.1
            assert await coordinator.ask(breaker, SET_POSITION, CLOSE) == b"\0\1"


async def test_leds_show_colours_until_their_time_is_over(
    coordinator: Coordinator, breaker: EmulatedBreaker, clock: Clock
) -> None:
    colours = bytes((255, 0, 0, 1)) + bytes((0, 1, 2, 0)) * 4
    assert await coordinator.ask(breaker, LEDS, struct.pack("<Bi", 1, 30) + colours) == b"\0"
    assert breaker.leds == (Led(255, 0, 0, True), *(Led(0, 1, 2, False),) * 4)
    clock.now += 29.9
    assert breaker.leds
    clock.now += 0.1
    assert not breaker.leds


async def test_leds_without_a_duration_stay_until_switched_off_or_rebooted(
    coordinator: Coordinator, breaker: EmulatedBreaker, clock: Clock
) -> None:
    for duration in (0, -1, -0x80000000, 10_737_418):
        assert await coordinator.ask(breaker, LEDS, struct.pack("<Bi", 1, duration) + bytes(20)) == b"\0"
        clock.now += 10_000_000
        assert len(breaker.leds) == 5
        assert await coordinator.ask(breaker, LEDS, struct.pack("<Bi", 0, 0x7FFFFFFF) + b"\xff" * 20) == b"\0"
        assert not breaker.leds
    await coordinator.ask(breaker, LEDS, struct.pack("<Bi", 1, 0) + bytes(20))
    breaker.reboot()
    assert not breaker.leds


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Bi", 1, 10_737_419) + bytes(20),
        struct.pack("<Bi", 2, 1) + bytes(20),
        struct.pack("<Bi", 1, 1) + bytes((0, 0, 0, 2)) * 5,
    ],
)
async def test_led_values_out_of_range_are_refused(
    coordinator: Coordinator, breaker: EmulatedBreaker, data: bytes
) -> None:
    assert await coordinator.ask(breaker, LEDS, data) == b"\1"
    assert not breaker.leds


# -- life of a breaker ----------------------------------------------------------------------------------------------


async def test_status_is_the_position_before_the_meter_record(
    coordinator: Coordinator, breaker: EmulatedBreaker, clock: Clock
) -> None:
    clock.now += 0.4
    status = await coordinator.ask(breaker, STATUS)
    meter = await coordinator.ask(breaker, METER)
    assert (len(status), len(meter)) == (268, 267)
    assert status == b"\1" + meter
    assert struct.unpack_from("<BiH", meter)[::2] == (2, 200)


async def test_a_reboot_forgets_the_sequence_number_and_the_update_number(
    coordinator: Coordinator, breaker: EmulatedBreaker, clock: Clock
) -> None:
    clock.now += 5
    before = breaker.expected
    assert (await coordinator.ask(breaker, METER))[0] == 25
    await coordinator.discover()
    breaker.reboot()
    await coordinator.is_silent(breaker, request(before + 1, POSITION, b"", breaker.key), "sequence")
    assert (await coordinator.ask(breaker, METER))[0] == 0
    await coordinator.ask(breaker, DISCOVER, bytes(4), sequence=0)  # the 2 s limit is forgotten too


async def test_a_breaker_without_power_is_silent_and_boots_when_it_returns(
    coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    breaker.power_off()
    coordinator.send(request(breaker.expected, POSITION, b"", breaker.key), breaker)
    await until(lambda: breaker.counters["dropped_off"] == 1)
    before = breaker.expected
    breaker.power_on()
    assert breaker.expected != before
    assert await coordinator.ask(breaker, POSITION) == b"\1"


async def test_a_muted_breaker_obeys_without_an_answer(coordinator: Coordinator, breaker: EmulatedBreaker) -> None:
    breaker.muted = True
    coordinator.send(request(breaker.expected, SET_POSITION, OPEN, breaker.key), breaker)
    await until(lambda: breaker.state == 0)
    breaker.muted = False
    assert await coordinator.ask(breaker, POSITION) == b"\0"  # nothing of before was in the queue


async def test_a_wrong_key_silences_unicast_but_not_discovery(
    emulator: EmcbEmulator, coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    breaker.use_wrong_key()
    await coordinator.is_silent(breaker, request(breaker.expected, POSITION, b"", breaker.published_key), "signature")
    assert emulator.unicast_keys[breaker.device_id] == breaker.published_key != breaker.key
    assert breaker.device_id in await coordinator.discover()
    breaker.use_published_key()
    assert breaker.key == breaker.published_key


async def test_a_breaker_that_moves_is_found_at_its_new_address(
    emulator: EmcbEmulator, coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    breaker.move_to("127.0.0.77")
    assert (await coordinator.discover())[breaker.device_id][1] == "127.0.0.77"
    assert await coordinator.ask(breaker, POSITION) == b"\1"
    with pytest.raises(EmulatorError, match=r"cannot bind UDP 127\.0\.0\.77"):
        emulator.breakers[1].move_to("127.0.0.77")
    assert await coordinator.ask(emulator.breakers[1], POSITION) == b"\1"
    with pytest.raises(EmulatorError, match="loopback"):
        breaker.move_to("192.168.1.2")


async def test_breakers_come_and_go_while_it_runs(emulator: EmcbEmulator, coordinator: Coordinator) -> None:
    gone = emulator.breakers[1]
    emulator.remove_breaker(gone)
    new = emulator.add_breaker("evse")
    assert (new.number, new.address) == (4, "127.0.0.5")
    found = await coordinator.discover()
    assert new.device_id in found
    assert gone.device_id not in found
    with pytest.raises(EmulatorError, match="there is no breaker 2; there are: 1, 3, 4"):
        emulator.breaker(2)
    with pytest.raises(EmulatorError, match="must be one of refrigerator"):
        emulator.add_breaker("toaster")


async def test_two_emulators_do_not_hear_each_other() -> None:
    async with EmcbEmulator(EmcbConfig(count=2)) as one, EmcbEmulator(EmcbConfig(count=2)) as other:
        assert one.port != other.port
        with Coordinator(one) as coordinator:
            assert len(await coordinator.discover()) == 2
        assert all(breaker.counters["received"] == 0 for breaker in other.breakers)


async def test_a_port_in_use_is_one_clear_sentence(emulator: EmcbEmulator) -> None:
    with pytest.raises(EmulatorError, match=rf"cannot bind UDP 127\.\S+:{emulator.port}: Address already in use"):
        async with EmcbEmulator(EmcbConfig(port=emulator.port)):
            pass


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"count": -1}, "count -1: must be from 0"),
        ({"evse": 5}, "evse 5: must be from 0 to the number of breakers, 4"),
        ({"port": 65536}, "port 65536"),
        ({"speed": 0}, "speed 0"),
        ({"bind": "10.0.0.1"}, r"bind 10\.0\.0\.1: must be a loopback address"),
        ({"bind": "home"}, "bind 'home': not an IPv4 address"),
        ({"loads": ("fridge",)}, "load 'fridge': must be one of"),
    ],
)
def test_a_bad_configuration_is_refused(settings_: dict[str, object], message: str) -> None:
    with pytest.raises(EmulatorError, match=message):
        EmcbConfig(**settings_)  # type: ignore[arg-type]


async def test_the_same_seed_makes_the_same_home_with_new_sequence_numbers() -> None:
    async with EmcbEmulator() as one, EmcbEmulator() as same, EmcbEmulator(EmcbConfig(seed=2)) as other:
        assert one.unicast_keys == same.unicast_keys
        assert one.broadcast_key == same.broadcast_key != other.broadcast_key
        assert one.unicast_keys.keys().isdisjoint(other.unicast_keys)
        assert one.breakers[0].expected != same.breakers[0].expected


# -- EVSE -----------------------------------------------------------------------------------------------------------


async def test_an_evse_tells_its_settings_state_and_configuration() -> None:
    clock = Clock()
    async with EmcbEmulator(EmcbConfig(count=2, evse=1, start_of_day_s=12 * 3600), clock=clock) as emulator:
        breaker = emulator.breakers[1]
        assert breaker.evse is not None
        with Coordinator(emulator) as coordinator:
            assert await coordinator.ask(breaker, 0x1100) == struct.pack("<BBBi", 1, 1, 32, 0)
            assert await coordinator.ask(breaker, 0x1200) == bytes(11)  # at noon there is no car
            assert await coordinator.ask(breaker, 0x1300) == struct.pack("<BBBBi", 1, 1, 1, 32, 0)
            breaker.evse.car = True
            assert (await coordinator.ask(breaker, 0x1200))[0] == 3
            breaker.evse.error = 7
            assert await coordinator.ask(breaker, 0x1200) == bytes((4, 0, 7)) + bytes(8)


async def test_an_evse_configuration_is_acknowledged_first_and_applied_later() -> None:
    clock = Clock()
    async with EmcbEmulator(
        EmcbConfig(count=1, evse=1, start_of_day_s=12 * 3600, used_before=False), clock=clock
    ) as emulator:
        (breaker,) = emulator.breakers
        assert breaker.evse is not None
        breaker.evse.car = True
        clock.now += 1  # seen from the next second on
        with Coordinator(emulator) as coordinator:
            assert await coordinator.ask(breaker, 0x9300, struct.pack("<BBBBI", 4, 2, 0xFF, 6, 0xFFFFFFFF)) == b"\0"
            assert (await coordinator.ask(breaker, 0x1300))[3] == 32
            clock.now += 2
            assert await coordinator.ask(breaker, 0x1300) == struct.pack("<BBBBi", 4, 2, 1, 6, 0)
            clock.now += 8
            meter = await coordinator.ask(breaker, METER)
            # The car's charger is slightly capacitive, so consumption that is metered as negative is in quadrant 2.
            consumed_mj = sum(struct.unpack_from("<Q", meter, at)[0] for at in (47, 175))
            assert consumed_mj == (1 * 32 + 9 * 6) * 240 * 1000
            assert (
                await coordinator.ask(breaker, 0x9300, struct.pack("<BBBBI", 7, 0xFF, 0xFF, 0xFF, 0xFFFFFFFF)) == b"\0"
            )
            clock.now += 2
            assert (await coordinator.ask(breaker, 0x1200))[0] == 1  # the car waits on the charger


@pytest.mark.parametrize(
    "values",
    [(2, 1, 1, 16, 0), (8, 1, 1, 16, 0), (1, 3, 1, 16, 0), (1, 1, 2, 16, 0), (1, 1, 1, 5, 0), (1, 1, 1, 33, 0)],
)
async def test_an_evse_refuses_values_out_of_range(values: tuple[int, ...]) -> None:
    async with EmcbEmulator(EmcbConfig(count=1, evse=1)) as emulator:
        (breaker,) = emulator.breakers
        with Coordinator(emulator) as coordinator:
            assert await coordinator.ask(breaker, 0x9300, struct.pack("<BBBBI", *values)) == b"\1"
            assert await coordinator.ask(breaker, 0x9300, struct.pack("<BBBBI", 1, 1, 1, 16, 200_001)) == b"\1"
            assert breaker.evse is not None
            assert breaker.evse.pending is None


# -- faults ---------------------------------------------------------------------------------------------------------


async def test_loss_strikes_each_direction_by_itself(
    emulator: EmcbEmulator, coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    emulator.faults.loss = 0.5
    count = 400
    start = breaker.expected = 1000
    for index in range(count):  # every request below the window's end, whatever is lost
        coordinator.send(request(start + index, POSITION, b"", breaker.key), breaker)
        before = breaker.counters["received"] + breaker.lost
        await until(lambda: breaker.counters["received"] + breaker.lost > before)  # noqa: B023
    arrived, answered = breaker.counters["received"], breaker.counters["answered"]
    left = answered - (breaker.lost - (count - arrived))
    assert arrived == answered
    assert 150 < arrived < 250
    assert 0.35 * arrived < left < 0.65 * arrived


async def test_a_duplicated_command_is_applied_once_and_answered_twice_at_most(
    emulator: EmcbEmulator, coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    emulator.faults.duplicate = 1.0
    number = breaker.expected
    coordinator.send(request(number, SET_POSITION, TOGGLE, breaker.key), breaker)
    first, second = await coordinator.hear(), await coordinator.hear()
    assert first == second
    assert breaker.counters["dropped_sequence"] == 1
    assert len(breaker.commands_applied) == 1


async def test_delay_holds_each_direction_back(
    emulator: EmcbEmulator, coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    emulator.faults.delay = 0.03
    loop = asyncio.get_running_loop()
    began = loop.time()
    await coordinator.ask(breaker, POSITION)
    assert 0.058 < loop.time() - began < 1.0


async def test_reordering_lets_a_later_datagram_overtake(
    emulator: EmcbEmulator, coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    emulator.faults.reorder = 1.0
    number = breaker.expected
    coordinator.send(request(number, POSITION, b"", breaker.key), breaker)
    coordinator.send(request(number + 1, POSITION, b"", breaker.key), breaker)
    answer, _ = await coordinator.hear()
    opened(answer, number + 1, POSITION, breaker.key)
    assert breaker.counters["dropped_sequence"] == 1  # the overtaken one came too late
    coordinator.send(request(number + 2, POSITION, b"", breaker.key), breaker)
    answer, _ = await coordinator.hear()  # with nobody to overtake it, it is only late
    opened(answer, number + 2, POSITION, breaker.key)


async def test_what_is_under_way_is_bounded(
    emulator: EmcbEmulator, coordinator: Coordinator, breaker: EmulatedBreaker
) -> None:
    emulator.faults.delay = 60.0
    for index in range(20):
        for _ in range(20):
            coordinator.send(b"x", breaker)
        await until(lambda: len(breaker._inward._under_way) + breaker.lost == (index + 1) * 20)  # noqa: B023
    assert len(breaker._inward._under_way) == 256


def test_a_fault_out_of_range_is_refused() -> None:
    emulator = EmcbEmulator()
    for name, value in (("loss", 1.1), ("loss", -0.1), ("delay", 61.0), ("duplicate", float("nan"))):
        with pytest.raises(EmulatorError, match=f"{name} .*: must be from 0 to"):
            setattr(emulator.faults, name, value)


async def test_toml_names_everything_that_a_radio_needs(emulator: EmcbEmulator) -> None:
    (radio,) = tomllib.loads(emulator.toml())["radio"]
    assert (radio["driver"], radio["pipe"]) == ("emcb", f"udp:127.255.255.255:{emulator.port}")
    assert bytes.fromhex(radio["broadcast_key"]) == emulator.broadcast_key
    assert {name: bytes.fromhex(key) for name, key in radio["unicast_keys"].items()} == emulator.unicast_keys

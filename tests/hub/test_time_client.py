"""The time of a network: whose it is, when it is read, and what steps of clocks do to what is armed."""

from __future__ import annotations

from itertools import permutations

import pytest
from test_premises import MESSAGE, NOW, Client, event

from hub.smart_energy.drlc_client import State
from hub.smart_energy.messages import Shown
from hub.smart_energy.peer import Peer
from hub.smart_energy.time_client import DAY_S, DOUBT_S, PAUSES_S, TimeAnswer, TimeClient, answer_of
from protocols.ids import Eui64

M, S, P = 0x01, 0x02, 0x08
"""Master, synchronized, superseding."""


def peer(number: int) -> Peer:
    return Peer(Eui64(0x00124B0000000000 + number), 0x0A)


def told(*servers: tuple[int, int, int | None], at: float = 0.0) -> TimeClient:
    """A client of servers with a network address, a TimeStatus and a time; None: not set."""
    client = TimeClient()
    for number, (short, _, _) in enumerate(servers):
        client.came(peer(number), short, at)
    assert client.due(at) == [peer(number) for number in range(len(servers))]
    for number, (_, status, utc) in enumerate(servers):
        client.answered(peer(number), TimeAnswer(utc, status), at)
    return client


ORDER = (
    (0x0000, M | P),  # the coordinator, master, superseding
    (0x0005, M | P),
    (0x4000, M | P),
    (0x0000, M),
    (0x0002, M),
    (0x0003, M),
    (0x0000, S),
    (0x0001, S),
)
"""Network address and TimeStatus, the one that is taken first."""
PAIRS = [(one, two) for at, one in enumerate(ORDER) for two in ORDER[at + 1 :] if one[0] != two[0]]
"""Two servers never have one address."""


@pytest.mark.parametrize(("better", "worse"), PAIRS)
def test_the_best_server_is_chosen_whatever_came_first(better: tuple[int, int], worse: tuple[int, int]) -> None:
    for servers in permutations((better, worse)):
        client = told(*((short, status, NOW) for short, status in servers))
        chosen = client.chosen()
        assert chosen is not None
        assert (chosen.short, chosen.answer and chosen.answer.status) == better


@pytest.mark.parametrize("status", [0x00, P, 0x04])
def test_who_is_neither_master_nor_synchronized_is_not_taken(status: int) -> None:
    assert told((0x0000, status, NOW)).chosen() is None
    assert told((0x0000, status, NOW)).now(0.0, NOW + 500.0, is_set=True) == NOW + 500


def test_who_does_not_know_the_time_is_asked_again_and_another_one_is_taken_meanwhile() -> None:
    client = told((0x0000, M | P, None), (0x0007, S, NOW))
    chosen = client.chosen()
    assert chosen is not None
    assert chosen.short == 0x0007
    at = 0.0
    for pause in (*PAUSES_S, PAUSES_S[-1]):
        assert client.due(at + pause - 1) == []
        at += pause
        assert client.due(at) == [peer(0)]
        assert client.due(at + 5) == []  # it is being asked
        client.answered(peer(0), TimeAnswer(None, M | P), at)
    client.due(at + PAUSES_S[-1])
    client.answered(peer(0), TimeAnswer(NOW + 9000, M | P), at + PAUSES_S[-1])
    chosen = client.chosen()
    assert chosen is not None
    assert chosen.short == 0x0000


def test_a_server_is_read_once_a_day_and_when_it_joins_again() -> None:
    client = told((0x0000, M, NOW))
    assert client.due(DAY_S - 1) == []
    assert client.due(DAY_S) == [peer(0)]
    client.answered(peer(0), TimeAnswer(NOW + 86_400, M), DAY_S)
    client.came(peer(0), 0x0000, DAY_S + 30)  # it was read just now
    assert client.due(DAY_S + 30) == []
    client.came(peer(0), 0x0001, DAY_S + 600)
    assert client.due(DAY_S + 600) == [peer(0)]


def test_a_server_is_read_again_where_somebody_says_that_it_is_another_time_but_not_for_every_word() -> None:
    client = told((0x0000, M, NOW))
    client.doubt(DOUBT_S - 1)
    assert client.due(DOUBT_S - 1) == []
    client.doubt(DOUBT_S)
    client.doubt(DOUBT_S)
    assert client.due(DOUBT_S) == [peer(0)]
    client.doubt(DOUBT_S + 1)  # it is being asked
    assert client.due(DOUBT_S + 1) == []
    client.answered(peer(0), TimeAnswer(NOW + 7200, M), DOUBT_S + 2)
    client.doubt(DOUBT_S + 3)
    assert client.due(DOUBT_S + 3) == []
    TimeClient().doubt(5.0)  # nobody is there


def test_a_server_that_has_lost_its_time_or_does_not_answer_does_not_take_ours_away() -> None:
    client = told((0x0000, M, NOW))
    client.due(DAY_S)
    client.failed(peer(0), DAY_S)
    assert client.time(DAY_S) == NOW + DAY_S
    assert client.due(DAY_S + PAUSES_S[0]) == [peer(0)]
    client.answered(peer(0), TimeAnswer(None, M), DAY_S + PAUSES_S[0])
    assert client.time(DAY_S + 100) == NOW + DAY_S + 100
    client.keep([])
    assert client.time(DAY_S + 100) is None
    client.answered(peer(0), TimeAnswer(NOW, M), 0.0)  # it is not in the home any more
    assert client.chosen() is None


@pytest.mark.parametrize(
    ("ahead", "is_set", "now"),
    [
        (0, True, NOW),
        (60, True, NOW),  # within the limit the machine's clock is as good, and runs smoothly
        (-60, True, NOW),
        (61, True, NOW + 61),
        (-7200, True, NOW - 7200),
        (30, False, NOW + 30),
        (-800_000_000, False, NOW - 800_000_000),
    ],
)
def test_smart_energy_goes_by_the_network_where_clocks_are_apart(ahead: int, is_set: bool, now: int) -> None:
    client = told((0x0000, M, NOW + ahead))
    assert client.now(0.0, NOW, is_set=is_set) == now
    assert client.is_off(0.0, NOW) is (abs(ahead) > 60)
    assert client.offset_s(0.0, NOW) == ahead


def test_nobody_knows_the_time_before_somebody_tells_it() -> None:
    client = TimeClient()
    assert client.now(5.0, 1000.0, is_set=False) == 0
    assert client.now(5.0, NOW, is_set=True) == NOW
    assert not client.is_off(5.0, NOW)


def test_a_step_of_the_machines_clock_does_not_move_the_networks() -> None:
    client = told((0x0000, M, NOW))
    for machine in (NOW + 100, NOW + 100 + 7200, NOW + 100 - 7200):
        assert abs(client.now(100.0, machine, is_set=True) - (NOW + 100)) == 0


@pytest.mark.parametrize(
    ("utc", "found"), [(NOW, NOW), (0xFFFFFFFF, None), (0xFFFFFFFE, 0xFFFFFFFE), (0, None), (None, None), (True, None)]
)
def test_the_invalid_time_is_none(utc: object, found: int | None) -> None:
    assert answer_of(utc, M) == TimeAnswer(found, M)


# -- what is armed, when the clock steps ------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_starts_nothing_again() -> None:
    client = Client()
    client.hear(event(1))
    client.hear(event(2, start_time=NOW + 7200))
    client.hear(MESSAGE)
    client.now += 3600
    client.ours.due()
    assert [what for kind, number, what in client.changes if (kind, number) == ("drlc", 1)][-1] == "completed"
    client.changes.clear()
    for at in (NOW, NOW + 600, NOW - 86_400):
        client.now = at
        client.ours.due()
    assert [change for change in client.changes if change[0] == "drlc"] == []
    assert client.ours.messages.messages[9].state is not Shown.SHOWN
    assert client.ours.drlc.events[2].state is State.SCHEDULED
    client.now = NOW + 7200
    client.ours.due()
    assert client.changes[-1] == ("drlc", 2, "started")


def test_a_clock_that_is_set_forward_ends_what_is_over_and_begins_what_holds() -> None:
    client = Client()
    client.hear(event(1))
    client.hear(event(2, start_time=NOW + 7200))
    client.hear(event(3, start_time=NOW + 86_400))
    client.now = NOW + 7300
    client.ours.due()
    states = {number: known.state for number, known in client.ours.drlc.events.items()}
    assert states == {2: State.RUNNING, 3: State.SCHEDULED}
    assert ("drlc", 1, "completed") in client.changes

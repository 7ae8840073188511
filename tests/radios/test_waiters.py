"""Requests that wait for their reply."""

from __future__ import annotations

import asyncio

import pytest

from radios.api import NoReplyError, RadioLostError
from radios.waiters import Waiters


async def test_a_reply_reaches_who_waits_for_its_key_and_nobody_else() -> None:
    waiters: Waiters[str, int] = Waiters()
    a, b = waiters.expect("a", 5), waiters.expect("b", 5)
    assert waiters.resolve("b", 2)
    assert await b == 2
    assert not a.done()
    assert waiters.resolve("a", 1)
    assert await a == 1
    assert not waiters.resolve("a", 3), "answered already"
    assert not waiters.resolve("c", 3), "never asked"


async def test_each_request_is_given_up_at_its_own_deadline_in_order() -> None:
    waiters: Waiters[str, int] = Waiters(lambda key: f"no answer from {key}")
    order: list[str] = []
    futures = {key: waiters.expect(key, timeout) for key, timeout in (("late", 0.06), ("soon", 0.02), ("mid", 0.04))}
    for key, future in futures.items():
        future.add_done_callback(lambda _, key=key: order.append(key))  # type: ignore[misc]
    for key in ("soon", "mid", "late"):
        with pytest.raises(NoReplyError, match=f"no answer from {key}"):
            await futures[key]
    assert order == ["soon", "mid", "late"]
    assert len(waiters) == 0


async def test_a_key_that_was_given_up_can_be_used_again_at_once() -> None:
    waiters: Waiters[str, int] = Waiters()
    with pytest.raises(NoReplyError):
        await waiters.expect("a", 0.01)
    future = waiters.expect("a", 5)
    waiters.resolve("a", 1)
    assert await future == 1


async def test_waiting_twice_for_one_key_is_a_bug_of_the_caller() -> None:
    waiters: Waiters[str, int] = Waiters()
    waiters.expect("a", 5)
    with pytest.raises(ValueError, match="already waiting for a"):
        waiters.expect("a", 5)
    waiters.discard("a")


async def test_all_fail_with_one_cause_and_none_waits_on() -> None:
    waiters: Waiters[int, int] = Waiters()
    futures = [waiters.expect(number, 5) for number in range(20)]
    waiters.resolve(3, 33)
    waiters.fail_all(RadioLostError("unplugged"))
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert results[3] == 33
    assert [type(result) for result in results].count(RadioLostError) == 19
    assert len(waiters) == 0


async def test_a_discarded_request_is_cancelled_and_its_deadline_does_nothing() -> None:
    waiters: Waiters[str, int] = Waiters()
    future = waiters.expect("a", 0.01)
    waiters.discard("a")
    other = waiters.expect("b", 0.03)
    with pytest.raises(NoReplyError):
        await other
    assert future.cancelled()


async def test_one_timer_serves_thousands_of_requests() -> None:
    waiters: Waiters[int, int] = Waiters()
    for number in range(5000):
        future = waiters.expect(number, 0.05)
        waiters.resolve(number, number)
        assert future.result() == number
    with pytest.raises(NoReplyError):
        await waiters.expect(-1, 0.01)
    assert len(waiters._deadlines) <= 5001
    last = waiters.expect(-2, 0.06)
    with pytest.raises(NoReplyError):
        await last
    assert waiters._deadlines == [], "expired and answered ones are gone"

"""What is due when."""

from __future__ import annotations

from random import Random

from hub.schedule import Schedule


def test_keys_are_due_in_order_and_once() -> None:
    at: Schedule[str] = Schedule()
    at.set("b", 20)
    at.set("a", 10)
    at.set("c", 20)
    assert (len(at), at.next(), "a" in at) == (3, 10, True)
    assert at.due(9) == []
    assert at.due(20) == ["a", "b", "c"]
    assert (at.due(10_000), at.next(), len(at)) == ([], None, 0)


def test_a_key_has_its_last_time_only() -> None:
    at: Schedule[int] = Schedule()
    for time in (50, 10, 30):
        at.set(1, time)
    assert at.next() == 30
    assert at.due(29) == []
    at.remove(1)
    at.remove(1)
    assert (at.due(100), at.next()) == ([], None)


def test_any_order_of_doing_agrees_with_a_plain_table() -> None:
    source = Random(2)
    at: Schedule[int] = Schedule()
    plain: dict[int, int] = {}
    now = 0
    for _ in range(5000):
        key = source.randrange(200)
        if source.random() < 0.6:
            plain[key] = now + source.randrange(1 << 40)
            at.set(key, plain[key])
        elif source.random() < 0.5:
            plain.pop(key, None)
            at.remove(key)
        else:
            now += source.randrange(1 << 36)
            due = sorted((key for key, time in plain.items() if time <= now), key=lambda key: plain[key])
            assert at.due(now) == due
            for key in due:
                del plain[key]
        assert len(at) == len(plain)
        assert at.next() == min(plain.values(), default=None)

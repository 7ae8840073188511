"""Requests done: synchronously and not, one at a time, late, by nobody, wrongly."""

from __future__ import annotations

import asyncio
import logging

import pytest

from hub.errors import InvalidError, NotFoundError, UnavailableError
from protocols.ids import Eui64
from tests.hub.waiting import eventually
from tests.web.rpc.engines import AT, Gate, engine_with
from web.auth import Role
from web.rpc.check import Checked, Problem, Reason
from web.rpc.engine import MAX_UNDER_WAY, RequestFailedError, Settings, conversation_failed
from web.rpc.markup import parse
from web.rpc.response import Response, Severity
from web.rpc.values import Mac, Values


async def test_a_synchronous_request_has_its_response_with_its_identifier() -> None:
    async with engine_with({}) as bench:
        [found] = await bench.engine.request_xml(
            parse(b'<get_time synchronous="TRUE"><request_identifier>42</request_identifier></get_time>'), Role.VIEWER
        )
        wanted: Values = {"UTC_2000": 0x133FDDDD, "UTC_1970": 0x4BAD215D, "request_identifier": 42}
        assert found == Response("get_time_response", wanted, AT)
        assert len(bench.engine.mailbox) == 0


async def test_an_asynchronous_request_has_its_response_in_the_mailbox() -> None:
    async with engine_with({}) as bench:
        assert await bench.engine.request_xml(parse(b"<get_time/>"), Role.VIEWER) == []
        await bench.idle()
        [found], remaining = bench.engine.mailbox.take()
        assert (found.name, remaining) == ("get_time_response", 0)


async def test_a_synchronous_request_that_takes_too_long_is_answered_by_the_mailbox() -> None:
    gate = Gate({"join_time": 5})
    settings = Settings(synchronous_timeout_s=0.02)
    async with engine_with({"enable_joining": gate}, settings) as bench:
        found = await bench.engine.request_json(
            "enable_joining", {"join_time": 5, "request_identifier": "q"}, Role.ADMIN
        )
        assert isinstance(found, Response)
        assert (found.name, found.parameters["severity"]) == ("message", 1)
        assert found.parameters["request_identifier"] == "q"
        assert "its response is delivered asynchronously" in str(found.parameters["description"])
        gate.open.set()
        await bench.idle()
        [late], _ = bench.engine.mailbox.take()
        assert late.name == "enable_joining_response"
        assert late.parameters == {"join_time": 5, "request_identifier": "q"}


async def test_one_request_blocks_at_a_time_and_those_behind_it_keep_their_order() -> None:
    gate, bound = Gate({"join_time": 5}), Gate({"identify_time": 1})
    bound.open.set()
    async with engine_with({"enable_joining": gate, "identify": bound}) as bench:
        first = asyncio.create_task(bench.engine.request_json("enable_joining", {"join_time": 5}, Role.ADMIN))
        await eventually(lambda: bool(gate.begun))
        later = {"destination_endpoint_id": 1, "identify_time": 1}
        second = asyncio.create_task(bench.engine.request_json("identify", later, Role.ADMIN))
        await eventually(lambda: bench.engine.under_way == 2)
        third = await bench.engine.request_json("identify", later, Role.ADMIN, synchronous=False)
        # What the hub knows by itself waits for nobody.
        quick = await bench.engine.request_json("get_time", {}, Role.ADMIN)
        assert isinstance(quick, Response)
        assert third is None
        assert (bound.begun, second.done(), bench.engine.under_way) == ([], False, 3)
        gate.open.set()
        assert isinstance(await first, Response)
        assert isinstance(await second, Response)
        await bench.idle()
        assert [one.synchronous for one in bound.begun] == [True, False]
        assert len(bench.engine.mailbox) == 1


async def test_a_request_that_is_late_lets_the_next_one_go_on() -> None:
    stuck, quick = Gate(), Gate({"identify_time": 1})
    quick.open.set()
    async with engine_with({"enable_joining": stuck, "identify": quick}, Settings(synchronous_timeout_s=0.02)) as bench:
        late = await bench.engine.request_json("enable_joining", {"join_time": 5}, Role.ADMIN)
        assert isinstance(late, Response)
        found = await bench.engine.request_json(
            "identify", {"destination_endpoint_id": 1, "identify_time": 1}, Role.ADMIN
        )
        assert isinstance(found, Response)
        assert found.name == "identify_response"


async def test_twenty_callers_one_of_whom_blocks_all_get_their_answers() -> None:
    gate = Gate({"join_time": 5})
    counted: list[int] = []
    at_once = 0

    async def identify(request: Checked) -> Values:
        nonlocal at_once
        at_once += 1
        counted.append(at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return {"identify_time": request.arguments["identify_time"]}

    async with engine_with({"enable_joining": gate, "identify": identify}) as bench:
        blocking = asyncio.create_task(bench.engine.request_json("enable_joining", {"join_time": 5}, Role.ADMIN))
        await eventually(lambda: bool(gate.begun))
        others = [
            asyncio.create_task(
                bench.engine.request_json(
                    "identify",
                    {"destination_endpoint_id": 1, "identify_time": number, "request_identifier": number},
                    Role.OPERATOR,
                )
            )
            for number in range(19)
        ]
        await eventually(lambda: bench.engine.under_way == 20)
        assert not any(task.done() for task in (blocking, *others))
        gate.open.set()
        await blocking
        for number, task in enumerate(others):
            found = await task
            assert isinstance(found, Response)
            assert found.parameters == {"identify_time": number, "request_identifier": number}
    assert set(counted) == {1}, "only one is done at a time"


async def test_who_goes_away_while_it_waits_finds_the_response_in_the_mailbox() -> None:
    gate = Gate({"join_time": 5})
    async with engine_with({"enable_joining": gate}) as bench:
        caller = asyncio.create_task(bench.engine.request_json("enable_joining", {"join_time": 5}, Role.ADMIN))
        await eventually(lambda: bool(gate.begun))
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        gate.open.set()
        await bench.idle()
        [found], _ = bench.engine.mailbox.take()
        assert found.name == "enable_joining_response"


async def test_more_requests_than_can_be_under_way_are_refused() -> None:
    gate = Gate()
    async with engine_with({"enable_joining": gate}) as bench:
        for _ in range(MAX_UNDER_WAY):
            assert (
                await bench.engine.request_json("enable_joining", {"join_time": 5}, Role.ADMIN, synchronous=False)
                is None
            )
        refused = await bench.engine.request_json("enable_joining", {"join_time": 5}, Role.ADMIN)
        assert isinstance(refused, Problem)
        assert refused.reason is Reason.BUSY
        gate.open.set()
        await bench.idle()
        assert bench.engine.under_way == 0


async def test_what_nothing_does_yet_says_so() -> None:
    async with engine_with({}) as bench:
        found = await bench.engine.request_json("leave_network", {"request_identifier": 7}, Role.ADMIN)
        assert found == Problem(Reason.PENDING, "leave_network is not implemented yet", 7)
        assert "leave_network" in bench.engine.pending
        assert "get_time" not in bench.engine.pending


async def test_a_radio_that_fails_is_told_in_the_words_that_clients_look_for() -> None:
    """Field evidence: a message takes the place of the response."""

    async def fail(request: Checked) -> Values:
        raise conversation_failed(Eui64(0x000CC1002719C4D5), 1, 0x109, 0x701, "Key not authorized", 0xBB)

    async with engine_with({"enable_joining": fail}) as bench:
        found = await bench.engine.request_json("enable_joining", {"join_time": 1, "request_identifier": 9}, Role.ADMIN)
        assert isinstance(found, Response)
        assert found.name == "message"
        assert found.parameters["description"] == (
            "Error during conversation with (00:0C:C1:00:27:19:C4:D5, 0x1, 0x109, 0x701): "
            "Conversation received unsuccessful TX status: 0xBB, Key not authorized"
        )
        assert found.parameters["device_address"] == Mac.of(Eui64(0x000CC1002719C4D5))
        assert found.parameters["TX_status"] == 0xBB
        assert found.parameters["request_identifier"] == 9


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (UnavailableError("han is not up"), Reason.FAILED, "enable_joining: han is not up"),
        (
            NotFoundError("device", "zigbee-000cc1002719c4d5", ("zigbee-000cc1002719c4d6",)),
            Reason.NOT_FOUND,
            "enable_joining: there is no device '00:0C:C1:00:27:19:C4:D5'; did you mean 00:0C:C1:00:27:19:C4:D6?",
        ),
        (
            InvalidError("device", "zigbee-000cc1002719c4d5", "one of zigbee-000cc1002719c4d6"),
            Reason.ARGUMENTS,
            "enable_joining: device is '00:0C:C1:00:27:19:C4:D5'; allowed: one of 00:0C:C1:00:27:19:C4:D6",
        ),
        (RuntimeError("secret"), Reason.FAILED, "enable_joining: something went wrong inside the hub"),
    ],
)
async def test_a_handlers_error_is_a_problem_and_what_is_our_fault_stays_in_the_log(
    error: Exception, reason: Reason, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: Checked) -> Values:
        raise error

    async with engine_with({"enable_joining": fail}) as bench:
        with caplog.at_level(logging.CRITICAL, "web.rpc.engine"):
            found = await bench.engine.request_json("enable_joining", {"join_time": 1}, Role.ADMIN)
        assert isinstance(found, Problem)
        assert found.reason is reason
        assert words in found.text
        assert "secret" not in found.text
        again = await bench.engine.request_json("get_time", {}, Role.ADMIN)
        assert isinstance(again, Response)


async def test_messages_below_the_severity_of_the_registry_are_not_told() -> None:
    async def fail(request: Checked) -> Values:
        raise RequestFailedError("not quite", Severity.DEBUG)

    async with engine_with({"enable_joining": fail}) as bench:
        bench.engine.message(Severity.DEBUG, "nothing much")
        bench.engine.message(Severity.WARNING, "device marked as inactive", device_address=Mac(b"\x13\x97"))
        await bench.engine.request_json("enable_joining", {"join_time": 1}, Role.ADMIN, synchronous=False)
        await bench.idle()
        [told], _ = bench.engine.mailbox.take()
        assert told.parameters["description"] == "device marked as inactive"
        bench.settings = Settings(rpc_severity=3)
        bench.engine.message(Severity.ERROR, "worse")
        assert len(bench.engine.mailbox) == 0
        bench.settings = Settings(rpc_severity=0)
        bench.engine.message(Severity.DEBUG, "nothing much")
        assert len(bench.engine.mailbox) == 1


async def test_messages_below_the_other_severity_are_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with engine_with({}, Settings(print_severity=1)) as bench:
        with caplog.at_level(logging.DEBUG, "web.rpc.engine"):
            for severity in Severity:
                bench.engine.message(severity, f"message of {severity}")
        assert [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "web.rpc.engine"] == [
            ("INFO", "message of 1"),
            ("WARNING", "message of 2"),
        ]


async def test_without_timestamps_there_are_none() -> None:
    async with engine_with({}, Settings(use_timestamps=False)) as bench:
        [found] = await bench.engine.request_xml(parse(b'<get_time synchronous="1"/>'), Role.VIEWER)
        assert found.timestamp is None


async def test_the_mailbox_drops_the_oldest_and_says_so() -> None:
    async with engine_with({}, Settings(max_buffer_items=3)) as bench:
        heard: list[str] = []
        forget = bench.engine.mailbox.on_response(
            lambda response: heard.append(str(response.parameters["description"]))
        )
        for number in range(5):
            bench.engine.message(Severity.ERROR, f"message {number}")
        forget()
        assert heard == [f"message {number}" for number in range(5)]
        assert (len(bench.engine.mailbox), bench.engine.mailbox.dropped) == (3, 2)
        assert bench.engine.mailbox.take(0) == ([], 3)
        taken, remaining = bench.engine.mailbox.take(2)
        assert remaining == 2
        assert [one.parameters["description"] for one in taken] == [
            "2 older responses were dropped: the buffer holds 3",
            "message 2",
        ]
        assert (taken[0].parameters["dropped"], taken[0].parameters["severity"]) == (2, 1)
        taken, remaining = bench.engine.mailbox.take()
        assert [one.parameters["description"] for one in taken] == ["message 3", "message 4"]
        assert remaining == 0


async def test_what_is_said_of_dropped_responses_counts_and_bears_a_time() -> None:
    async with engine_with({}, Settings(max_buffer_items=1)) as bench:
        mailbox = bench.engine.mailbox
        for number in range(3):
            bench.engine.message(Severity.ERROR, f"message {number}")
        [waiting] = mailbox.waiting()
        [lost], remaining = mailbox.take(1)
        assert (lost.parameters["dropped"], lost.timestamp, remaining) == (2, waiting.response.timestamp, 1)
        bench.engine.message(Severity.ERROR, "message 3")
        mailbox.remove([one.number for one in mailbox.waiting()])
        [lost], remaining = mailbox.take()
        assert (lost.parameters["dropped"], remaining) == (1, 0)
        assert lost.timestamp is not None


async def test_what_is_pushed_elsewhere_is_removed_by_its_number() -> None:
    async with engine_with({}) as bench:
        for number in range(3):
            bench.engine.message(Severity.ERROR, f"message {number}")
        letters = bench.engine.mailbox.waiting()
        bench.engine.mailbox.remove([letters[0].number, letters[2].number])
        [left], _ = bench.engine.mailbox.take()
        assert left == letters[1].response


async def test_who_may_not_is_refused_before_anything_is_done() -> None:
    gate = Gate()
    async with engine_with({"enable_joining": gate}) as bench:
        found = await bench.engine.request_json("enable_joining", {"join_time": 5}, Role.OPERATOR)
        assert isinstance(found, Problem)
        assert found.reason is Reason.ROLE
        assert gate.begun == []

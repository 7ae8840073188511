"""Tunnels of both sides: pure, time is an argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.smart_energy.peer import Peer
from hub.smart_energy.tunnels import (
    ACKNOWLEDGED_WITHIN_S,
    MAX_EARLY,
    MAX_OF_PROTOCOL,
    MAX_PROTOCOLS,
    MAX_TUNNELS,
    MAX_WAITING_BYTES,
    Closed,
    Protocol,
    Tunnel,
    TunnelClient,
    TunnelServer,
)
from protocols.ids import Eui64
from protocols.se import tunneling as wire
from protocols.se.base import SeCommand
from protocols.se.tunneling import NO_TUNNEL, TransferStatus, TunnelProtocol, TunnelStatus

A, B = Peer(Eui64(0x00124B0000000001), 10), Peer(Eui64(0x00124B0000000002), 10)
SML, MAKERS = Protocol(TunnelProtocol.SML), Protocol(TunnelProtocol(200), 0x1234)
NOW = 1000.0


def asked(
    protocol: int = 4, manufacturer: int = 0xFFFF, *, flow_control: bool = False, transfer: int | None = None
) -> wire.RequestTunnel:
    return wire.RequestTunnel(
        protocol=TunnelProtocol(protocol),
        manufacturer=manufacturer,
        flow_control=int(flow_control),
        max_incoming_transfer=transfer,
    )


def server(*protocols: Protocol, transfer: int = 100) -> TunnelServer:
    made = TunnelServer(transfer, close_timeout_s=60)
    for protocol in protocols or (SML,):
        made.register(protocol)
    return made


def open_to(side: TunnelServer, peer: Peer = A, request: wire.RequestTunnel | None = None) -> Tunnel:
    answer, tunnel = side.request(peer, request or asked(), NOW)
    assert answer.status is TunnelStatus.SUCCESS
    assert tunnel is not None
    return tunnel


def refused(side: TunnelServer, request: wire.RequestTunnel, peer: Peer = A) -> TunnelStatus:
    answer, tunnel = side.request(peer, request, NOW)
    assert (tunnel, answer.tunnel) == (None, NO_TUNNEL)
    return answer.status


def sent(side: TunnelServer | TunnelClient, tunnel: Tunnel, limit: int = 1000, now: float = NOW) -> bytes | None:
    command = side.next(tunnel, limit, now)
    if command is None:
        return None
    assert isinstance(command, wire.TransferDataToServer)
    assert command.tunnel == tunnel.number
    return command.data


# -- opening -----------------------------------------------------------------------------------------------------------


def test_a_protocol_that_nobody_answers_is_not_supported() -> None:
    nobody = TunnelServer()
    assert refused(nobody, asked()) is TunnelStatus.PROTOCOL_NOT_SUPPORTED
    side = server(SML, MAKERS)
    assert refused(side, asked(3)) is TunnelStatus.PROTOCOL_NOT_SUPPORTED
    assert refused(side, asked(200, 0x4321)) is TunnelStatus.PROTOCOL_NOT_SUPPORTED
    assert refused(side, asked(200)) is TunnelStatus.PROTOCOL_NOT_SUPPORTED  # whose?
    assert refused(side, asked(4, 0x1234)) is TunnelStatus.PROTOCOL_NOT_SUPPORTED  # the standard's has no maker
    assert refused(side, asked(255)) is TunnelStatus.PROTOCOL_NOT_SUPPORTED
    assert open_to(side, A, asked(200, 0x1234)).protocol == MAKERS


def test_tunnels_of_one_protocol_and_of_all_are_bounded() -> None:
    protocols = [Protocol(TunnelProtocol(number)) for number in range(MAX_TUNNELS // MAX_OF_PROTOCOL + 1)]
    side = server(*protocols)
    for number in range(MAX_TUNNELS // MAX_OF_PROTOCOL):
        for _ in range(MAX_OF_PROTOCOL):
            open_to(side, A, asked(number))
        if number == 0:
            assert refused(side, asked(0)) is TunnelStatus.BUSY
    assert refused(side, asked(protocols[-1].number)) is TunnelStatus.NO_MORE_TUNNELS
    [first, *_] = side
    assert side.receive(A, wire.CloseTunnel(first.number), NOW).closed is Closed.THERE
    assert open_to(side, B, asked(protocols[-1].number)).number not in {first.number}


def test_flow_control_is_refused_where_whoever_answers_has_none() -> None:
    side = TunnelServer()
    side.register(SML, flow_control=False)
    assert refused(side, asked(flow_control=True)) is TunnelStatus.FLOW_CONTROL_NOT_SUPPORTED
    assert not open_to(side).flow_control


def test_transfer_sizes_are_told_to_each_other() -> None:
    side = server()
    old, tunnel = side.request(A, asked(), NOW)
    assert tunnel is not None
    assert (old.max_incoming_transfer, tunnel.transfer) == (100, 0x05DC)
    new, tunnel = side.request(A, asked(transfer=40), NOW)
    assert tunnel is not None
    assert (new.max_incoming_transfer, tunnel.transfer) == (100, 40)


def test_numbers_are_not_given_again_soon() -> None:
    side = server()
    numbers = []
    for _ in range(50):
        tunnel = open_to(side)
        numbers.append(tunnel.number)
        side.receive(A, wire.CloseTunnel(tunnel.number), NOW)
    assert len(set(numbers)) == 50
    assert all(0 <= number < NO_TUNNEL for number in numbers)
    side._last = NO_TUNNEL - 1
    assert open_to(side).number == 0


def test_protocols_are_listed_as_far_as_they_fit() -> None:
    side = server(MAKERS, SML, Protocol(TunnelProtocol.DLMS_COSEM))
    found = side.supported(0, 100)
    assert found.is_complete
    assert [(row.manufacturer, row.protocol) for row in found.protocols] == [(0xFFFF, 0), (0xFFFF, 4), (0x1234, 200)]
    part = side.supported(0, 2 + 2 * 3 + 2)
    assert (part.is_complete, len(part.protocols)) == (0, 2)
    rest = side.supported(2, 8)
    assert (rest.is_complete, [row.protocol for row in rest.protocols]) == (1, [200])
    assert side.supported(9, 100).protocols == ()


@pytest.mark.parametrize(("number", "manufacturer"), [(200, 0xFFFF), (254, 0x10000), (4, 1), (255, 0xFFFF), (199, 0)])
def test_a_protocol_has_a_maker_exactly_where_it_needs_one(number: int, manufacturer: int) -> None:
    with pytest.raises(ValueError, match=f"protocol (is )?{number}"):
        Protocol(TunnelProtocol(number), manufacturer)


def test_there_is_a_most_of_protocols() -> None:
    side = server(*(Protocol(TunnelProtocol(number)) for number in range(MAX_PROTOCOLS)))
    side.register(Protocol(TunnelProtocol(0)))  # again
    with pytest.raises(OverflowError, match=str(MAX_PROTOCOLS)):
        side.register(MAKERS)


# -- data --------------------------------------------------------------------------------------------------------------


def test_data_come_and_go() -> None:
    side = server()
    tunnel = open_to(side)
    found = side.receive(A, wire.TransferDataToServer(tunnel.number, b"hello"), NOW)
    assert (found.data, found.tunnel, found.answers) == (b"hello", tunnel, ())
    side.send(tunnel, b"answer")
    assert isinstance(side.next(tunnel, 100, NOW), wire.TransferDataToClient)
    assert side.next(tunnel, 100, NOW) is None
    assert (tunnel.sent, tunnel.received) == (6, 5)


def test_data_are_split_as_the_other_side_and_the_radio_want() -> None:
    side = server()
    tunnel = open_to(side, A, asked(transfer=10))
    side.send(tunnel, bytes(range(25)))
    side.send(tunnel, b"x")
    assert sent(side, tunnel, 8) == bytes(range(8))
    assert sent(side, tunnel) == bytes(range(8, 18))
    assert sent(side, tunnel) == bytes(range(18, 25))
    assert sent(side, tunnel) == b"x"
    side.send(tunnel, b"")
    assert sent(side, tunnel) is None


def test_data_for_no_tunnel_or_anothers_are_refused() -> None:
    side = server()
    tunnel = open_to(side)

    def status(peer: Peer, number: int, data: bytes = b"x") -> TransferStatus:
        found = side.receive(peer, wire.TransferDataToServer(number, data), NOW)
        [error] = found.answers
        assert isinstance(error, wire.TransferDataErrorToClient)
        assert (error.tunnel, found.data) == (number, b"")
        return error.status

    assert status(A, tunnel.number + 1) is TransferStatus.NO_SUCH_TUNNEL
    assert status(B, tunnel.number) is TransferStatus.WRONG_DEVICE
    assert status(Peer(A.ieee, 11), tunnel.number) is TransferStatus.WRONG_DEVICE
    assert status(A, tunnel.number, bytes(101)) is TransferStatus.DATA_OVERFLOW
    assert tunnel.received == 0
    assert not side.receive(B, wire.CloseTunnel(tunnel.number), NOW).is_known
    assert side.has(tunnel)


def test_too_much_that_waits_is_refused_to_whoever_sends() -> None:
    side = server()
    tunnel = open_to(side)
    side.send(tunnel, bytes(MAX_WAITING_BYTES))
    with pytest.raises(OverflowError, match=f"{MAX_WAITING_BYTES} bytes wait"):
        side.send(tunnel, b"x")
    side.drop(tunnel)
    with pytest.raises(KeyError):
        side.send(tunnel, b"x")
    assert side.next(tunnel, 100, NOW) is None


def test_the_other_side_may_refuse_our_data() -> None:
    side = server()
    tunnel = open_to(side, A, asked(flow_control=True, transfer=4))
    side.send(tunnel, b"12345678")
    assert sent(side, tunnel) == b"1234"
    found = side.receive(A, wire.TransferDataErrorToServer(tunnel.number, TransferStatus.DATA_OVERFLOW), NOW)
    assert (found.dropped, found.closed, tunnel.waiting_bytes) == (4, None, 0)
    side.send(tunnel, b"more")
    assert sent(side, tunnel) == b"more"
    for status in (TransferStatus.NO_SUCH_TUNNEL, TransferStatus.WRONG_DEVICE):
        tunnel = open_to(side)
        found = side.receive(A, wire.TransferDataErrorToServer(tunnel.number, status), NOW)
        assert (found.closed, side.has(tunnel)) == (Closed.UNKNOWN_THERE, False)
        assert not side.receive(A, wire.TransferDataErrorToServer(tunnel.number, status), NOW).is_known


# -- flow control ------------------------------------------------------------------------------------------------------


def test_with_flow_control_nothing_goes_before_an_acknowledgement_and_room() -> None:
    side = server()
    tunnel = open_to(side, A, asked(flow_control=True, transfer=10))
    side.send(tunnel, bytes(40))
    assert len(sent(side, tunnel) or b"") == 10
    assert sent(side, tunnel) is None
    side.receive(A, wire.AckTransferDataToServer(tunnel.number, 3), NOW)
    assert len(sent(side, tunnel) or b"") == 3
    side.receive(A, wire.AckTransferDataToServer(tunnel.number, 0), NOW)
    assert sent(side, tunnel) is None  # acknowledged, and full
    side.receive(A, wire.ReadyDataToServer(tunnel.number, 9), NOW)
    assert len(sent(side, tunnel) or b"") == 9
    side.receive(A, wire.ReadyDataToServer(tunnel.number, 9), NOW)
    assert sent(side, tunnel) is None  # room is no acknowledgement
    assert not side.receive(B, wire.AckTransferDataToServer(tunnel.number, 9), NOW).is_known


def test_with_flow_control_we_acknowledge_and_say_when_there_is_room_again() -> None:
    side = server()
    tunnel = open_to(side, A, asked(flow_control=True))

    def receive(data: bytes) -> SeCommand:
        [answer] = side.receive(A, wire.TransferDataToServer(tunnel.number, data), NOW).answers
        return answer

    assert receive(bytes(60)) == wire.AckTransferDataToClient(tunnel.number, 40)
    assert side.taken(tunnel, 60) is None  # there was room
    assert receive(bytes(100)) == wire.AckTransferDataToClient(tunnel.number, 0)
    assert receive(b"x") == wire.TransferDataErrorToClient(tunnel.number, TransferStatus.DATA_OVERFLOW)
    assert side.taken(tunnel, 30) == wire.ReadyDataToClient(tunnel.number, 30)
    assert side.taken(tunnel, 70) is None
    without = open_to(side)
    assert side.receive(A, wire.TransferDataToServer(without.number, bytes(100)), NOW).answers == ()
    assert side.taken(without, 100) is None


def test_an_acknowledgement_that_does_not_come_closes_the_tunnel() -> None:
    side = server()
    tunnel = open_to(side, A, asked(flow_control=True))
    side.send(tunnel, b"x")
    sent(side, tunnel)
    assert side.due(NOW + ACKNOWLEDGED_WITHIN_S - 1) == []
    assert side.due(NOW + ACKNOWLEDGED_WITHIN_S) == [(tunnel, Closed.UNANSWERED)]
    assert not side.has(tunnel)


# -- the end -----------------------------------------------------------------------------------------------------------


def test_a_tunnel_that_is_not_used_is_closed_in_time() -> None:
    side = server()
    tunnel, other = open_to(side), open_to(side, B)
    side.receive(A, wire.TransferDataToServer(tunnel.number, b"x"), NOW + 30)
    assert side.due(NOW + 59.9) == []
    assert side.due(NOW + 60) == [(other, Closed.IDLE)]
    side.send(tunnel, b"x")
    sent(side, tunnel, now=NOW + 80)
    assert side.due(NOW + 100) == []
    assert side.due(NOW + 140) == [(tunnel, Closed.IDLE)]
    assert side.goodbye(tunnel) == wire.TunnelClosureNotification(tunnel.number)


def test_tunnels_end_with_whoever_answers_their_protocol() -> None:
    side = server(SML, MAKERS)
    tunnel, other = open_to(side), open_to(side, A, asked(200, 0x1234))
    assert side.unregister(SML) == [tunnel]
    assert list(side) == [other]
    assert refused(side, asked()) is TunnelStatus.PROTOCOL_NOT_SUPPORTED
    assert side.unregister(SML) == []


# -- the client --------------------------------------------------------------------------------------------------------


def opened(
    side: TunnelClient, peer: Peer = A, number: int = 7, *, flow_control: bool = False, transfer: int | None = None
) -> Tunnel:
    request = side.request(peer, SML, flow_control=flow_control)
    assert (request.protocol, request.manufacturer, request.flow_control) == (4, 0xFFFF, int(flow_control))
    answer = wire.RequestTunnelResponse(tunnel=number, status=TunnelStatus.SUCCESS, max_incoming_transfer=transfer)
    tunnel, early = side.opened(peer, SML, answer, NOW, flow_control=flow_control)
    assert early == []
    return tunnel


def test_a_client_sends_receives_and_closes() -> None:
    side = TunnelClient(transfer=50)
    tunnel = opened(side, transfer=4)
    side.send(tunnel, b"request")
    assert side.next(tunnel, 100, NOW) == wire.TransferDataToServer(7, b"requ")
    assert side.receive(A, wire.TransferDataToClient(7, b"answer"), NOW).data == b"answer"
    assert side.goodbye(tunnel) == wire.CloseTunnel(7)
    [error] = side.receive(A, wire.TransferDataToClient(7, bytes(51)), NOW).answers
    assert error == wire.TransferDataErrorToServer(7, TransferStatus.DATA_OVERFLOW)
    found = side.receive(A, wire.TunnelClosureNotification(7), NOW)
    assert (found.closed, found.tunnel, len(side)) == (Closed.THERE, tunnel, 0)
    assert not side.receive(A, wire.TunnelClosureNotification(7), NOW).is_known
    [error] = side.receive(A, wire.TransferDataToClient(7, b"late"), NOW).answers
    assert error == wire.TransferDataErrorToServer(7, TransferStatus.NO_SUCH_TUNNEL)


def test_numbers_of_two_servers_may_be_the_same() -> None:
    side = TunnelClient()
    one, two = opened(side, A, 7), opened(side, B, 7)
    assert side.receive(A, wire.TransferDataToClient(7, b"a"), NOW).tunnel is one
    assert side.receive(B, wire.TransferDataToClient(7, b"b"), NOW).tunnel is two
    stranger = Peer(Eui64(0x00124B0000000003), 10)
    [error] = side.receive(stranger, wire.TransferDataToClient(7, b"c"), NOW).answers
    assert error == wire.TransferDataErrorToServer(7, TransferStatus.WRONG_DEVICE)
    assert not side.receive(stranger, wire.TunnelClosureNotification(7), NOW).is_known


def test_data_that_come_before_we_know_of_the_tunnel_are_not_lost() -> None:
    side = TunnelClient(transfer=50)
    side.request(A, SML, flow_control=True)
    assert side.receive(A, wire.TransferDataToClient(9, b"first"), NOW).data == b""
    answer = wire.RequestTunnelResponse(tunnel=9, status=TunnelStatus.SUCCESS)
    _, [found] = side.opened(A, SML, answer, NOW, flow_control=True)
    assert (found.data, found.answers) == (b"first", (wire.AckTransferDataToServer(9, 45),))
    side.request(B, SML, flow_control=False)
    for _ in range(MAX_EARLY):
        assert side.receive(B, wire.TransferDataToClient(1, b"x"), NOW).answers == ()
    [error] = side.receive(B, wire.TransferDataToClient(1, b"x"), NOW).answers
    assert error == wire.TransferDataErrorToServer(1, TransferStatus.DATA_OVERFLOW)
    side.failed(B)
    [error] = side.receive(B, wire.TransferDataToClient(9, b"x"), NOW).answers
    assert error == wire.TransferDataErrorToServer(9, TransferStatus.WRONG_DEVICE)


def test_a_client_waits_for_acknowledgements_too() -> None:
    side = TunnelClient()
    tunnel = opened(side, flow_control=True)
    side.send(tunnel, b"x")
    assert side.next(tunnel, 10, NOW) is not None
    assert side.receive(A, wire.AckTransferDataToClient(7, 5), NOW).tunnel is tunnel
    side.send(tunnel, b"y")
    assert side.next(tunnel, 10, NOW) is not None
    assert side.due(NOW + ACKNOWLEDGED_WITHIN_S) == [(tunnel, Closed.UNANSWERED)]


# -- both together -----------------------------------------------------------------------------------------------------


@given(
    flow_control=st.booleans(),
    sizes=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    limit=st.integers(1, 80),
    steps=st.lists(st.tuples(st.sampled_from(("up", "down", "read up", "read down")), st.integers(0, 90)), max_size=40),
)
def test_what_goes_in_comes_out_whole_and_in_order(
    flow_control: bool, sizes: tuple[int, int], limit: int, steps: list[tuple[str, int]]
) -> None:
    """Both engines on a wire that loses nothing. Whoever reads late makes the other side wait, if there is control."""
    client, server_ = TunnelClient(sizes[0]), TunnelServer(sizes[1])
    server_.register(SML)
    answer, there = server_.request(A, client.request(B, SML, flow_control=flow_control), NOW)
    assert there is not None
    here, _ = client.opened(B, SML, answer, NOW, flow_control=flow_control)
    sides = {"up": (client, here, B, server_, there, A), "down": (server_, there, A, client, here, B)}
    sent_bytes = {"up": b"", "down": b""}
    got = {"up": b"", "down": b""}
    byte = 0

    def hear(way: str, command: SeCommand) -> None:
        """A command arrives at the end of its way."""
        _, _, _, far, tunnel, peer = sides[way]
        found = far.receive(peer, command, NOW)
        assert (found.closed, found.dropped) == (None, 0)
        got[way] += found.data
        back = "down" if way == "up" else "up"
        if not flow_control and found.data:
            far.taken(tunnel, len(found.data))
        for reply in found.answers:
            assert not isinstance(reply, wire.TransferDataErrorToServer)
            hear(back, reply)

    def flow() -> None:
        for way, (near, tunnel, *_) in sides.items():
            while (command := near.next(tunnel, limit, NOW)) is not None:
                hear(way, command)

    def read(way: str, count: int) -> None:
        _, _, _, far, tunnel, _ = sides[way]
        ready = far.taken(tunnel, count)
        if ready is not None:
            hear("down" if way == "up" else "up", ready)

    for what, count in steps:
        if what.startswith("read"):
            read(what.removeprefix("read "), count)
        else:
            near, tunnel, *_ = sides[what]
            data = bytes((byte + number) & 0xFF for number in range(count))
            byte += count
            near.send(tunnel, data)
            sent_bytes[what] += data
        flow()
        assert all(sent_bytes[way].startswith(got[way]) for way in got)
    for _ in range(sum(map(len, sent_bytes.values())) + 1):
        for way in sides:
            read(way, 100)
        flow()
    assert got == sent_bytes

"""`hub.mirrors`: endpoints of ours that keep the values of sleepy meters for those who are awake (SE 1.1b, D.3).

A meter asks our Metering client for a mirror. It gets an endpoint of ours, with Basic and Metering as the meter has
told them, once that is on disk: a mirror outlives restarts, and a meter that asks again gets the same one. It has none
where the hub is no energy service interface, the radio's endpoints are fixed or it cannot encrypt, and where there is
no room.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.bus import Bus
from hub.clock import Clock
from hub.errors import HubError, NotFoundError, StorageError
from hub.events import DeviceRemoved, MirrorChanged
from hub.smart_energy import kept
from hub.smart_energy.mirror_clusters import (
    DEVICE_TYPE,
    MIRROR_CAPACITY,
    NO_MIRROR_CAPACITY,
    MeteringClientCluster,
    MirroredCluster,
    response,
)
from hub.smart_energy.mirror_table import MirrorTable
from hub.smart_energy.peer import Peer, peer_from, peer_of
from hub.store import Store
from hub.zigbee.endpoint import LocalEndpoint, answer_frame
from hub.zigbee.member import Member, device_id_of
from hub.zigbee.model import AttributeValue, Side
from hub.zigbee.network import Network
from hub.zigbee.servers.base import ClusterServer
from protocols.aps import ApsFrame, Delivery
from protocols.ids import Profile
from protocols.se.metering import NO_MIRROR, MirrorRemoved, RequestMirrorResponse
from protocols.zcl.clusters import BASIC, METERING, attribute_def
from protocols.zcl.datatypes import Value
from protocols.zcl.header import Direction, FrameType, ZclHeader
from radios.api import RadioError

log = logging.getLogger(__name__)

MIRROR = "mirror"
"""Kind of a row of the database: its id is our endpoint, its state the meter."""
METERING_DEVICE = 0x0501
"""Device type of the Smart Energy profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A mirror as interfaces see it."""

    radio: str
    endpoint: int
    """Ours."""
    device_id: str
    device_endpoint: int
    """The meter's own."""
    meter: str
    """Metering Device Type in words; empty while the meter has not told it."""
    attributes: int
    """How many the meter has told."""
    heard_at: datetime | None
    """When it told the newest of them."""


class Mirrors:
    """The mirrors of all networks."""

    def __init__(
        self,
        radios: Sequence[str],
        most: int,
        network: Callable[[str], Network],
        find: Callable[[str], Member | None],
        learn: Callable[[Member, Sequence[AttributeValue]], None],
        unhost: Callable[[str, int], None],
        store: Store,
        bus: Bus,
        clock: Clock,
        spawn: Callable[[Coroutine[None, None, None], str], object],
    ) -> None:
        """`radios`: where we are an energy service interface. `most`: mirrors on each of them; 0 switches them off.

        `network(radio)` raises `NotFoundError`; `find(device id)`. `learn`: a device has told attributes.
        `unhost(radio, endpoint)`: an endpoint of ours is gone.
        """
        self.tables = {radio: MirrorTable(most) for radio in radios}
        self._network, self._find, self._learn, self._unhost = network, find, learn, unhost
        self._store, self._bus, self._clock, self._spawn = store, bus, clock, spawn
        self._making = asyncio.Lock()

    # -- life --------------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read back what was mirrored before the last stop; not meters that were removed then."""
        rows = await self._store.read("SELECT radio, id, state FROM se_item WHERE kind = ? ORDER BY id", (MIRROR,))
        for radio, endpoint, state in rows:
            table = self.tables.get(str(radio))
            if table is None:
                continue
            try:
                peer = peer_from(str(state))
            except ValueError as error:
                log.warning("%s: mirror %s cannot be read back: %s", radio, endpoint, error)
                continue
            member = self._member(peer)
            if member is None or member.radio != radio:
                self._store.append(kept.gone(str(radio), MIRROR, (int(str(endpoint)),)))
            else:
                table.load(((int(str(endpoint)), peer),))

    async def run(self) -> None:
        """Free the mirrors of devices that people remove; ends by cancellation."""
        async with self._bus.subscribe(DeviceRemoved) as events:
            async for event in events:
                for radio, table in self.tables.items():
                    ieees = {peer.ieee for _, peer in table if device_id_of(peer.ieee) == event.device_id}
                    for endpoint in [one for ieee in ieees for one in table.forget(ieee)]:
                        self._store.append(kept.gone(radio, MIRROR, (endpoint,)))
                        self._freed(radio, endpoint, event.device_id)

    # -- what networks host (local.Mirroring) ------------------------------------------------------------------------

    def client(self, radio: str) -> ClusterServer:
        """The Metering client, which answers Request Mirror also where there are none."""
        return MeteringClientCluster(radio, self)

    def environment(self, radio: str) -> int:
        """PhysicalEnvironment of the Smart Energy endpoint."""
        table = self.tables.get(radio)
        has_room = table is not None and table.has_room and self._is_able(radio)
        return MIRROR_CAPACITY if has_room else NO_MIRROR_CAPACITY

    def endpoints(self, radio: str) -> Iterator[LocalEndpoint]:
        """An endpoint for each meter that is mirrored."""
        for endpoint, peer in self.tables.get(radio, ()):
            yield self._endpoint(endpoint, peer)

    def _endpoint(self, endpoint: int, peer: Peer) -> LocalEndpoint:
        def find() -> Member | None:
            return self._member(peer)

        def put(cluster: int, attribute: int, type_id: int, value: Value) -> None:
            member = find()
            if member is not None:
                told = AttributeValue(
                    endpoint=peer.endpoint,
                    cluster=cluster,
                    attribute=attribute,
                    data_type=type_id,
                    value=value,
                    time=self._clock.now(),
                    source="report",
                )
                self._learn(member, (told,))

        return LocalEndpoint(
            endpoint=endpoint,
            profile=Profile.SMART_ENERGY,
            device_type=METERING_DEVICE,
            servers=tuple(MirroredCluster(cluster, peer, find, put) for cluster in (BASIC, METERING)),
        )

    def _member(self, peer: Peer) -> Member | None:
        return self._find(device_id_of(peer.ieee))

    # -- what meters ask (mirror_clusters.Mirroring) -----------------------------------------------------------------

    def requested(self, radio: str, frame: ApsFrame, header: ZclHeader) -> None:
        """A meter wants to be mirrored: it hears where once that is on disk."""
        self._spawn(self._make(radio, frame, header), f"a mirror on {radio}")

    async def _make(self, radio: str, frame: ApsFrame, header: ZclHeader) -> None:
        peer, table = peer_of(frame), self.tables.get(radio)
        endpoint = None
        if peer is not None and table is not None and self._is_able(radio) and _is_proper(frame):
            async with self._making:  # who asks twice hears the second time, too, what is on disk
                endpoint = table.of(peer)
                if endpoint is None:
                    endpoint = await self._make_new(radio, table, peer)
        if endpoint is None:
            log.info("%s: no mirror for %s: none can be made here, or there is no room", radio, peer)
        self._answer(radio, frame, header, RequestMirrorResponse(NO_MIRROR if endpoint is None else endpoint))

    async def _make_new(self, radio: str, table: MirrorTable, peer: Peer) -> int | None:
        """A mirror that is on disk and hosted; None: it cannot be."""
        endpoint = table.request(peer)
        if endpoint is None:
            return None
        try:
            await self._store.write(kept.row(radio, MIRROR, endpoint, str(peer)))
        except StorageError as error:
            log.error("%s: %s gets no mirror: %s", radio, peer, error)
            table.remove(endpoint)
            return None
        if table.at(endpoint) != peer:
            return None  # its device was removed meanwhile
        self._leave_others(radio, peer)
        local = self._network(radio).local
        if local is not None and local.get(endpoint) is None:
            local.add(self._endpoint(endpoint, peer))
        self._changed(radio, endpoint, device_id_of(peer.ieee), "made")
        return endpoint

    def _leave_others(self, radio: str, peer: Peer) -> None:
        """A meter has moved to this network: nothing mirrors it on another one."""
        for other, table in self.tables.items():
            endpoint = table.of(peer) if other != radio else None
            if endpoint is not None:
                table.remove(endpoint)
                self._store.append(kept.gone(other, MIRROR, (endpoint,)))
                self._freed(other, endpoint, device_id_of(peer.ieee))

    def unwanted(self, radio: str, frame: ApsFrame, header: ZclHeader) -> bool:
        """A meter wants its mirror removed."""
        peer, table = peer_of(frame), self.tables.get(radio)
        endpoint = table.of(peer) if peer is not None and table is not None else None
        if endpoint is None or table is None or peer is None:
            return False
        table.remove(endpoint)
        self._store.append(kept.gone(radio, MIRROR, (endpoint,)))
        self._freed(radio, endpoint, device_id_of(peer.ieee))
        self._answer(radio, frame, header, MirrorRemoved(endpoint))
        return True

    def _is_able(self, radio: str) -> bool:
        stick = self._network(radio).radio
        return stick is not None and stick.capabilities.aps_encryption and not stick.capabilities.endpoints

    def _answer(
        self, radio: str, frame: ApsFrame, header: ZclHeader, command: RequestMirrorResponse | MirrorRemoved
    ) -> None:
        network = self._network(radio)
        ours = network.local.get(frame.destination_endpoint) if network.local is not None else None
        back = answer_frame(frame, ours, response(header, command)) if ours is not None else None
        if back is not None:
            network.send_soon(back)

    def _freed(self, radio: str, endpoint: int, device_id: str) -> None:
        self._unhost(radio, endpoint)
        self._changed(radio, endpoint, device_id, "removed")

    def _changed(self, radio: str, endpoint: int, device_id: str, what: str) -> None:
        self._bus.publish(MirrorChanged(self._clock.now(), radio, endpoint, device_id, what))

    # -- what interfaces see -----------------------------------------------------------------------------------------

    def all(self, radio: str) -> list[Mirror]:
        """The mirrors on a network, lowest endpoint first. Raises `NotFoundError`."""
        self._network(radio)
        return [self._mirror(radio, endpoint, peer) for endpoint, peer in self.tables.get(radio, ())]

    def room(self, radio: str) -> int:
        """How many more there can be."""
        table = self.tables.get(radio)
        return max(0, table.most - len(table)) if table is not None and self._is_able(radio) else 0

    async def remove(self, radio: str, endpoint: int) -> Mirror:
        """Free an endpoint, and tell its meter. Raises `NotFoundError`, `StorageError`."""
        self._network(radio)
        table = self.tables.get(radio)
        peer = table.at(endpoint) if table is not None else None
        if table is None or peer is None:
            raise NotFoundError("mirror", str(endpoint), tuple(str(one) for one, _ in self.tables.get(radio, ())))
        found = self._mirror(radio, endpoint, peer)
        await self._store.write(kept.gone(radio, MIRROR, (endpoint,)))
        if table.at(endpoint) == peer:
            table.remove(endpoint)
            self._freed(radio, endpoint, found.device_id)
            self._spawn(self._tell(radio, peer, MirrorRemoved(endpoint)), f"{peer} is mirrored no more")
        return found

    async def _tell(self, radio: str, peer: Peer, command: MirrorRemoved) -> None:
        network, member = self._network(radio), self._member(peer)
        if member is None:
            return
        tsn = network.conversations.next_tsn()
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, tsn, command.COMMAND, True)
        frame = network.frame(member, peer.endpoint, METERING, header, command.encode(), profile=Profile.SMART_ENERGY)
        try:
            await network.send(member, frame)
        except (RadioError, HubError) as error:
            log.info("%s: %s did not hear that its mirror is gone: %s", radio, peer, error)

    def _mirror(self, radio: str, endpoint: int, peer: Peer) -> Mirror:
        member = self._member(peer)
        told = [
            value
            for value in (member.attributes.values() if member is not None else ())
            if (value.endpoint, value.cluster, value.side) == (peer.endpoint, METERING, Side.SERVER)
            and value.time is not None
            and not value.status
        ]
        kind = next((value.value for value in told if value.attribute == DEVICE_TYPE), None)
        row = attribute_def(METERING, DEVICE_TYPE)
        return Mirror(
            radio=radio,
            endpoint=endpoint,
            device_id=device_id_of(peer.ieee),
            device_endpoint=peer.endpoint,
            meter=row.values.get(kind, "").replace("_", " ") if row is not None and isinstance(kind, int) else "",
            attributes=len(told),
            heard_at=max((value.time for value in told if value.time is not None), default=None),
        )


def _is_proper(frame: ApsFrame) -> bool:
    """Whether a request came as a meter's does: on the Smart Energy profile (encrypted, then), and to us alone."""
    return frame.profile == Profile.SMART_ENERGY and frame.delivery is Delivery.UNICAST

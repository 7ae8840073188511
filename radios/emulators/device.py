"""An emulated Zigbee device: descriptors, ZCL servers with attributes and commands, bindings and reports."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from radios.emulators import zcl
from radios.emulators.air import COORDINATOR, ROUTER_CAPABILITY, Air, AirFrame
from radios.emulators.attributes import MAX_PAYLOAD, Attribute, read_attributes, write_attributes
from radios.emulators.device_object import LEAVE, DeviceObject
from radios.emulators.zcl import Value

TICK_S = 1.0
"""Reports are looked at so often, in the device's own time."""
MAX_REPORTS = 32
"""Of a small device; one more is refused, as theirs are."""
DUPLICATES_KNOWN = 16
"""Frames whose repetition is known."""
HOME_AUTOMATION, SMART_ENERGY = 0x0104, 0x0109
KEY_ESTABLISHMENT = 0x0800
SECURED_CLUSTERS = frozenset((0x000A, 0x0700, 0x0701, 0x0702, 0x0703, 0x0704, 0x0705))
"""Of Smart Energy: only with the link key."""
KEY_SEARCH_S, KEY_SEARCH_AGAIN_S, KEY_SEARCHES = 0.3, 2.5, 5
"""From joining to the search for key establishment; from one to the next, and how many."""
KEY_ESTABLISHMENT_S = 0.4
_GET, _SET_AT_MOST = 0, 1


CommandHandler = Callable[[bytes], "int | tuple[int, bytes]"]
"""Takes the payload; gives a ZCL status, or a response command with its payload."""
Listener = Callable[[AirFrame, zcl.Header, bytes], "int | tuple[int, bytes] | None"]
"""Takes a command and who sent it; gives what a `CommandHandler` gives, or None: nothing is to be answered."""


@dataclass(slots=True)
class Cluster:
    """One side of a cluster, the server's unless said otherwise."""

    attributes: dict[int, Attribute] = field(default_factory=dict)
    commands: dict[int, CommandHandler] = field(default_factory=dict)
    manufacturer: dict[tuple[int, int], Attribute] = field(default_factory=dict)
    """(manufacturer code, attribute) of the maker's own."""
    hear: Listener | None = None
    """Told of cluster commands that `commands` lacks, and of the other side's answers and reports."""


@dataclass(slots=True)
class Endpoint:
    """A simple descriptor and the servers behind it."""

    device_type: int
    servers: dict[int, Cluster]
    clients: tuple[int, ...] = ()
    client_sides: dict[int, Cluster] = field(default_factory=dict)
    """Of those of the clients that want anything."""
    profile: int = HOME_AUTOMATION
    server_order: tuple[int, ...] = ()
    """As the simple descriptor lists them; default: as declared."""

    @property
    def listed(self) -> tuple[int, ...]:
        """Server clusters of the simple descriptor."""
        return self.server_order or tuple(self.servers)


@dataclass(slots=True)
class Report:
    """A configured report."""

    type: int
    minimum: float
    maximum: float
    change: float
    told: Value | None = None
    told_at: float = 0.0
    is_new: bool = True


ReportKey = tuple[int, int, int, int | None]
"""Endpoint, cluster, attribute, manufacturer."""


class EmulatedDevice:
    """A station on the air. Subclasses declare endpoints in `build` and may act in `tick`."""

    kind = "device"
    manufacturer, model = "Example", "device"
    manufacturer_code = 0x1234
    capability = ROUTER_CAPABILITY
    power_source = 0x01
    poll_s = 0.0
    """See `air.Place`."""

    def __init__(self, ieee: int, seed: int, model_time: Callable[[], float], speed: float = 1.0) -> None:
        """`model_time()` is the home's time in seconds, whose remainder by 86 400 is the time of day."""
        self.ieee, self.seed = ieee, seed
        self.model_time, self.speed = model_time, speed
        self.air: Air | None = None
        self.short = 0xFFFF
        self.endpoints: dict[int, Endpoint] = {}
        self.bindings: list[tuple[int, int, int, int]] = []
        """Endpoint, cluster, target's extended address, target's endpoint."""
        self.reports: dict[ReportKey, Report] = {}
        self.groups: dict[int, set[int]] = {}
        """Groups that each endpoint is in."""
        self.identify_until = 0.0
        self.heard: list[AirFrame] = []
        """The last frames that reached it, for those who watch."""
        self.link_key: bytes | None = None
        """With the coordinator: the one that it joins with, until another is established."""
        self.is_authenticated = False
        """Keys are established with the coordinator."""
        self._counter = self._tsn = 0
        self._asked = 0
        self._key_search: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._known: deque[tuple[int, int, int | None]] = deque(maxlen=DUPLICATES_KNOWN)
        self._object = DeviceObject(self)
        self.build()

    def build(self) -> None:
        """Declare endpoints."""
        raise NotImplementedError

    def tick(self) -> None:
        """Once a second of its own time, while it is on the network."""

    def shown(self) -> dict[str, object]:
        """What it knows, for those who look on."""
        return {}

    # -- on the network ----------------------------------------------------------------------------------------------

    @property
    def is_joined(self) -> bool:
        """Whether it is on a network."""
        return self.air is not None

    def network_joined(self, air: Air, short: int) -> None:
        """See `air.Station`."""
        self.air, self.short = air, short
        air.places[self.ieee].poll_s = self.poll_s
        self._asked = 0
        self._arm()
        if self.is_authenticated:
            asyncio.get_running_loop().call_later(KEY_SEARCH_S / self.speed, self._is_back, air)
        elif self.link_key is not None:
            asyncio.get_running_loop().call_later(KEY_SEARCH_S / self.speed, self._search_keys, air)

    def authenticated(self) -> None:
        """Keys are established with the coordinator, or it is on its network again and has them."""

    def _is_back(self, air: Air) -> None:
        if self.air is air and self.is_authenticated:
            self.authenticated()

    def network_left(self, *, rejoin: bool) -> None:
        """See `air.Station`. A device that left forgets what was bound and configured."""
        self.air, self.short = None, 0xFFFF
        self.is_authenticated = self.is_authenticated and rejoin
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not rejoin:
            self.bindings.clear()
            self.reports.clear()
            self.groups.clear()

    def _search_keys(self, air: Air) -> None:
        """Ask the coordinator for its key establishment endpoint, again while it does not say."""
        if self.air is not air or self.is_authenticated or self._asked >= KEY_SEARCHES:
            return
        self._asked += 1
        body = struct.pack("<BHHBHB", self.next_tsn(), COORDINATOR, SMART_ENERGY, 1, KEY_ESTABLISHMENT, 0)
        self._send(0, 0, 0, 0x0006, body, COORDINATOR)
        host = air.coordinator is not None and air.coordinator.leaves_keys_to_host
        pause = KEY_SEARCH_AGAIN_S / (1.0 if host else self.speed)  # a host does not live faster than its people
        if self._key_search is not None:
            self._key_search.cancel()
        self._key_search = asyncio.get_running_loop().call_later(pause, self._search_keys, air)

    def search_no_keys(self) -> None:
        """It was told to wait, or that there will be none."""
        self._asked = KEY_SEARCHES
        if self._key_search is not None:
            self._key_search.cancel()
            self._key_search = None

    def search_keys_again(self) -> None:
        """Establishing keys has failed, and may not fail another time."""
        if self.air is not None and not self.is_authenticated:
            self._asked = 0
            self._search_keys(self.air)

    def establish_keys(self, endpoint: int) -> bool:
        """Establish keys with the coordinator's host by messages to its endpoint; False: it has no certificate."""
        del endpoint
        return False

    def _found_keys(self, answer: bytes) -> None:
        """The coordinator has such an endpoint: keys are established."""
        if self.air is None or self.is_authenticated or len(answer) < 5 or answer[0] != 0 or answer[3] == 0:
            return
        if self._key_search is None:
            return  # it came late: nothing is looked for any more
        air = self.air
        if air.coordinator is not None and air.coordinator.leaves_keys_to_host and self.establish_keys(answer[4]):
            return

        def established() -> None:
            if self.air is air and not self.is_authenticated and air.coordinator is not None:
                self.is_authenticated = air.coordinator.authenticate(self.ieee)
                self._is_back(air)

        asyncio.get_running_loop().call_later(KEY_ESTABLISHMENT_S / self.speed, established)

    def set_power(self, on: bool) -> None:
        """Pull its plug, or put it back."""
        if self.air is not None:
            self.air.places[self.ieee].power = on

    @property
    def has_power(self) -> bool:
        """It is on the network, and on."""
        return self.air is not None and self.air.places[self.ieee].power

    def has_keys_with(self, short: int) -> bool:
        """Whether keys are established with whoever has a network address; a device has them with its trust centre."""
        del short
        return self.is_authenticated

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        # Devices are not in step with each other.
        self._timer = loop.call_later(TICK_S / self.speed * (0.5 + (self.seed % 97) / 97), self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self.air is None:
            return
        if self.has_power:
            self.tick()
            self._send_reports()
        self._arm()

    # -- out -----------------------------------------------------------------------------------------------------------

    def next_tsn(self) -> int:
        """A transaction number."""
        self._tsn = (self._tsn + 1) & 0xFF
        return self._tsn

    def say(self, endpoint: int, cluster: int, payload: bytes, *, to: int = COORDINATOR, to_endpoint: int = 1) -> None:
        """Send a ZCL frame."""
        profile = self.endpoints[endpoint].profile if endpoint in self.endpoints else HOME_AUTOMATION
        self._send(endpoint, to_endpoint, profile, cluster, payload, to)

    def _send(self, endpoint: int, to_endpoint: int, profile: int, cluster: int, payload: bytes, to: int) -> None:
        if self.air is None:
            return
        self._counter = (self._counter + 1) & 0xFF
        self.air.transmit(
            AirFrame(
                source=self.short,
                destination=to,
                source_endpoint=endpoint,
                destination_endpoint=to_endpoint,
                profile=profile,
                cluster=cluster,
                payload=payload,
                counter=self._counter,
                encrypted=profile == SMART_ENERGY and cluster in SECURED_CLUSTERS and self.has_keys_with(to),
            )
        )

    def report_now(self, endpoint: int, cluster: int, *attributes: int, manufacturer: int | None = None) -> None:
        """Report attributes by itself, configured or not."""
        found = self._cluster(endpoint, cluster)
        records = b""
        for attribute in attributes:
            row = (
                found.manufacturer[manufacturer, attribute] if manufacturer is not None else found.attributes[attribute]
            )
            records += struct.pack("<HB", attribute, row.type) + zcl.pack(row.type, row.get())
        self.say(endpoint, cluster, zcl.frame(self.next_tsn(), zcl.REPORT, records, manufacturer=manufacturer))

    def changed(self) -> None:
        """Something changed that a device tells at once, not with the next second."""
        if self.has_power:
            self._send_reports()

    def _cluster(self, endpoint: int, cluster: int) -> Cluster:
        return self.endpoints[endpoint].servers[cluster]

    def _attribute(self, endpoint: int, cluster: int, attribute: int, manufacturer: int | None) -> Attribute | None:
        place = self.endpoints.get(endpoint)
        found = place.servers.get(cluster) if place is not None else None
        if found is None:
            return None
        if manufacturer is not None:
            return found.manufacturer.get((manufacturer, attribute))
        return found.attributes.get(attribute)

    def _send_reports(self) -> None:
        now = asyncio.get_running_loop().time() * self.speed
        due: dict[tuple[int, int, int | None], list[tuple[int, Report, Value | None]]] = {}
        for (endpoint, cluster, attribute, manufacturer), report in self.reports.items():
            row = self._attribute(endpoint, cluster, attribute, manufacturer)
            if row is None:
                continue
            value = row.get()
            elapsed = now - report.told_at
            is_time = report.is_new or (0 < report.maximum < 0xFFFF and elapsed >= report.maximum)
            if is_time or (elapsed >= report.minimum and _differs(report, value)):
                due.setdefault((endpoint, cluster, manufacturer), []).append((attribute, report, value))
        for (endpoint, cluster, manufacturer), rows in due.items():
            targets = [target for target in self.bindings if target[:2] == (endpoint, cluster)]
            if not targets:
                continue
            records = b""
            for attribute, report, value in rows:
                record = struct.pack("<HB", attribute, report.type) + zcl.pack(report.type, value)
                if len(records) + len(record) > MAX_PAYLOAD:
                    break
                records += record
                report.told, report.told_at, report.is_new = value, now, False
            body = zcl.frame(self.next_tsn(), zcl.REPORT, records, manufacturer=manufacturer)
            for _, _, target, target_endpoint in targets:
                short = self.air.short_of(target) if self.air is not None else None
                if short is not None:
                    self.say(endpoint, cluster, body, to=short, to_endpoint=target_endpoint)

    # -- in ------------------------------------------------------------------------------------------------------------

    def can_read(self, frame: AirFrame) -> bool:
        """See `air.Station`."""
        return not frame.encrypted or self.has_keys_with(frame.source)

    def receive(self, frame: AirFrame) -> None:
        """See `air.Station`. Whatever arrives, nothing breaks."""
        if frame.ack:
            # A stick that was reset begins its APS counter anew; that of its network layer is in flash.
            number = frame.source, frame.counter, frame.network_counter
            if number in self._known:
                return
            self._known.append(number)
        self.heard.append(frame)
        del self.heard[:-32]
        try:
            if frame.group is not None:
                for endpoint, groups in self.groups.items():
                    if frame.group in groups:
                        self._zcl(frame, endpoint)
            elif frame.profile == 0 and frame.destination_endpoint == 0:
                self._zdo(frame)
            elif frame.destination_endpoint == 0xFF:
                for endpoint in self.endpoints:
                    self._zcl(frame, endpoint)
            elif frame.destination_endpoint in self.endpoints:
                self._zcl(frame, frame.destination_endpoint)
        except (zcl.BadFrameError, struct.error, IndexError):
            pass  # not even a header that could be answered to

    def _zcl(self, frame: AirFrame, endpoint: int) -> None:
        header, payload = zcl.read_header(frame.payload)
        place = self.endpoints[endpoint]
        found = (place.client_sides if header.to_client else place.servers).get(frame.cluster)
        if header.to_client and found is None:
            return  # it has no such client that wants anything
        if not header.is_cluster and header.command in zcl.ANSWERS:
            if found is not None and found.hear is not None and not self._is_open_secret(frame):
                found.hear(frame, header, payload)
            return  # never answered, whatever it is about
        answer: bytes | None = None
        try:
            if self._is_open_secret(frame):
                status = zcl.NOT_AUTHORIZED
            elif found is None:
                status = zcl.UNSUPPORTED_CLUSTER
            elif header.is_cluster:
                status, answer = self._command(found, frame, header, payload)
            else:
                status, answer = self._general(endpoint, found, frame, header, payload)
        except (zcl.BadFrameError, struct.error, IndexError):
            status, answer = zcl.MALFORMED, None
        is_unicast = frame.destination < 0xFFF8 and frame.group is None
        if answer is None and is_unicast and (status != zcl.SUCCESS or not header.quiet):
            answer = zcl.default_response(header, status)
        if answer:
            self.say(endpoint, frame.cluster, answer, to=frame.source, to_endpoint=frame.source_endpoint)

    def _is_open_secret(self, frame: AirFrame) -> bool:
        """A frame that ought to have been encrypted."""
        return frame.profile == SMART_ENERGY and frame.cluster in SECURED_CLUSTERS and not frame.encrypted

    def _command(self, found: Cluster, frame: AirFrame, header: zcl.Header, payload: bytes) -> tuple[int, bytes | None]:
        handler = found.commands.get(header.command)
        if header.manufacturer is not None:
            return zcl.UNSUP_MANUF_CLUSTER, None
        if handler is not None:
            result: int | tuple[int, bytes] | None = handler(payload)
        elif found.hear is not None:
            result = found.hear(frame, header, payload)
        else:
            return zcl.UNSUP_CLUSTER_COMMAND, None
        if result is None:
            return zcl.SUCCESS, b""
        if isinstance(result, int):
            return result, None
        command, body = result
        return zcl.SUCCESS, zcl.frame(header.tsn, command, body, is_cluster=True, to_client=not header.to_client)

    def _general(
        self, endpoint: int, found: Cluster, frame: AirFrame, header: zcl.Header, payload: bytes
    ) -> tuple[int, bytes | None]:
        cluster, code = frame.cluster, header.manufacturer

        def back(command: int, body: bytes) -> tuple[int, bytes | None]:
            to_client = not header.to_client
            return zcl.SUCCESS, zcl.frame(header.tsn, command, body, to_client=to_client, manufacturer=code)

        def look(attribute: int) -> Attribute | None:
            return found.manufacturer.get((code, attribute)) if code is not None else found.attributes.get(attribute)

        match header.command:
            case zcl.READ:
                return back(zcl.READ_RESPONSE, read_attributes(payload, look))
            case zcl.WRITE | zcl.WRITE_UNDIVIDED | zcl.WRITE_QUIETLY:
                answer = write_attributes(payload, look, undivided=header.command == zcl.WRITE_UNDIVIDED)
                return (zcl.SUCCESS, b"") if header.command == zcl.WRITE_QUIETLY else back(zcl.WRITE_RESPONSE, answer)
            case zcl.CONFIGURE | zcl.READ_CONFIGURATION if header.to_client:
                pass  # clients report nothing
            case zcl.CONFIGURE:
                return back(zcl.CONFIGURE_RESPONSE, self._configure(endpoint, cluster, code, payload, look))
            case zcl.READ_CONFIGURATION:
                return back(zcl.READ_CONFIGURATION_RESPONSE, self._configuration(endpoint, cluster, code, payload))
            case zcl.DISCOVER | zcl.DISCOVER_EXTENDED:
                return self._discover(found, header, payload)
            case zcl.REPORT:
                if found.hear is not None:
                    found.hear(frame, header, payload)
                return zcl.SUCCESS, b""
        return (zcl.UNSUP_GENERAL_COMMAND if code is None else zcl.UNSUP_MANUF_GENERAL), None

    def _configure(
        self,
        endpoint: int,
        cluster: int,
        code: int | None,
        payload: bytes,
        look: Callable[[int], Attribute | None],
    ) -> bytes:
        failed, at = b"", 0
        while at < len(payload):
            direction, attribute = struct.unpack_from("<BH", payload, at)
            at += 3
            if direction == _SET_AT_MOST:
                at += 2
                continue
            type_id, least, most = struct.unpack_from("<BHH", payload, at)
            at += 5
            change: Value = 0
            if type_id in zcl.ANALOG:
                change, at = zcl.unpack(type_id, payload, at)
            row = look(attribute)
            status = zcl.SUCCESS
            if row is None:
                status = zcl.UNSUPPORTED_ATTRIBUTE
            elif not row.reportable:
                status = zcl.UNREPORTABLE
            elif row.type != type_id:
                status = zcl.INVALID_TYPE
            elif 0 < most < least:
                status = zcl.INVALID_VALUE
            key = (endpoint, cluster, attribute, code)
            if status == zcl.SUCCESS:
                if most == 0xFFFF:
                    self.reports.pop(key, None)
                elif key not in self.reports and len(self.reports) >= MAX_REPORTS:
                    status = zcl.INSUFFICIENT_SPACE
                else:
                    least_change = float(change) if isinstance(change, int | float) else 0.0
                    self.reports[key] = Report(type_id, least, most, least_change)
            if status != zcl.SUCCESS:
                failed += struct.pack("<BBH", status, direction, attribute)
        return failed or b"\x00"

    def _configuration(self, endpoint: int, cluster: int, code: int | None, payload: bytes) -> bytes:
        body = b""
        for at in range(0, len(payload) - 2, 3):
            direction, attribute = struct.unpack_from("<BH", payload, at)
            report = self.reports.get((endpoint, cluster, attribute, code))
            if report is None:
                known = self._attribute(endpoint, cluster, attribute, code) is not None
                body += struct.pack("<BBH", zcl.NOT_FOUND if known else zcl.UNSUPPORTED_ATTRIBUTE, direction, attribute)
                continue
            body += struct.pack(
                "<BBHBHH", 0, direction, attribute, report.type, int(report.minimum), int(report.maximum)
            )
            if report.type in zcl.ANALOG:
                body += zcl.pack(report.type, report.change)
        return body

    def _discover(self, found: Cluster, header: zcl.Header, payload: bytes) -> tuple[int, bytes | None]:
        first, most = struct.unpack_from("<HB", payload)
        rows: Mapping[int, Attribute] = found.attributes
        if header.manufacturer is not None:
            rows = {
                attribute: row for (code, attribute), row in found.manufacturer.items() if code == header.manufacturer
            }
        ids = sorted(attribute for attribute in rows if attribute >= first)
        extended = header.command == zcl.DISCOVER_EXTENDED
        shown = ids[: min(most, MAX_PAYLOAD // (4 if extended else 3))]
        body = bytes((len(shown) == len(ids),))
        for attribute in shown:
            row = rows[attribute]
            body += struct.pack("<HB", attribute, row.type)
            if extended:
                body += bytes((1 | (2 if row.writable else 0) | (4 if row.reportable else 0),))
        command = zcl.DISCOVER_EXTENDED_RESPONSE if extended else zcl.DISCOVER_RESPONSE
        back = zcl.frame(header.tsn, command, body, to_client=not header.to_client, manufacturer=header.manufacturer)
        return zcl.SUCCESS, back

    # -- device objects ------------------------------------------------------------------------------------------------

    def _zdo(self, frame: AirFrame) -> None:
        tsn, body = frame.payload[0], frame.payload[1:]
        if frame.cluster & 0x8000:
            if frame.cluster == 0x8006 and frame.source == COORDINATOR:
                self._found_keys(body)
            self.object_answered(frame.cluster, tsn, body)
            return
        answer = self._object.answer(frame.cluster, body, is_broadcast=frame.destination >= 0xFFF8)
        if answer is not None:
            self._send(0, 0, 0, frame.cluster | 0x8000, bytes((tsn,)) + answer, frame.source)
            if frame.cluster == LEAVE and answer[0] == 0:
                self._leave(rejoin=bool(body[8] & 0x80) if len(body) > 8 else False)

    def object_answered(self, cluster: int, tsn: int, body: bytes) -> None:
        """Another device object answered; `body` without the transaction number."""

    def _leave(self, *, rejoin: bool) -> None:
        air = self.air
        if air is None:
            return
        # Once its answer is out.
        asyncio.get_running_loop().call_later(
            4 * air.delay_s, lambda: self._gone(air, rejoin=rejoin) if self.air is air else None
        )

    def _gone(self, air: Air, *, rejoin: bool) -> None:
        air.drop(self.ieee, rejoin=rejoin, told=True)
        if rejoin:
            air.join(self, rejoin=True)


def _differs(report: Report, value: Value | None) -> bool:
    told = report.told
    if isinstance(told, int | float) and isinstance(value, int | float) and report.type in zcl.ANALOG:
        return value != told and abs(value - told) >= report.change
    return value != told

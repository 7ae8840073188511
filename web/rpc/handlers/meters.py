"""Requests beyond the manual: what meters keep, faster updates, our certificate."""

from __future__ import annotations

from hub.errors import UnsupportedError, ZclStatusError
from hub.hub import Hub
from hub.smart_energy.utc import to_utc
from hub.zigbee.direct import Target
from hub.zigbee.model import CertificateStatus, Side
from hub.zigbee.ways import RawCommand
from protocols.certificate import DeviceCertificate
from protocols.errors import CodecError, RangeError
from protocols.se.metering import CLUSTER, GetProfile, GetProfileResponse, IntervalChannel
from protocols.zcl.general import DefaultResponse
from protocols.zcl.header import FrameType
from web.rpc import fields
from web.rpc.check import Checked
from web.rpc.engine import Handler, conversation_failed
from web.rpc.handlers.targets import Targets, conversing, device_id, told
from web.rpc.types import ValueRefusedError
from web.rpc.values import Mac, Octets, Values

USABLE, MISSING, UNUSABLE = 0, 1, 2
"""Status of our certificate."""
_PARTS = {
    "CA Public Key": "ca_public_key",
    "Device Implicit Cert": "implicit_certificate",
    "Device Private Key": "private_key",
}


class Meters:
    """Handlers of requests that the gateway did not have."""

    def __init__(self, hub: Hub, targets: Targets) -> None:
        self._hub, self._targets = hub, targets

    def handlers(self) -> dict[str, Handler]:
        """By the names of their requests."""
        return {
            "get_profile": self.get_profile,
            "request_fast_poll": self.request_fast_poll,
            "get_certificate_info": self.get_certificate_info,
            "install_certificate": self.install_certificate,
        }

    # -- meters --------------------------------------------------------------------------------------------------

    def _meter(self, given: Values) -> Target:
        """The metering cluster of a device; on its first endpoint that has one, where none is named."""
        if given.get("destination_endpoint_id") is None:
            ieee = fields.device(given, "destination_address")
            places = self._hub.networks.member(device_id(ieee)).servers(CLUSTER)
            if not places:
                raise UnsupportedError(f"{Mac.of(ieee)} is no meter: it has no Metering cluster")
            given = {**given, "destination_endpoint_id": places[0]}
        return self._targets.target(given, cluster=CLUSTER, side=Side.SERVER)

    def _answer(self, target: Target) -> Values:
        return {
            "source_address": Mac.of(target.member.ieee),
            "source_endpoint_id": target.endpoint,
            "destination_endpoint_id": target.source_endpoint,
        }

    async def get_profile(self, request: Checked) -> Values:
        """What a meter has counted in its last intervals, as it tells it."""
        given = request.arguments
        target = self._meter(given)
        asked = GetProfile(
            IntervalChannel(fields.number(given, "interval_channel")),
            fields.number(given, "end_time"),
            fields.number(given, "number_of_periods"),
        )
        raw = RawCommand(
            command=asked.COMMAND,
            payload=asked.encode(),
            response=(FrameType.CLUSTER, GetProfileResponse.COMMAND),
            confirm=False,
        )
        with conversing(target):
            found = await self._hub.direct.command(target, raw)
            if found.header.frame_type is FrameType.GENERAL:
                status = DefaultResponse.decode(found.payload).status
                raise ZclStatusError("profile", status, status.name)
        try:
            profile = GetProfileResponse.decode(found.payload)
        except CodecError as error:
            where = target.place
            cause = f"the answer cannot be read: {error}"
            raise conversation_failed(where.ieee, where.endpoint, where.profile, where.cluster, cause) from None
        answer: Values = {**self._answer(target), "status": int(profile.status)}
        if profile.status == USABLE:
            answer |= {
                "end_time": profile.end_time,
                "profile_interval_period": int(profile.interval),
                "interval_list": list(profile.intervals),
            }
        return answer

    async def request_fast_poll(self, request: Checked) -> Values:
        """Ask a meter for faster updates, and read it as often as it grants."""
        given = request.arguments
        target = self._meter(given)
        with told():
            status = await self._hub.fast_polls.begin(
                target.member.device_id,
                fields.number(given, "fast_poll_update_period"),
                fields.number(given, "duration_in_minutes"),
                target.endpoint,
            )
        return {
            **self._answer(target),
            "status": 0,
            "applied_update_period": status.period_s,
            "fast_poll_mode_end_time": to_utc(status.ends_at),
        }

    # -- our certificate -----------------------------------------------------------------------------------------

    async def get_certificate_info(self, request: Checked) -> Values:
        """Our certificate; never its private key."""
        return _certificate(await self._hub.certificates.status(self._targets.radio()))

    async def install_certificate(self, request: Checked) -> Values:
        """Take another certificate. Raises `ValueRefusedError` for one that is not ours, or none."""
        given = request.arguments
        try:
            parts = [fields.octets(given, name).data for name in _PARTS.values()]
            text = DeviceCertificate(*parts).to_text()
        except RangeError as error:
            raise ValueRefusedError(
                _PARTS.get(error.field, "implicit_certificate"), str(error.value), error.allowed
            ) from None
        with told(lambda name: _PARTS.get(name, "implicit_certificate")):
            return _certificate(await self._hub.certificates.install(self._targets.radio(), text))


def _certificate(status: CertificateStatus) -> Values:
    facts = next(iter(status.certificates), None)
    code = USABLE if status.installed else UNUSABLE if status.problems else MISSING
    found: Values = {"status": code}
    if facts is not None:
        if facts.is_test is not None:
            found["kind"] = "test" if facts.is_test else "production"
        if facts.issuer is not None:
            found["issuer"] = Octets(facts.issuer)
        found["subject"] = Mac.of(facts.subject)
    return found

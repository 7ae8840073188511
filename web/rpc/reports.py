"""Attributes that devices report, told to clients without being asked for: `attribute_report`, one for each attribute.

What the hub reads in place of reports (pseudo reporting) is told the same way (CPX2-SE, Attribute Reporting).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from hub.bus import SubscriberLaggedError
from hub.events import AttributesReported
from hub.hub import Hub
from hub.zigbee.member import Member, key_of
from hub.zigbee.model import AttributeValue
from web.rpc.engine import Engine
from web.rpc.handlers.targets import number_of
from web.rpc.handlers.zcl_values import told
from web.rpc.response import Response
from web.rpc.values import Mac, Record, Values

log = logging.getLogger(__name__)

REPORT = "attribute_report"
_REPORTED = ("report", "pseudo")
"""Sources of values that come by themselves, or as if they did."""


def responses(hub: Hub, event: AttributesReported) -> Iterator[Response]:
    """What there is to say of an event."""
    member = hub.household.find(event.device_id)
    if member is not None:
        for value in event.attributes:
            if value.source in _REPORTED and value.data_type is not None and value.status == 0:
                yield Response(REPORT, _report(hub, member, value))


def _report(hub: Hub, member: Member, value: AttributeValue) -> Values:
    network, row = hub.household.network_of(member), member.reporting.get(key_of(value))
    profile = member.profile(value.endpoint) or 0
    found: Values = {
        "cluster_id": value.cluster,
        "server_or_client": number_of(value.side),
        "profile_id": profile,
        "source_endpoint_id": value.endpoint,
    }
    to_endpoint = row.to_endpoint if row is not None else None
    if to_endpoint is None and network is not None:
        to_endpoint = network.own_endpoint(profile)
    if to_endpoint is not None:
        found["destination_endpoint_id"] = to_endpoint
    found["source_address"] = Mac.of(member.ieee)
    if value.manufacturer is not None:
        found["manufacturer_code"] = value.manufacturer
    found["record"] = Record(
        "AttributeReportRecord",
        {
            "attribute_id": value.attribute,
            "attribute_type": value.data_type,
            "value": told(value.value, value.data_type),
        },
    )
    return found


async def tell_reports(hub: Hub, engine: Engine) -> None:
    """Have the engine tell what is reported, for ever."""
    while True:
        async with hub.bus.subscribe(AttributesReported) as events:
            try:
                async for event in events:
                    for response in responses(hub, event):
                        engine.unsolicited(response)
            except SubscriberLaggedError:
                log.warning("reports were missed: more came than could be told")

"""The gateway's interface classes: which requests each brings."""

from __future__ import annotations

from collections.abc import Mapping

from web.rpc.declare import Chapter

_SE_INTERFACE = "RPC_SE_Interface"
INTERFACES: Mapping[Chapter, tuple[str, str]] = {
    Chapter.GENERAL: ("RPC_General_Interface", "the hub itself: registry, modules, versions, time"),
    Chapter.ZIGBEE: ("RPC_ZigBee_Interface", "the network and its devices"),
    Chapter.ZCL: ("RPC_ZCL_Interface", "attributes, reports and commands of clusters"),
    Chapter.DRLC: (_SE_INTERFACE, "Smart Energy: demand response, messages and prices"),
    Chapter.MESSAGING: (_SE_INTERFACE, "Smart Energy: demand response, messages and prices"),
    Chapter.PRICE: (_SE_INTERFACE, "Smart Energy: demand response, messages and prices"),
    Chapter.ALIASING: ("RPC_Manager", "requests, aliases, responses"),
}
"""The gateway's interface classes, by the chapters whose requests they bring; a module has the name of its class."""

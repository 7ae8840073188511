"""General requests and responses, and aliases (CPX2-SE, Appendix A)."""

from __future__ import annotations

from dataclasses import replace

from web.roles import Role
from web.rpc.declare import Chapter, Outcome, Param, RequestRow, ResponseRow
from web.rpc.rows.shared import ENCRYPTED, OPTIONAL, optional
from web.rpc.types import (
    ANY,
    BOOL,
    NAME,
    NONE,
    SERVER_OR_CLIENT,
    TEXT,
    U4,
    U8,
    U16,
    XML,
    Kind,
    Type,
    dict_of,
    list_of,
    of,
    one_of,
)

_C = Chapter.GENERAL
SETTING = of(Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.STRING, Kind.NONE)
VERSION_MODULE = "Version"
"""The module whose version is that of the whole."""
_MODULE = Param("module_name", NAME, "name of the module, without what its file's name ends in")
_INTERFACE = Param("interface_class", NAME, "name of the interface class")
_ENDPOINT_CLASS = Param("endpoint_class", NAME, "name of the endpoint class")
_ENDPOINT = Param("endpoint_id", U8, "endpoint")
_CLUSTER_CLASS = Param("cluster_class", NAME, "name of the cluster class")
_CLUSTER = Param("cluster_id", U16, "identifier of the cluster; the class may have one", OPTIONAL)
_SIDE = Param("server_or_client", SERVER_OR_CLIENT, "side of the cluster; the class may have one", OPTIONAL)
_UTC_1970 = Param("UTC_1970", Type(kinds=(Kind.INT,), minimum=0, maximum=0x1_386D_437F), "seconds since 1970 UTC")
_UTC_2000 = Param("UTC_2000", Type(kinds=(Kind.INT,), minimum=0, maximum=0xFFFFFFFF), "seconds since 2000 UTC")
SEVERITIES = {0: "debug", 1: "warning", 2: "error"}


_REGISTRY_FIELDS = (
    Param("name", TEXT, "name of the entry"),
    Param("value", SETTING, "its value now"),
    Param("description", TEXT, "what it does"),
)


def _class_fields(what: str) -> tuple[Param, Param, Param]:
    return (
        Param("name", TEXT, f"name of the {what}"),
        Param("module", TEXT, "module that it is from"),
        Param("description", TEXT, "what it is or does"),
    )


_TOPICS = (
    ("registry", "entries of the registry"),
    ("methods", "requests that can be made now"),
    ("interfaces", "classes of interfaces"),
    ("endpoints", "classes of endpoints"),
    ("clusters", "classes of clusters"),
    ("records", "classes of records"),
    ("paths", "directories that modules are looked for in, beside the usual ones"),
)

REQUESTS = (
    RequestRow(
        "registry_configuration",
        _C,
        "Tells an entry of the registry, or sets it. Makes no new ones.",
        (
            Param("name", NAME, "name of the entry"),
            Param("value", SETTING, "value to set; without it the entry is told", OPTIONAL),
        ),
        response="registry_configuration_response",
        role=Role.VIEWER,
        role_with={"value": Role.ADMIN},
        is_quick=True,
    ),
    RequestRow(
        "add_module",
        _C,
        "Loads a module of the hub's module directory: its classes can be used at once, and after the next start.",
        (_MODULE,),
        response="add_module_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "remove_module",
        _C,
        "Does not load a module at the next start. What it brought stays until then.",
        (_MODULE,),
        response="remove_module_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "add_interface",
        _C,
        "Makes an interface of a class: its methods are requests from now on, and after the next start.",
        (_INTERFACE,),
        response="add_interface_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "remove_interface",
        _C,
        "Takes an interface away, and its requests with it.",
        (_INTERFACE,),
        response="remove_interface_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "add_endpoint",
        _C,
        "Makes an endpoint of a class here, with the clusters that its class has.",
        (
            _ENDPOINT_CLASS,
            replace(_ENDPOINT, default=OPTIONAL, meaning="endpoint; the next free one if none is given"),
            Param("profile_id", U16, "its profile; the class may have one", OPTIONAL),
            Param("device_id", U16, "which device of the profile it is", OPTIONAL),
            Param("device_version", U4, "version of that device", OPTIONAL),
        ),
        response="add_endpoint_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "remove_endpoint",
        _C,
        "Takes an endpoint away that was added, and its clusters with it.",
        (_ENDPOINT,),
        response="remove_endpoint_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "add_cluster",
        _C,
        "Makes a cluster of a class on an endpoint here.",
        (_ENDPOINT, _CLUSTER_CLASS, _CLUSTER, _SIDE, optional(ENCRYPTED)),
        response="add_cluster_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "remove_cluster",
        _C,
        "Takes a cluster away that was added, by its class or by its identifier and side.",
        (_ENDPOINT, optional(_CLUSTER_CLASS), _CLUSTER, _SIDE),
        response="remove_cluster_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "get_version",
        _C,
        "Tells the version of a module, or of the whole.",
        (replace(_MODULE, default=VERSION_MODULE),),
        response="get_version_response",
        role=Role.VIEWER,
        is_quick=True,
    ),
    RequestRow(
        "help",
        _C,
        "Lists what there is, of each kind that is named; without any, which kinds there are.",
        tuple(Param(name, NONE, f"list {what}", OPTIONAL) for name, what in _TOPICS),
        response="help_response",
        role=Role.VIEWER,
        is_quick=True,
    ),
    RequestRow("exit", _C, "Ends the program. Has no response.", role=Role.ADMIN),
    RequestRow(
        "get_time",
        _C,
        "Tells the time here.",
        response="get_time_response",
        role=Role.VIEWER,
        is_quick=True,
    ),
    RequestRow(
        "set_time",
        _C,
        "Sets the time here, from either of the two epochs.",
        (replace(_UTC_1970, default=OPTIONAL), replace(_UTC_2000, default=OPTIONAL)),
        response="set_time_response",
        role=Role.ADMIN,
    ),
    RequestRow(
        "resync_time",
        _C,
        "Takes the time from its source, NTP or a Time cluster, now.",
        response="resync_time_response",
        role=Role.OPERATOR,
    ),
    RequestRow(
        "add_alias",
        Chapter.ALIASING,
        "Gives XML a name, under which any request can use it. The name is that of the tag.",
        (Param("alias_name", XML, "what the alias stands for; the tag bears the alias's own name"),),
        response="add_alias_response",
        role=Role.OPERATOR,
        is_quick=True,
        has_free_name=True,
    ),
    RequestRow(
        "remove_alias",
        Chapter.ALIASING,
        "Removes an alias. Its name is that of the tag.",
        (Param("alias_name", NONE, "empty; the tag bears the alias's own name"),),
        response="remove_alias_response",
        role=Role.OPERATOR,
        is_quick=True,
        has_free_name=True,
    ),
    RequestRow(
        "list_aliases",
        Chapter.ALIASING,
        "Tells all aliases.",
        response="list_aliases_response",
        role=Role.OPERATOR,  # whoever made one may have put a key into it
        is_quick=True,
    ),
)

RESPONSES = (
    ResponseRow(
        "registry_configuration_response",
        _C,
        "an entry of the registry",
        (
            Param("name", TEXT, "name of the entry"),
            Param(
                "write_status",
                BOOL,
                "whether it was set; only if it was to be",
                OPTIONAL,
                outcome=Outcome((True,), reason="write_errors"),
            ),
            Param("write_errors", TEXT, "why it was not set", OPTIONAL),
            Param("value", SETTING, "its value, or the one that was to be set"),
        ),
    ),
    ResponseRow("add_module_response", _C, "a module was loaded", (_MODULE,)),
    ResponseRow("remove_module_response", _C, "a module was removed", (_MODULE,)),
    ResponseRow("add_interface_response", _C, "an interface was made", (_INTERFACE,)),
    ResponseRow("remove_interface_response", _C, "an interface was removed", (_INTERFACE,)),
    ResponseRow(
        "add_endpoint_response",
        _C,
        "an endpoint was made",
        (
            _ENDPOINT_CLASS,
            _ENDPOINT,
            Param("profile_id", U16, "its profile"),
            Param("device_id", U16, "which device of the profile it is"),
            Param("device_version", U4, "version of that device"),
        ),
    ),
    ResponseRow("remove_endpoint_response", _C, "an endpoint was removed", (_ENDPOINT,)),
    ResponseRow(
        "add_cluster_response",
        _C,
        "a cluster was made",
        (
            _ENDPOINT,
            _CLUSTER_CLASS,
            replace(_CLUSTER, default=_ENDPOINT.default),
            replace(_SIDE, default=_ENDPOINT.default),
            ENCRYPTED,
        ),
    ),
    ResponseRow(
        "remove_cluster_response",
        _C,
        "a cluster was removed",
        (
            _ENDPOINT,
            replace(_CLUSTER_CLASS, default=OPTIONAL, meaning="name of the cluster class, if it was given"),
            replace(_CLUSTER, default=_ENDPOINT.default),
            replace(_SIDE, default=_ENDPOINT.default),
        ),
    ),
    ResponseRow(
        "get_version_response",
        _C,
        "version of a module",
        (
            Param("module_name", TEXT, "name of the module"),
            Param("version", ANY, "its version, as 1.0.0"),
            Param("version_extended", ANY, "what more it says of its version"),
        ),
    ),
    ResponseRow(
        "help_response",
        _C,
        "what there is, of each kind that was named",
        (
            Param("registry", list_of(dict_of(*_REGISTRY_FIELDS)), "entries of the registry", OPTIONAL),
            Param("methods", list_of(dict_of(*_class_fields("request"))), "requests", OPTIONAL),
            Param("interfaces", list_of(dict_of(*_class_fields("class"))), "classes of interfaces", OPTIONAL),
            Param("endpoints", list_of(dict_of(*_class_fields("class"))), "classes of endpoints", OPTIONAL),
            Param("clusters", list_of(dict_of(*_class_fields("class"))), "classes of clusters", OPTIONAL),
            Param("records", list_of(dict_of(*_class_fields("class"))), "classes of records", OPTIONAL),
            Param("paths", list_of(TEXT), "directories with modules", OPTIONAL),
            Param("parameters", list_of(TEXT), "what can be listed, if nothing was named", OPTIONAL, is_ours=True),
        ),
    ),
    ResponseRow(
        "message",
        _C,
        "how the gateway is, and what went wrong",
        (
            Param("severity", one_of(SEVERITIES), "how bad it is", outcome=Outcome((0, 1), reason="description")),
            Param("description", TEXT, "what has happened", OPTIONAL),
            Param("request_identifier", ANY, "of the request that it concerns", OPTIONAL),
        ),
        is_unsolicited=True,
        has_free_names=True,
    ),
    ResponseRow("get_time_response", _C, "the time here", (_UTC_1970, _UTC_2000)),
    ResponseRow("set_time_response", _C, "the time that was set", (_UTC_1970, _UTC_2000)),
    ResponseRow("resync_time_response", _C, "the time was taken from its source"),
    ResponseRow(
        "add_alias_response",
        Chapter.ALIASING,
        "an alias was made",
        (Param("alias_name", TEXT, "name of the alias"),),
    ),
    ResponseRow(
        "remove_alias_response",
        Chapter.ALIASING,
        "an alias was removed",
        (
            Param(
                "alias_name",
                BOOL,
                "whether there was one; the tag bears the alias's own name",
                outcome=Outcome((True,), {0: "there was none"}),
            ),
        ),
        has_free_names=True,
    ),
    ResponseRow(
        "list_aliases_response",
        Chapter.ALIASING,
        "all aliases",
        (Param("alias_list", list_of(XML), "what they stand for; the tags of the items are their names"),),
    ),
)

"""`hubctl radio ...`: the group and its table; each command is in a module of its own."""

from __future__ import annotations

import click

from web.hubctl.lazy import Entry, LazyGroup

COMMANDS = {
    "list": Entry("radio_list:list_", "Find sticks on this machine, and print their lines for hub.toml."),
    "info": Entry("radio_backup:info", "What each radio is and can do."),
    "backup": Entry("radio_backup:backup", "Back up a coordinator now."),
    "backups": Entry("radio_backup:backups", "Backups that the hub keeps."),
    "acknowledge": Entry("radio_backup:acknowledge", "Acknowledge the alarm about a backup."),
    "restore": Entry("radio_backup:restore", "Have a stick be as in a backup."),
    "replace": Entry("radio_backup:replace", "Have a new stick take the network of the old one."),
}


@click.group(cls=LazyGroup, table=COMMANDS, no_args_is_help=True)
def radio() -> None:
    """Radios, by their names in hub.toml."""

"""`hubctl completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """The completion script of a shell: commands, options, names of devices.

    \b
    bash:  hubctl completion bash > ~/.local/share/bash-completion/completions/hubctl
    zsh:   hubctl completion zsh > ~/.zfunc/_hubctl     (with ~/.zfunc in $fpath)
    fish:  hubctl completion fish > ~/.config/fish/completions/hubctl.fish
    """
    from click.shell_completion import get_completion_class

    from web.hubctl.root import COMPLETION_VARIABLE

    root = ctx.find_root()
    kind: type[ShellComplete] | None = get_completion_class(shell)
    assert kind is not None, shell
    made = kind(root.command, {}, root.info_name or "hubctl", COMPLETION_VARIABLE)
    # Not source(): for bash that starts a bash to ask its version, which need not be on this machine.
    click.echo(made.source_template % made.source_vars())

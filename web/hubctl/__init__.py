"""`hubctl`, the command line: everything it knows comes from a hub's public interface.

Importing a module of this package costs next to nothing: what is heavy (HTTP, models, tables) is imported by the
command that needs it, so that `--help` and completion answer at once.
"""

from __future__ import annotations


def main() -> int:
    """The console script."""
    from web.hubctl.root import run

    return run()

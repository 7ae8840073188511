"""What goes wrong with an emulator."""

from __future__ import annotations


class EmulatorError(Exception):
    """An emulator cannot start or cannot do what it was asked to: one sentence that says what and what is allowed."""

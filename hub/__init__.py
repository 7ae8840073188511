"""Layer 2: devices, events, energy, history and policy. It knows radios by their contract only."""

VERSION = "0.1.0"
"""Of the whole distribution; pyproject.toml reads it here."""

"""Layer 0: bytes to frozen dataclasses and back. Pure: no loop, no clock, no log, no randomness."""

"""The ZiGate driver."""

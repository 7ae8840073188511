"""ZiGate's serial protocol (ZIGATE: firmware 3.0f to 3.2x and V2; docs/sources.md)."""

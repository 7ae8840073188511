"""The Z-Stack driver."""

"""Zigbee networks: everything above `ApsFrame`, the same for every radio."""

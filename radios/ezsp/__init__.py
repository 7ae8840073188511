"""The EZSP driver."""

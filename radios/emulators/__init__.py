"""Emulators: the far side of a pipe. Real bytes, own encoders, no code of any driver's."""

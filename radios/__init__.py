"""Layer 1: pipes, drivers and emulators: all device input and output."""

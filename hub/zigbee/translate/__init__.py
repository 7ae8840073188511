"""From clusters to what people mean: readings, switches, thermostats, gestures."""

"""The REST calls, one module for each kind of thing; each has its rows as `ROUTES`."""

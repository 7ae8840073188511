"""Eaton EMCB smart breakers over signed UDP."""

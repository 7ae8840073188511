"""Clusters that we host, one module each."""

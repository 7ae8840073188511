"""Digi XBee modules with Smart Energy firmware."""

"""The serial API of Digi's XBee modules with Smart Energy firmware."""

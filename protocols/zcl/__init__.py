"""The ZigBee Cluster Library (ZCL8: revision 8, 07-5123)."""

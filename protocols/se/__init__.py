"""Commands of the Smart Energy clusters (Smart Energy profile 1.0 to 1.2), by cluster."""

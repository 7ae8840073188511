"""Smart Energy: the rules of prices, messages and demand response events, as pure state and as services around it."""

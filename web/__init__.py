"""Layer 3: HTTP, websocket, dashboard, and the two programs hubd and hubctl."""

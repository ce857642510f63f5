"""The doors to Redis: order state, tokens, account health, events. Every change of state is one Lua script."""

"""The pure core: what an order is and what happens to it next. No I/O, no clock, no randomness of its own."""

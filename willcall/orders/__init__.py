"""What an order is and what happens to it next: pure, no I/O, no clock of its own."""

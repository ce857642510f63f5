"""What the house does, one function each: take an order, ask once, settle, let a person steer."""

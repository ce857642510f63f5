"""One folder per provider; adapters never see each other, only the registry names them."""

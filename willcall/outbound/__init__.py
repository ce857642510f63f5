"""The only way to an address that came from outside: callback URLs of backends, document URLs of providers."""

"""The checks, by subject. Each returns findings; a StoreError means that it could not be made."""

"""People who act in tests."""

from willcall.orders.history import Actor

#: An operator with a name.
ANNA = Actor("operator anna")
#: A backend.
SHOP = Actor("client shop", is_operator=False)

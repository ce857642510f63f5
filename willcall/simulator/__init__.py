"""Five ticketing providers over real HTTP, scripted per order, with a ledger of what they were asked."""

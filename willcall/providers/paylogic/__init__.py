"""Paylogic's Shopping Service: orders, single tickets, barcodes and a user's own tickets, all HAL."""

from willcall.providers.paylogic.adapter import PaylogicAdapter

ADAPTER = PaylogicAdapter()

"""Tixstock's Partner Feed: `GET /orders/get/<our order id>`, tickets per seat as files, links or a parcel."""

from willcall.providers.tixstock.adapter import TixstockAdapter

ADAPTER = TixstockAdapter()

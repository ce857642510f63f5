"""voordemensen: `GET /<client_name>/order/<order_key>`, public, one page of tickets per order."""

from willcall.providers.voordemensen.adapter import VoordemensenAdapter

ADAPTER = VoordemensenAdapter()

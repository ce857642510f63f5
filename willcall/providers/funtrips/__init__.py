"""Funtrips: fulfilments by checkout or by user, from a backend (OAuth) or with a public bearer (headless)."""

from willcall.providers.funtrips.adapter import FuntripsAdapter

ADAPTER = FuntripsAdapter()

"""Tiqets: `GET /orders/<reference>/tickets`, one PDF per order once its status is `done`."""

from willcall.providers.tiqets.adapter import TiqetsAdapter

ADAPTER = TiqetsAdapter()

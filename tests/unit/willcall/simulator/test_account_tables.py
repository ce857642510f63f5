"""Configuration files for simulated providers."""

import tomllib

from willcall.simulator.account_tables import to_toml


def test_settings_that_are_not_set_are_left_out() -> None:
    rate = {"limit": 1, "period": 1, "shared": None}
    document = {"providers": {"tiqets": {"default": {"api_key": "k", "rate": rate}}}, "redis_url": "redis://h"}
    read = tomllib.loads(to_toml(document))
    assert read["redis_url"] == "redis://h"
    assert read["providers"]["tiqets"]["default"]["rate"] == {"limit": 1, "period": 1}

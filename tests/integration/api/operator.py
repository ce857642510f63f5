"""Someone at the order board: a browser as far as cookies, forms and headers go."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests

from tests.integration.api.conftest import KEY, OPERATOR_KEY, Running, running

OTHER_OPERATOR = "operator-of-before"


class Operator:
    """A browser without a screen; it follows no redirect by itself."""

    def __init__(self, api: Running, key: str | None = OPERATOR_KEY) -> None:
        self.url = api.url
        self.session = requests.Session()
        if key:
            self.login(key)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=60, allow_redirects=False, **options)

    def post(self, path: str, headers: dict[str, str] | None = None, **form: str) -> requests.Response:
        sent = {"Sec-Fetch-Site": "same-origin", "Origin": self.url} if headers is None else headers
        return self.session.post(self.url + path, data=form, headers=sent, timeout=60, allow_redirects=False)

    def login(self, key: str, **form: str) -> requests.Response:
        return self.post("/login", key=key, **form)


@contextmanager
def board(
    folder: Path,
    redis_url: str,
    *operator_keys: str,
    environment: Mapping[str, str] = MappingProxyType({}),
    **options: Any,
) -> Iterator[Running]:
    """An API with keys for backends, and for operators."""
    environment = {**environment, "WILLCALL_API__OPERATOR_KEYS": json.dumps(operator_keys)}
    with running(folder, redis_url, KEY, environment=environment, **options) as api:
        yield api


def words(response: requests.Response) -> str:
    """A page without its tags, as one line."""
    assert response.status_code == 200, response.text
    text = re.sub(r"<[^>]*>", " ", response.text.partition("<main")[2])
    return re.sub(r"\s+", " ", text)

"""Who is let in to the order board, and what it sends along."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pydantic import SecretStr

from tests.integration.api.conftest import KEY, OPERATOR_KEY, Running, running
from tests.integration.api.operator import OTHER_OPERATOR, Operator, board, words
from willcall.api.board.sessions import SESSION_LIFETIME, Sessions
from willcall.api.rejected_keys import FREE
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores import keys
from willcall.stores.connection import connect

PAGES = ["/", "/orders", "/orders/ord-1", "/search?q=x", "/orders/ord-1/documents/doc_1"]
ACTIONS = ["/orders/ord-1/poll", "/orders/ord-1/cancel", "/orders/ord-1/redeliver", "/accounts/tiqets/default/resume"]


@pytest.fixture(scope="module")
def served(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with board(tmp_path_factory.mktemp("board"), redis_server.url, OTHER_OPERATOR, OPERATOR_KEY) as api:
        yield api


@pytest.fixture
def api(served: Running, redis: object) -> Running:  # noqa: ARG001 - empties it
    served.submit("ord-1", not_before="2099-01-01T00:00:00Z")
    return served


def test_without_a_session_every_page_leads_to_the_login_and_back(api: Running) -> None:
    stranger = Operator(api, None)
    for path in PAGES:
        answer = stranger.get(path)
        assert answer.status_code == 303
        login = answer.headers["Location"]
        assert login.startswith("/login?back=%2F")
        shown = stranger.get(login)
        assert f'name="back" value="{path.replace("&", "&amp;")}"' in shown.text
    for path in ACTIONS:
        assert stranger.post(path).headers["Location"] == "/login"
    assert stranger.get("/board/stream").status_code == 401
    assert api.get("/v1/orders/ord-1").json()["status"] == "pending"


def test_an_operator_key_opens_a_session_that_holds_no_key(api: Running) -> None:
    for key in (OPERATOR_KEY, OTHER_OPERATOR):
        operator = Operator(api, None)
        answer = operator.login(key, back="/orders")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/orders")
        cookie = answer.headers["Set-Cookie"]
        assert re.search(r"HttpOnly; Max-Age=43200; Path=/; SameSite=strict$", cookie)
        assert key not in cookie
        assert operator.get("/").status_code == 200
    https = Operator(api, None)
    sent = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-Proto": "https"}
    assert https.post("/login", headers=sent, key=OPERATOR_KEY).headers["Set-Cookie"].endswith("; Secure")


def test_no_other_key_opens_a_session(api: Running) -> None:
    for key in ("", KEY, OPERATOR_KEY[:-1], f"{OPERATOR_KEY}x"):
        stranger = Operator(api, None)
        answer = stranger.login(key)
        assert answer.status_code == 403
        assert "not valid" in answer.text
        assert "Set-Cookie" not in answer.headers
        assert stranger.get("/").status_code == 303


def test_a_login_redirects_to_pages_of_the_board_only(api: Running) -> None:
    for back in (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "orders",
        "/a\nb",
    ):
        assert Operator(api, None).login(OPERATOR_KEY, back=back).headers["Location"] == "/"


def test_a_session_ends_with_logging_out(api: Running) -> None:
    operator, another = Operator(api), Operator(api)
    assert operator.post("/logout").headers["Location"] == "/login"
    assert operator.get("/").status_code == 303
    assert another.get("/").status_code == 200


def test_a_copied_session_is_invalid_after_logout(api: Running, redis_server: EmbeddedRedis) -> None:
    owner, thief = Operator(api), Operator(api, None)
    thief.session.cookies.update(owner.session.cookies)
    assert thief.get("/").status_code == 200
    owner.post("/logout")
    assert thief.get("/").headers["Location"].startswith("/login")
    assert thief.get("/login").status_code == 200, "and no circle"
    assert thief.get("/board/stream").status_code == 401
    assert thief.post("/accounts/tiqets/default/pause").headers["Location"] == "/login"
    redis = connect(redis_server.url)
    (key,) = redis.keys(keys.ended_session("*"))
    assert SESSION_LIFETIME - 600 < redis.ttl(key) <= SESSION_LIFETIME


def test_a_session_ends_with_the_key_that_opened_it() -> None:
    old, new = SecretStr("the-old-key-of-operators"), SecretStr("the-new-key-of-operators")
    session = Sessions({None: [old, new]}).open(old.get_secret_value())
    assert session is not None
    assert Sessions({None: [new, old]}).read(session)
    assert not Sessions({None: [new]}).read(session)
    for other in ("", session[:-1], session + "x", f"x{session}", Sessions({None: [new]}).sign_flash("a message")):
        assert not Sessions({None: [new, old]}).read(other)


def test_wrong_keys_of_a_caller_do_not_block_the_right_one(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    with board(tmp_path, redis_server.url, OPERATOR_KEY) as api:
        stranger = Operator(api, None)
        for number in range(FREE + 2):
            answer = stranger.login(f"guess-{number}")
            assert answer.status_code == (403 if number < FREE else 429)
            assert "Set-Cookie" not in answer.headers
        assert stranger.login(OPERATOR_KEY, back="/orders").headers["Location"] == "/orders"
        assert stranger.get("/").status_code == 200
        assert OPERATOR_KEY not in api.log
        assert "guess" not in api.log
        assert api.log.count("login rejected") == FREE
        shown = api.get("/metrics", key=OPERATOR_KEY).text
        assert f'willcall_rejected_keys_total{{where="login"}} {FREE + 2}.0' in shown
        assert 'willcall_rejected_keys_total{where="api"} 0.0' in shown


def test_a_request_from_another_site_changes_nothing(api: Running) -> None:
    operator = Operator(api)
    foreign: list[dict[str, str]] = [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
        {"Sec-Fetch-Site": "cross-site", "Origin": api.url},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ]
    for headers in foreign:
        for path in ("/orders/ord-1/cancel", "/logout", "/login"):
            answer = operator.post(path, headers=headers, key=OPERATOR_KEY)
            assert answer.status_code == 403
            assert "Nothing was changed" in answer.text
    assert api.get("/v1/orders/ord-1").json()["status"] == "pending"
    assert operator.post("/orders/ord-1/cancel", headers={"Origin": api.url}).status_code == 303
    assert api.get("/v1/orders/ord-1").json()["status"] == "cancelled"


def test_behind_a_proxy_that_replaces_the_host_the_board_says_what_to_set(
    redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    headers = {"Origin": "http://board.example"}
    for public_url, status in ((None, 403), ("http://board.example/", 303)):
        environment = {"WILLCALL_API__PUBLIC_URL": public_url} if public_url else {}
        folder = tmp_path / str(status)
        folder.mkdir()
        with board(folder, redis_server.url, OPERATOR_KEY, environment=environment) as api:
            answer = Operator(api, None).post("/login", headers=headers, key=OPERATOR_KEY)
            assert answer.status_code == status
            if status == 403:
                assert "The page is from board.example" in answer.text
                assert "have it keep the header Host" in answer.text
                assert "set api.public_url" in answer.text


def test_a_form_with_too_many_fields_is_a_client_error(api: Running) -> None:
    answer = Operator(api, None).login(OPERATOR_KEY, **{f"field-{number}": "x" for number in range(30)})
    assert answer.status_code == 422
    assert "too many fields" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_link_from_another_site_finds_the_session(api: Running) -> None:
    answer = Operator(api, None).get("/orders/ord-1", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0">' in answer.text
    assert "ord-1" not in answer.text


def test_pages_run_no_inline_script_and_load_nothing_from_other_hosts(api: Running) -> None:
    operator = Operator(api)
    for path in ("/", "/orders", "/orders/ord-1", "/search?q=x", "/orders/nobody", "/login?back=/"):
        answer = (Operator(api, None) if path.startswith("/login") else operator).get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son\w+=|(?:src|href)=\"(?:https?:)?//", answer.text)
        for address in re.findall(r'(?:src|href)="(/board/static/[^"]+)"', answer.text):
            assert "immutable" in operator.get(address).headers["Cache-Control"]


def test_the_api_does_not_accept_a_session_as_a_key(api: Running) -> None:
    operator = Operator(api)
    assert operator.get("/v1/orders").status_code == 401


def test_without_keys_the_board_is_open_to_this_machine_alone(
    redis_server: EmbeddedRedis,
    tmp_path: Path,
    redis: object,  # noqa: ARG001 - empties it
) -> None:
    with running(tmp_path, redis_server.url) as api:
        anybody = Operator(api, None)
        assert "fixing" in words(anybody.get("/"))
        assert anybody.get("/login").headers["Location"] == "/"
        assert anybody.post("/accounts/tiqets/default/pause").status_code == 303
        assert (
            anybody.post("/accounts/tiqets/default/resume", headers={"Origin": "https://evil.example"}).status_code
            == 403
        )
        proxied = ({"Host": "evil.example"}, {"Host": "[::1"}, {"X-Forwarded-For": "192.0.2.1"})
        for headers in proxied:
            answer = anybody.get("/", headers=headers)
            assert answer.status_code == 403
            assert "api.operator_keys" in answer.text


def test_without_operator_keys_it_is_closed_where_backends_have_keys(
    redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    with running(tmp_path, redis_server.url, KEY) as api:
        for path in ("/", "/login", "/orders"):
            answer = Operator(api, None).get(path)
            assert answer.status_code == 403
            assert "Set api.operator_keys" in answer.text
        assert requests.get(f"{api.url}/healthz", timeout=60).status_code == 200

"""An account behind a proxy: all that goes to the provider passes it, and its refusals harm no order."""

from tests.integration.usecases.conftest import Setup
from tests.proxy_server import REJECTED, proxying
from tests.scripted_server import Serve, once
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript

LOGIN = "user:p4ssword"
ORDER = OrderScript(provider="funtrips", reference="chk_1", ready_after=0)


def test_access_tokens_and_polls_of_an_account_pass_its_proxy(make_system: Setup, serve: Serve) -> None:
    proxy = serve(proxying(login=LOGIN))
    h = make_system(http={"proxy": f"http://{LOGIN}@127.0.0.1:{proxy.port}"})
    h.submit(ORDER)
    assert h.poll().status is Status.FULFILLED
    assert proxy.requests[0].startswith(b"POST http://127.0.0.1:"), "for the access token"
    assert len(proxy.requests) == 1, "polls use the same connection"
    assert LOGIN not in repr(h.context.accounts)


def test_a_rejection_by_the_proxy_parks_no_account_and_fails_no_order(make_system: Setup, serve: Serve) -> None:
    proxy = serve(once(REJECTED))
    h = make_system(http={"proxy": f"http://{LOGIN}@127.0.0.1:{proxy.port}"})
    h.submit(ORDER)
    order = h.poll()
    assert (order.status, order.attention) == (Status.PENDING, None)
    assert h.outcomes() == ["unavailable"]
    [attempt] = h.context.stores.orders.timeline("ord-1")
    assert "the proxy rejected our user name and password (HTTP 407)" in attempt.why

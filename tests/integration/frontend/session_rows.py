"""Tokens that end while people shop: in one tab, in two, in both of the site's HTTP clients at once."""

from functools import partial

import jwt

from tests.harness.environment import WANTED
from tests.integration.frontend import account_pages, shop_pages, today
from tests.integration.frontend.browser import LOGIN, Tab, side_by_side
from tests.integration.frontend.rows import Story, Table

row = Table()


def let_token_expire(tab: Tab) -> None:
    """The same access token, an hour later."""
    said = jwt.decode(tab.storage["access"], options={"verify_signature": False})
    tab.storage["access"] = jwt.encode({**said, "exp": said["iat"]}, WANTED["SECRET_KEY"], algorithm="HS256")


def count_refreshes(tab: Tab) -> list[str]:
    """A list that grows with each refresh of this tab."""
    sent, send = list[str](), tab.send

    def counting(client, method, path, *body, **how):
        if path == "/auth/refresh/":
            sent.append(path)
        return send(client, method, path, *body, **how)

    tab.send = counting  # type: ignore[method-assign]
    return sent


@row("every page", "POST auth/refresh/ after a 401", "`access, refresh`; the call is made again")
def refresh(story: Story) -> None:
    before = story.tab.storage["refresh"]
    let_token_expire(story.tab)
    assert account_pages.addresses(story.tab)
    assert story.tab.storage["refresh"] != before


@row("/checkout", "three calls at once with an expired token", "one refresh; the others wait for it")
def queue(story: Story) -> None:
    tab = story.tab.open_tab()
    refreshes = count_refreshes(tab)
    let_token_expire(tab)
    paths = ("/auth/addresses/", "/cart/carts/", "/booking/bookings/")
    assert [one.status_code for one in side_by_side(*[partial(tab.call, "GET", path) for path in paths])] == [
        200
    ] * 3
    assert len(refreshes) == 1


@row("every page", "POST auth/refresh/ by two tabs at once", "both go on with the same refresh token")
def refresh_in_two_tabs(story: Story) -> None:
    for _ in range(3):
        let_token_expire(story.tab)
        tabs = [story.tab.open_tab(), story.tab.open_tab()]
        assert side_by_side(*[partial(tab.refresh, tab.browser.main) for tab in tabs]) == [True, True]
        assert all(side_by_side(*[partial(account_pages.addresses, tab) for tab in tabs]))


@row("/", "POST auth/refresh/ by both HTTP clients at once", "both go on", eras=("today",))
def refresh_of_two_clients(story: Story) -> None:
    let_token_expire(story.tab)
    calls = [
        partial(story.tab.call, "GET", "/cart/carts/", client=client) for client in (today.MAIN, today.SLIDER)
    ]
    assert [one.status_code for one in side_by_side(*calls)] == [200, 200]


@row("every page", "a public page with an expired token", "its answer, without a refresh")
def expired_token_on_public_page(story: Story) -> None:
    tab = story.tab.open_tab()
    refreshes = count_refreshes(tab)
    let_token_expire(tab)
    assert shop_pages.service_list(tab)
    assert refreshes == []
    assert tab.refresh(tab.browser.main)


@row("header", "POST auth/logout/", "nothing; another page of the session is led to /login")
def log_out(story: Story) -> None:
    tab = story.kept["other browser"]
    session = dict(tab.storage)
    account_pages.log_out(tab)  # of the session; the pages of another browser do not know
    tab.storage.update(session)
    tab.call("GET", "/cart/carts/active/")
    assert (tab.location, tab.storage) == (LOGIN, {})


@row("/checkout", "Pay without a login", "401: /login")
def pay_without_login(story: Story) -> None:
    tab = story.visitor()
    path = "/payments/cart/" if story.era == "today" else "/payments/payments/process-cart/"
    assert tab.call("POST", path, {"cart_id": 1, "method": "PHONEPE"}).status_code == 401
    assert tab.location == LOGIN

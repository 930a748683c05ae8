"""Every page of the desk, looked at by axe over a day of bookings: on a phone in Hindi, on a desktop in English.

A new page is here by being in the URLs of the desk; a page with a key in its address needs a row in
`tests/unit/backoffice/demo_pages.py`.
"""

import re

import pytest
from django.contrib import admin
from playwright.sync_api import expect

from accounts.models import User
from booking.models import Booking
from notifications.models import Notification
from payment.models import Payment, Refund
from tests.harness.samples import sample
from tests.integration.browser.looks import assert_nothing_serious
from tests.integration.browser.test_cases import at_desk as at_desk
from tests.unit.backoffice import demo_pages

pytestmark = [pytest.mark.browser, pytest.mark.sockets, pytest.mark.django_db(transaction=True)]
LOOKS = [
    pytest.param("phone", "hi", id="phone-hi"),
    pytest.param("desktop", "en", id="desktop-en", marks=pytest.mark.proof),
]


@pytest.mark.proof
@pytest.mark.parametrize(("size", "language"), LOOKS)
def test_no_page_of_the_desk_hinders_anybody(at_desk, tmp_path, size, language):
    demo_pages.seed()
    owner = at_desk("Owner", size)
    User.objects.filter(groups__name="Owner").update(language=language)
    wrong = []
    tables = [
        f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for model in (Booking, Payment, Refund, Notification, User)
        if model in admin.site._registry
    ]
    pages = {**demo_pages.addresses(), **{path: path for path in tables}}
    for name, path in sample([*pages.items()], 3):
        owner.open(path)
        owner.page.screenshot(path=tmp_path / f"{name.strip('/').replace('/', '-')}.png", full_page=True)
        expect(owner.page.get_by_role("heading", level=1).first, name).to_be_visible()
        expect(owner.page.locator("html"), name).to_have_attribute("lang", re.compile(language))
        try:
            assert_nothing_serious(owner.page)
        except AssertionError as found:  # all pages are looked at before the test fails
            wrong.append(f"{name} ({path}): {found}")
    assert not wrong, "\n".join(wrong)


def test_the_language_is_chosen_in_the_menu_of_the_account(at_desk):
    owner = at_desk("Owner")
    owner.open("/admin/desk/slots/")
    owner.page.locator("#nav-sidebar").get_by_text(re.compile("example.com")).last.click()
    owner.page.get_by_role("button", name=re.compile("हिन्दी|हिंदी")).click()

    expect(owner.page).to_have_url(f"{owner.url}/admin/desk/slots/")
    expect(owner.page.locator("html")).to_have_attribute("lang", "hi")
    expect(owner.page.get_by_role("link", name="आज").first).to_be_visible()

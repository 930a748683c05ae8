"""The frame of the desk: who sees what in it, and where its address leads."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import backoffice
from booking.models import Priest, PriestLeave
from booking.services.prices import plan_price
from booking.services.priests import open_feed, set_leave
from payment.models import CashClosing
from payment.services.pay_links import make_pay_link
from tests.harness import builders
from tests.harness.builders import PASSWORD
from tests.integration.access.matrix import written

pytestmark = pytest.mark.django_db


def test_the_address_of_the_admin_is_today(desk):
    page = desk("Support").get("/admin/")

    assert page.status_code == 200
    assert page.context["title"] == "Today"


def test_who_may_see_no_bookings_starts_with_a_page_of_theirs(desk):
    page = desk("Priest").get("/admin/", follow=True)

    assert page.status_code == 200
    assert page.context["title"] != "Today"
    assert '/admin/desk/"' not in page.content.decode()


def test_a_page_without_the_right_is_a_page_that_says_so(desk):
    refused = desk("Priest").get("/admin/desk/")

    assert refused.status_code == 403
    assert "Your role does not include this page." in refused.content.decode()


def test_the_desk_asks_for_a_login_and_comes_back():
    assert Client().get("/admin/desk/").url == "/admin/login/?next=/admin/desk/"


@pytest.mark.parametrize(
    ("simulation", "environment", "badge"),
    [(True, "PRODUCTION", "Simulation"), (False, "UAT", "Test (UAT)"), (False, "PRODUCTION", "Production")],
)
def test_every_page_says_whether_the_money_is_real(desk, settings, simulation, environment, badge):
    settings.PHONEPE_SIMULATION_MODE, settings.PHONEPE_ENV = simulation, environment
    assert badge in desk("Support").get("/admin/desk/tables/").content.decode()


def test_a_login_at_the_address_of_the_login_leads_to_the_desk(staff):
    form = {"username": staff.email, "password": PASSWORD}
    assert Client().post("/admin/login/", form).url == "/admin/"


def test_the_first_link_leads_past_the_menu(desk):
    page = desk("Support").get("/admin/desk/slots/").content.decode()
    _, body = page.split("<body", 1)
    assert re.search(r'<a [^>]*href="([^"]*)"', body)[1] == "#desk"
    assert body.count('id="desk" tabindex="-1"') == 1


# Forms that people only press a button of. A new one asks first, unless it takes nothing away.
ASK_FIRST = {"cash", "catalogue_puja", "package_price", "pay_link", "priest", "priest_feed", "role"}
SHOW_THEIR_PLAN = {"ask", "open_days", "closing_plan", "slot_series", "closing/approve"}
TAKE_NOTHING_AWAY = {"assign_priest", "settlement", "second_factor"}  # give, enter, log out
QUICKLY_MADE_AGAIN = {"saved_filters"}
FORM = re.compile(r'<form[^>]*method="post".*?</form>', re.DOTALL)
FILLED_IN = re.compile(r'form_fields|<label|{{ [a-z_]*field|<input (?!type="hidden")')


def test_each_form_of_one_click_is_known():
    folder = Path(backoffice.__path__[0], "templates/backoffice")
    found = {
        f"{path.relative_to(folder).with_suffix('')}"
        for path in folder.rglob("*.html")
        for form in FORM.findall(path.read_text())
        if not FILLED_IN.search(form)
    }
    assert found == ASK_FIRST | SHOW_THEIR_PLAN | TAKE_NOTHING_AWAY | QUICKLY_MADE_AGAIN


def test_what_takes_something_away_asks_first(desk, staff, package, slot, alice):
    """One click changes nothing: it shows what will happen, and a button that does it."""
    client = desk("Owner")
    choice = {"puja_service": package.puja_service_id, "package_id": package.pk}
    start = timezone.localtime(slot.starts_at)
    choice |= {"selected_date": start.date(), "selected_time": start.time()}
    link = make_pay_link(alice, choice, by=staff, key=uuid4())
    priest = Priest.objects.create(name="Pandit Mishra")
    set_leave(priest, builders.in_days(20), builders.in_days(21))
    open_feed(priest)
    price = plan_price(package, 150_000, builders.in_days(3))
    closing = {"person": staff, "closed_by": staff, "day": start.date(), "expected_paise": 110_000}
    closing = CashClosing.objects.create(
        **closing, counted_paise=0, reason="robbed", needs_second_person=True
    )
    asking = [
        (reverse("desk:pay-link", args=[link.pk]), {}),
        (reverse("desk:package-price", args=[package.pk]), {"cancel": price.pk}),
        (reverse("desk:priest-leave", args=[priest.pk]), {"end": PriestLeave.objects.get().pk}),
        (reverse("desk:priest-feed", args=[priest.pk]), {"end": 1}),
        (reverse("desk:priest-feed", args=[priest.pk]), {}),
        (reverse("desk:catalogue-puja", args=[package.puja_service_id]), {"action": "hide"}),
        (reverse("desk:cash"), {"again": closing.pk}),
        (reverse("desk:second-factor-forget", args=[alice.pk]), {}),
    ]
    for address, fields in asking:
        with written() as tables:
            page = client.post(address, fields)
        assert ([*tables], page.status_code) == ([], 200), address
        shown = page.content.decode()
        assert 'name="sure" value="1"' in shown, address
        for name, value in fields.items():
            assert f'<input type="hidden" name="{name}" value="{value}">' in shown

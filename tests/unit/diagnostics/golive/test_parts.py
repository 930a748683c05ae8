"""The points of the checklist about receipts, donations, encrypted rows and servers of the business."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import pan_cards
from accounts.api_keys import create_key
from accounts.models import ApiKey
from diagnostics.golive import installation, parts
from diagnostics.golive.site import FAIL, NOT_RUN, PASS, Site
from notifications.models import Notification
from payment.models import WebhookEndpoint
from payment.services.webhook_endpoints import create_endpoint
from tests.harness import builders

pytestmark = pytest.mark.django_db
KEY = "a-key-that-nobody-can-guess-0123456789"


@pytest.mark.parametrize(
    ("changes", "result", "names"),
    [
        ({}, PASS, "no GST"),
        ({"GST_GSTIN": "09AAACH7409R1ZZ"}, PASS, "09AAACH7409R1ZZ"),
        ({"RECEIPT_ISSUER": ["Our Temple", ""]}, NOT_RUN, "address"),
        ({"BRAND_PHONE": ""}, NOT_RUN, "reach"),
    ],
)
def test_receipts_name_a_seller_whom_customers_can_reach(settings, changes, result, names):
    settings.RECEIPT_ISSUER, settings.BRAND_EMAIL = ["Our Temple", "1 Ghat Road, Varanasi"], ""
    settings.BRAND_PHONE = "+91 98765 43210"
    for name, value in changes.items():
        setattr(settings, name, value)
    found = parts.receipts(Site("http://127.0.0.1:9"))

    assert found.result == result
    assert names in found.reason


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, PASS),
        ({"DONATION_PAGE": True, "STOREFRONT": True}, PASS),
        ({"DONATION_PAGE": True, "STOREFRONT": False}, FAIL),
        ({"DONATION_PAGE": True, "STOREFRONT": True, "DONATION_80G": ["80G/1"]}, FAIL),
        ({"DONATION_PAGE": True, "STOREFRONT": True, "DONATION_80G": ["80G/1"], "DATA_KEYS": [KEY]}, PASS),
    ],
)
def test_donations_need_a_page_and_keys_for_pans(settings, changes, result):
    settings.DONATION_PAGE, settings.DATA_KEYS, settings.DONATION_80G = False, [], []
    for name, value in changes.items():
        setattr(settings, name, value)

    assert parts.donations(Site("http://127.0.0.1:9")).result == result


@pytest.mark.parametrize(
    ("texts", "result", "told"),
    [
        ([], NOT_RUN, "no short message"),
        (["SENT"], PASS, "also by sms"),
        (["SENT", "GIVEN_UP"], FAIL, "401"),
        (["GIVEN_UP", "SENT", "WAITING"], PASS, "given up within a week: 1"),
        (["SENT", "GIVEN_UP a month ago"], PASS, "also by sms"),
    ],
)
def test_a_sender_of_short_messages_is_known_by_what_it_carried(settings, texts, result, told):
    settings.CODE_SENDER = settings.MESSAGE_SENDER = f"{__name__}.Texts"
    for number, text in enumerate(texts):
        state, _, is_old = text.partition(" ")
        row = Notification.objects.create(
            key=f"text {number}", channel="TEXT", state=state, last_error="401 for url: https://sms.example"
        )
        if is_old:
            Notification.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=30))

    found = parts.message_senders(Site("http://127.0.0.1:9"))

    assert (found.result, told in found.reason) == (result, True)


def test_without_a_sender_all_news_go_by_mail(settings):
    settings.MESSAGE_SENDER = ""
    found = parts.message_senders(Site("http://127.0.0.1:9"))

    assert (found.result, found.reason) == (
        PASS,
        "no short messages, all news go by mail; one-time codes by mail",
    )


class Texts:
    """As docs/code-senders.md and docs/message-senders.md ask for one."""

    channels = ("email", "sms")

    def __call__(self, message, timeout):
        raise AssertionError("golive sends nothing")


def test_a_row_that_no_key_reads_is_found(settings):
    settings.DATA_KEYS = [KEY]
    user = builders.make_user()
    pan_cards.save(user, "ABCPE1234F")
    endpoint, _secret = create_endpoint("http://127.0.0.1:9/")
    site = Site("http://127.0.0.1:9")
    assert parts.stored_secrets(site).result == PASS
    settings.DATA_KEYS = ["another-key-that-nobody-guesses-42"]
    found = parts.stored_secrets(site)

    assert found.result == FAIL
    assert f"account {user.pk}" in found.reason
    assert f"endpoint {endpoint.pk}" in found.reason
    settings.DATA_KEYS = ["another-key-that-nobody-guesses-42", KEY]
    assert parts.stored_secrets(site).result == PASS


def test_servers_whose_events_get_lost_are_found():
    site = Site("http://127.0.0.1:9")
    assert parts.servers(site).result == PASS
    create_key("crm", [ApiKey.Scope.READ], expires_at=timezone.now() + timedelta(days=3))
    assert (parts.servers(site).result, "crm" in parts.servers(site).reason) == (NOT_RUN, True)
    endpoint = WebhookEndpoint.objects.create(url="http://crm.example/", secret="x")
    for changes, names in (
        ({}, "without encryption"),
        ({"url": "https://crm.example/", "failing_since": timezone.now()}, "does not take"),
        ({"is_enabled": False, "disabled_because": "410"}, "switched off"),
    ):
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**changes)
        found = parts.servers(site)
        assert (found.result, names in found.reason, "crm.example" in found.reason) == (FAIL, True, True)


def test_the_second_factor_counts_staff_who_have_none_yet(settings):
    settings.STAFF_SECOND_FACTOR = True
    builders.make_user("staff-1@example.com", is_staff=True)
    found = installation.second_factor(Site("http://127.0.0.1:9"))

    assert (found.result, "1 of 1" in found.reason) == (PASS, True)

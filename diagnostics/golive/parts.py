"""The parts beside payments: receipts, donations, what is stored encrypted, and servers of the business."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.codes import sender_channels
from accounts.models import BY_MAIL, ApiKey, PanCard
from accounts.pan_cards import KeyIsMissing, number_of
from diagnostics.golive.site import Result, Site, failed, not_run, passed
from notifications.models import Notification
from payment.models import Donation, WebhookEndpoint
from payment.services.donations import pan_of
from payment.services.webhook_endpoints import SecretUnreadable, secrets_of

ENDS_SOON = timedelta(days=14)
RECENT = timedelta(days=7)
SAMPLE = 20  # of each kind, the oldest: keys are lost one after the other
SET_DATA_KEYS = "Set DATA_KEYS to a long random text, and keep a copy in another place."


def receipts(site: Site) -> Result:
    """What customers read on receipts, credit notes, mails and pages."""
    if len([line for line in settings.RECEIPT_ISSUER if line.strip()]) < 2:
        return not_run(
            "warning: receipts show a name without an address", "Set BRAND_ADDRESS or RECEIPT_ISSUER."
        )
    if not (settings.BRAND_EMAIL or settings.BRAND_PHONE):
        return not_run(
            "warning: mails and pages do not say how to reach you", "Set BRAND_EMAIL or BRAND_PHONE."
        )
    tax = f"GST of {settings.GST_GSTIN}" if settings.GST_GSTIN else "no GST"
    return passed(f"{settings.RECEIPT_ISSUER[0]}, with an address and {tax}")


def donations(site: Site) -> Result:
    if not settings.DONATION_PAGE:
        return passed("no donations are asked for")
    if not settings.STOREFRONT:
        return failed("DONATION_PAGE is on, and STOREFRONT off: nobody sees the page", "Set STOREFRONT=True.")
    if settings.DONATION_80G and not settings.DATA_KEYS:
        return failed(
            "the PANs of donors are encrypted with SECRET_KEY, which may have to be changed", SET_DATA_KEYS
        )
    return passed("the page is on" + (", with PAN and section 80G" if settings.DONATION_80G else ""))


def message_senders(site: Site) -> Result:
    """Whether what MESSAGE_SENDER names has carried short messages. A sender that cannot be loaded stops the start."""
    ways = [way for way in sender_channels() if way != BY_MAIL]
    codes = f"one-time codes also by {', '.join(ways)}" if ways else "one-time codes by mail"
    if not settings.MESSAGE_SENDER:
        return passed(f"no short messages, all news go by mail; {codes}")
    state = Notification.State
    texts = Notification.objects.filter(
        channel=Notification.Channel.TEXT,
        created_at__gt=timezone.now() - RECENT,
        state__in=(state.SENT, state.GIVEN_UP),
    )
    newest = texts.order_by("-pk").first()
    if newest is None:
        return not_run(
            f"warning: {settings.MESSAGE_SENDER} has sent no short message within a week",
            "Book a puja with an account that has your phone.",
        )
    if newest.state == state.GIVEN_UP:
        return failed(
            f"{settings.MESSAGE_SENDER}: the newest short message was given up: {newest.last_error}",
            'See "When it fails" in docs/message-senders.md, then send them again in the admin.',
        )
    # One number that does not exist says nothing about the sender.
    given_up = texts.filter(state=state.GIVEN_UP).count()
    others = f" (given up within a week: {given_up})" if given_up else ""
    return passed(f"{settings.MESSAGE_SENDER} sends short messages{others}; {codes}")


def stored_secrets(site: Site) -> Result:
    """PANs and the secrets of webhook endpoints: whether the keys of today read the oldest ones."""
    unread = [f"{name} {pk}" for name, pk, read in _stored() if not _is_read(read)]
    if unread:
        return failed(
            f"none of our keys reads {', '.join(unread[:5])}",
            "Bring the former key back: at the end of DATA_KEYS, or into SECRET_KEY_FALLBACKS.",
        )
    if not settings.DATA_KEYS:
        return not_run("warning: stored data are encrypted with SECRET_KEY", SET_DATA_KEYS)
    return passed("our keys read what is stored encrypted")


def _stored() -> Iterator[tuple[str, int, Callable[[], object]]]:
    now = timezone.now()
    for card in PanCard.objects.order_by("pk")[:SAMPLE]:
        yield "the PAN of account", card.user_id, partial(number_of, card)
    for donation in Donation.objects.exclude(pan="").order_by("pk")[:SAMPLE]:
        yield "the PAN of payment", donation.payment_id, partial(pan_of, donation)
    for endpoint in WebhookEndpoint.objects.order_by("pk")[:SAMPLE]:
        yield "the secret of endpoint", endpoint.pk, partial(secrets_of, endpoint, now)


def _is_read(read: Callable[[], object]) -> bool:
    try:
        read()
    except (KeyIsMissing, SecretUnreadable):
        return False
    return True


def servers(site: Site) -> Result:
    """API keys of servers of the business, and the endpoints that get its events."""
    endpoints, now = WebhookEndpoint.objects.all(), timezone.now()
    if broken := _names(endpoints.filter(Q(is_enabled=False) & ~Q(disabled_because=""))):
        return failed(
            f"switched off because it did not answer: {broken}", 'See "Webhooks" in docs/server-api.md.'
        )
    if broken := _names(endpoints.filter(is_enabled=True, failing_since__isnull=False)):
        return failed(f"does not take its events: {broken}", 'See "Webhooks" in docs/server-api.md.')
    if plain := _names(endpoints.filter(is_enabled=True, url__startswith="http://")):
        return failed(f"gets its events without encryption: {plain}", "Give an https address.")
    keys = [key for key in ApiKey.objects.filter(revoked_at=None) if key.is_good(now)]
    # A key that was rotated ends soon, and another one of its family lasts.
    lasting = {key.family for key in keys if key.expires_at is None or key.expires_at > now + ENDS_SOON}
    if ending := sorted({key.name for key in keys if key.family not in lasting}):
        return not_run(
            f"warning: ends within two weeks: the API key of {', '.join(ending)}",
            "Run `manage.py api_key rotate`.",
        )
    return passed(f"{len(keys)} API keys, {endpoints.filter(is_enabled=True).count()} webhook endpoints")


def _names(endpoints: QuerySet[WebhookEndpoint]) -> str:
    return ", ".join(endpoints.order_by("pk").values_list("url", flat=True)[:5])

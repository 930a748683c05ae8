"""Promo codes that staff send to people by mail, through the outbox."""

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from booking.models import PromoCode
from notifications.models import Notification
from notifications.services import notify

KIND = "promo_code"
MOST_A_DAY = 3  # to one person: MAILS_PER_ADDRESS is needed for what tells of money
DAY = timedelta(days=1)


@transaction.atomic
def send_codes(codes: Collection[PromoCode], emails: Collection[str]) -> int:
    """To the accounts with these confirmed addresses; nobody else is written to. Returns how many mails there will be.

    A code for assigned people is theirs from then on. The same code goes to a person once a day, and three at most.
    """
    addresses = {email.strip().lower() for email in emails}
    people = User.objects.filter(
        email__in=addresses, email_confirmed_at__isnull=False, account_status=User.AccountStatus.ACTIVE
    )
    sent = Notification.objects.filter(kind=KIND, created_at__gte=timezone.now() - DAY, user__in=people)
    had: dict[int, set[int]] = {}
    for user_id, promo_id in sent.values_list("user", "facts__promo_id"):
        had.setdefault(user_id, set()).add(promo_id)
    count = 0
    for person in people:
        has = had.setdefault(person.pk, set())
        for promo in codes:
            if promo.pk in has or len(has) >= MOST_A_DAY:
                continue
            has.add(promo.pk)
            _send(promo, person)
            count += 1
    for promo in codes:
        if promo.code_type == PromoCode.CodeType.USER_SPECIFIC:
            promo.assigned_users.add(*people)
    return count


def _send(promo: PromoCode, person: User) -> None:
    until = timezone.localtime(promo.expires_at).isoformat() if promo.expires_at else ""
    facts = {
        "promo_id": promo.pk,
        "code": promo.code,
        "percent": promo.percent,
        "discount_paise": promo.amount_paise,
        "least_order_paise": promo.min_order_paise,
        "until": until,
    }
    notify(KIND, f"{KIND}:{promo.pk}:{person.pk}:{timezone.localdate():%Y-%m-%d}", facts, user=person)

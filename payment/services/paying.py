"""Whether people can pay now: asked before anybody fills a cart to its end."""

import time
from datetime import datetime, timedelta
from threading import Lock

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from core.clocks import database_now
from notifications.services import notify
from payment.models import DiagnosisRun, GatewayCall, PayingWatch, Receipt
from payment.phonepe import credentials
from payment.phonepe.credentials import NotConfigured
from payment.phonepe.enums import ErrorCategory, Operation

FAILED_IN_A_ROW = 3
NEWEST = 20  # calls that are looked at
RECENT = timedelta(minutes=5)
KEPT_SECONDS = 5.0
ASKED_AGAIN = timedelta(minutes=1)
WATCHED = timedelta(days=2)
# Answers about one order: others can be paid.
ABOUT_ONE_ORDER = (ErrorCategory.REJECTED, "")


class _CachedAnswer:
    """The last answer, in the memory of this process."""

    def __init__(self) -> None:
        self.lock, self.until, self.works = Lock(), 0.0, True


cached = _CachedAnswer()


def paying_works() -> bool:
    """False while payments are switched off or not set up, and while PhonePe does not answer or opens no order.

    A query, two after failed calls, once in some seconds.
    """
    if not settings.PAYMENT_ENABLED or not _is_configured():
        return False
    with cached.lock:
        if time.monotonic() >= cached.until:
            cached.works, cached.until = _answered_lately(), time.monotonic() + KEPT_SECONDS
        return cached.works


def watch(user: User) -> None:
    """They are told by mail when paying works again. Asking twice is once."""
    PayingWatch.objects.get_or_create(user=user, defaults={"next_check_at": database_now() + ASKED_AGAIN})


@transaction.atomic
def tell_if_paying_works(watch_id: int) -> None:
    """Told once, when PhonePe has answered since they asked; after two days the question is forgotten."""
    watched = (
        PayingWatch.objects.select_for_update(no_key=True, of=("self",))
        .select_related("user")
        .get(pk=watch_id)
    )
    now = database_now()
    if watched.next_check_at > now:
        return
    paid_since = Receipt.objects.filter(payment__user=watched.user_id, received_at__gt=watched.created_at)
    if paid_since.exists():
        watched.delete()  # they have seen it themselves
        return
    if settings.PAYMENT_ENABLED and _is_configured() and _has_answered_since(watched.created_at):
        facts = {"at": timezone.localtime(now).isoformat()}
        notify("paying_works", f"paying_works:{watched.pk}", facts, user=watched.user)
    elif now - watched.created_at < WATCHED:
        PayingWatch.objects.filter(pk=watched.pk).update(next_check_at=now + ASKED_AGAIN)
        return
    watched.delete()


def _is_configured() -> bool:
    try:
        credentials.current()
    except NotConfigured:
        return False
    return True


def _answered_lately() -> bool:
    """False while the last calls all failed, or the last ones that open an order: PhonePe may answer all others.

    A call that is older says nothing: then the next customer tries.
    """
    newest = _failed_lately().order_by("-started_at").values_list("pk", "operation")[:NEWEST]
    failed = sorted(newest, reverse=True)
    if len(failed) < FAILED_IN_A_ROW:
        return True
    answered = (
        GatewayCall.objects.filter(error_category__in=ABOUT_ONE_ORDER, pk__gt=failed[-1][0])
        .order_by()
        .values_list("operation")
        .annotate(newest=Max("pk"))
    )
    answers = dict(answered)
    all_failed = failed[FAILED_IN_A_ROW - 1][0] > max(answers.values(), default=0)
    orders = [pk for pk, operation in failed if operation == Operation.PAY]
    no_order = len(orders) >= FAILED_IN_A_ROW and orders[FAILED_IN_A_ROW - 1] > answers.get(Operation.PAY, 0)
    return not (all_failed or no_order)


def _failed_lately() -> QuerySet[GatewayCall]:
    failed = ~Q(error_category="") & ~Q(error_category__in=ABOUT_ONE_ORDER)  # the first as in the index
    return GatewayCall.objects.filter(failed, started_at__gte=timezone.now() - RECENT)


def _has_answered_since(moment: datetime) -> bool:
    """It has opened an order. Any other answer counts when no order has failed for RECENT: nobody may be trying."""
    calls = GatewayCall.objects.order_by("-pk").values_list("operation", "started_at", "error_category")
    answered = {
        operation for operation, at, category in calls[:NEWEST] if at > moment and category in ABOUT_ONE_ORDER
    }
    if Operation.PAY in answered:
        return True
    if not answered and not DiagnosisRun.objects.filter(started_at__gt=moment, success=True).exists():
        return False
    return not _failed_lately().filter(operation=Operation.PAY).exists()

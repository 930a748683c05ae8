"""Priests for bookings: who can, who is free, who is assigned; and freed when the booking goes.

Every change locks the booking, then its priests in one order. That no priest is at two pujas at one time is a
constraint (`priest_never_twice_at_once`); the lock makes the refusal one that can be told.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.models import Assignment, Booking, Priest, PriestLeave
from core.errors import Conflict

FAIRNESS = timedelta(days=30)  # before and after a booking: the priest with fewer bookings then comes first
LONGEST_PUJA = timedelta(minutes=32_767)  # of the column of a puja's minutes
MOST_EVENTS = 500
FEED_BEHIND = timedelta(days=60)
News = Assignment.News


class PriestBusy(Conflict):
    default_code = "priest_busy"
    default_detail = _("This priest performs another puja at that time.")


class PriestAway(Conflict):
    default_code = "priest_away"
    default_detail = _("This priest is on leave then, or is not working any more.")


class NotAssignable(Conflict):
    default_code = "not_assignable"
    default_detail = _("Only a confirmed booking that is still to come gets a priest.")


@dataclass(frozen=True)
class Suggestion:
    """A priest who is away or busy cannot be assigned; every other objection may be overruled."""

    priest: Priest
    knows_puja: bool
    knows_language: bool
    in_hours: bool
    is_away: bool
    is_busy: bool
    minutes_apart: int | None  # to the nearest puja of theirs, a day before or after at most
    load: int  # pujas within FAIRNESS

    @property
    def can(self) -> bool:
        return not (self.is_away or self.is_busy)

    @property
    def order(self) -> tuple[object, ...]:
        """Those who are free and know the puja first; then by least work; then by most time between two pujas."""
        near = -(self.minutes_apart if self.minutes_apart is not None else 24 * 60)
        doubts = (not self.knows_puja) + (not self.knows_language) + (not self.in_hours)
        return (not self.can, doubts, self.load, near, self.priest.name, self.priest.pk)


def end_of(booking: Booking, begins: datetime) -> datetime:
    return begins + timedelta(minutes=booking.checkout.puja_duration_minutes)


@transaction.atomic
def assign(booking: Booking, priest: Priest, by: User | None) -> Assignment:
    """Twice is once. Raises NotAssignable, PriestAway, PriestBusy."""
    current = _lock_booking(booking)
    locked = Priest.objects.select_for_update(no_key=True).get(pk=priest.pk)
    is_standing = current.status == Booking.Status.CONFIRMED and current.choose_until is None
    begins, ends = current.starts_at, end_of(booking, current.starts_at)
    if not is_standing or ends <= timezone.now():
        raise NotAssignable
    if there := active(current).filter(priest=locked).first():
        return there
    if not locked.is_active or _on_leave(locked, begins, ends):
        raise PriestAway
    try:
        with transaction.atomic():
            return Assignment.objects.create(
                booking=current, priest=locked, begins=begins, ends=ends, news=News.NEW, assigned_by=by
            )
    except IntegrityError as error:
        raise PriestBusy from error


@transaction.atomic
def unassign(assignment: Assignment, because: str = "") -> bool:
    """Says whether we freed the priest. Twice is once."""
    _lock_booking(assignment.booking)
    return _free(Assignment.objects.filter(pk=assignment.pk), because) == 1


def free_priests(booking: Booking, because: str) -> int:
    """Of a booking that is cancelled or called off, in the transaction of that. Returns how many."""
    return _free(Assignment.objects.filter(booking=booking), because)


def move_priests(booking: Booking, starts_at: datetime) -> None:
    """In the transaction of the move: those who are free at the new time keep the booking, the others are freed."""
    assignments = list(active(booking).order_by("priest").select_related("booking__checkout"))
    if not assignments:
        return
    priests = Priest.objects.select_for_update(no_key=True).order_by("pk")
    locked = {priest.pk: priest for priest in priests.filter(pk__in=[each.priest_id for each in assignments])}
    for assignment in assignments:
        ends = end_of(assignment.booking, starts_at)
        priest = locked[assignment.priest_id]
        others = Assignment.objects.filter(priest=priest, freed_at=None).exclude(pk=assignment.pk)
        is_busy = others.filter(begins__lt=ends, ends__gt=starts_at).exists()
        if is_busy or not priest.is_active or _on_leave(priest, starts_at, ends):
            _free(Assignment.objects.filter(pk=assignment.pk), "the booking was moved")
            continue
        news = News.NEW if assignment.news == News.NEW else News.MOVED
        Assignment.objects.filter(pk=assignment.pk).update(
            begins=starts_at, ends=ends, news=news, changes=F("changes") + 1
        )


def assignable() -> "QuerySet[User]":
    """Accounts of the priests who work here. A priest without an account is assigned on the desk only."""
    priests = User.objects.filter(priest__is_active=True, account_status=User.AccountStatus.ACTIVE)
    return priests.select_related("priest").order_by("first_name", "pk")


def employees() -> "QuerySet[User]":
    """Active accounts of these, and of employees who are no priests or do not work as one."""
    by_role = User.objects.filter(role=User.Role.EMPLOYEE).values("pk")
    priests = User.objects.filter(priest__is_active=True).values("pk")
    # By two indexes: an OR over both tables would read the accounts of all customers.
    people = User.objects.filter(pk__in=by_role.union(priests), account_status=User.AccountStatus.ACTIVE)
    return people.select_related("priest").order_by("first_name", "pk")


def active(booking: Booking) -> "QuerySet[Assignment]":
    return Assignment.objects.filter(booking=booking, freed_at=None)


def suggest(booking: Booking) -> list[Suggestion]:
    """Every priest who works here, the best first, in five queries."""
    begins = booking.starts_at
    ends = end_of(booking, begins)
    day = timedelta(days=1)
    near: dict[int, list[Assignment]] = {}
    # With both bounds on `begins`: so its index is used, and what was earlier is not read.
    around = Assignment.objects.filter(
        priest__is_active=True, freed_at=None, begins__range=(begins - day - LONGEST_PUJA, ends + day)
    )
    for assignment in around.filter(ends__gt=begins - day).exclude(booking=booking):
        near.setdefault(assignment.priest_id, []).append(assignment)
    away = set(PriestLeave.objects.filter(begins__lt=ends, ends__gt=begins).values_list("priest", flat=True))
    priests = Priest.objects.filter(is_active=True).annotate(
        load=pujas_of(begins - FAIRNESS, begins + FAIRNESS)
    )
    checkout = booking.checkout
    found = []
    for priest in priests.prefetch_related("services", "languages", "hours"):
        theirs = near.get(priest.pk, [])
        gaps = [max(each.begins - ends, begins - each.ends) for each in theirs]
        found.append(
            Suggestion(
                priest=priest,
                knows_puja=any(each.pk == checkout.puja_service_id for each in priest.services.all()),
                knows_language=any(
                    each.language == checkout.package_language for each in priest.languages.all()
                ),
                in_hours=_in_hours(priest, begins, ends),
                is_away=priest.pk in away,
                is_busy=any(each.begins < ends and each.ends > begins for each in theirs),
                minutes_apart=max(int(min(gaps).total_seconds() // 60), 0) if gaps else None,
                load=priest.load,
            )
        )
    return sorted(found, key=lambda each: each.order)


def pujas_of(since: datetime, until: datetime) -> Coalesce:
    """How many a priest performs in that time, by their index: a GROUP BY would read all that they ever performed."""
    performed = Assignment.objects.filter(
        priest=OuterRef("pk"), freed_at=None, begins__range=(since, until)
    ).order_by()
    return Coalesce(Subquery(performed.values("priest").annotate(n=Count("pk")).values("n")), 0)


def without_priest(since: datetime, until: datetime) -> "QuerySet[Booking]":
    """Confirmed bookings that begin then and have fewer priests than their package says, the earliest first."""
    confirmed = Booking.objects.filter(
        status=Booking.Status.CONFIRMED, choose_until=None, starts_at__gte=since, starts_at__lt=until
    )
    # Counted for each booking: to group all of them by their bookings would read them before the first is known.
    standing = Assignment.objects.filter(booking=OuterRef("pk"), freed_at=None).order_by()
    counts = standing.values("booking").annotate(n=Count("pk")).values("n")
    counted = confirmed.annotate(priests=Coalesce(Subquery(counts), 0))
    lacking = counted.filter(priests__lt=F("checkout__priest_count"))
    return lacking.select_related("checkout", "user").order_by("starts_at", "pk")


def day_of(day: date, priest: Priest | None = None) -> "QuerySet[Assignment]":
    """What is performed on this day, by one priest or by all, with all that a day sheet says."""
    midnight = timezone.make_aware(datetime.combine(day, time.min))
    rows = Assignment.objects.filter(
        freed_at=None, begins__gte=midnight, begins__lt=midnight + timedelta(days=1)
    )
    if priest is not None:
        rows = rows.filter(priest=priest)
    return rows.select_related("priest", "booking__user", "booking__checkout").order_by(
        "begins", "priest__name"
    )


@transaction.atomic
def set_leave(priest: Priest, begins: datetime, ends: datetime, reason: str = "") -> int:
    """Returns how many bookings they still have in it: these stay until somebody gives them to another priest."""
    Priest.objects.select_for_update(no_key=True).get(pk=priest.pk)
    PriestLeave.objects.get_or_create(priest=priest, begins=begins, ends=ends, defaults={"reason": reason})
    return Assignment.objects.filter(priest=priest, freed_at=None, begins__lt=ends, ends__gt=begins).count()


def open_feed(priest: Priest) -> str:
    """A new secret of the calendar feed, shown once. The one before ends."""
    secret = secrets.token_urlsafe(32)
    Priest.objects.filter(pk=priest.pk).update(feed_digest=_digest(secret))
    return secret


def close_feed(priest: Priest) -> None:
    Priest.objects.filter(pk=priest.pk).update(feed_digest=None)


def priest_of_feed(secret: str) -> Priest | None:
    """Looked up by its digest, so that no answer takes longer the better a guess was."""
    return Priest.objects.filter(feed_digest=_digest(secret), is_active=True).first()


def assigned_to(priest: Priest) -> list[Assignment]:
    """For their calendar: the newest, those of the last weeks among them."""
    since = timezone.now() - FEED_BEHIND
    rows = Assignment.objects.filter(priest=priest, freed_at=None, ends__gte=since)
    return list(rows.select_related("booking__user", "booking__checkout").order_by("-begins")[:MOST_EVENTS])


def _lock_booking(booking: Booking) -> Booking:
    return Booking.objects.select_for_update(no_key=True).get(pk=booking.pk)


def _free(assignments: "QuerySet[Assignment]", because: str) -> int:
    return assignments.filter(freed_at=None).update(
        freed_at=timezone.now(), freed_because=because[:200], news=News.FREED, changes=F("changes") + 1
    )


def _on_leave(priest: Priest, begins: datetime, ends: datetime) -> bool:
    return PriestLeave.objects.filter(priest=priest, begins__lt=ends, ends__gt=begins).exists()


def _in_hours(priest: Priest, begins: datetime, ends: datetime) -> bool:
    """Begins and ends within one span of theirs. Without any span they are free at all times."""
    if not priest.hours.all():
        return True
    first, last = timezone.localtime(begins), timezone.localtime(ends)
    return first.date() == last.date() and any(
        span.weekday == first.isoweekday() and span.begins <= first.time() and last.time() <= span.ends
        for span in priest.hours.all()
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

"""A day on the desk to look at, in simulation: bookings that people paid, a phone booking, refunds, priests.

Made by the services that customers and staff use. Run again on the same day, it adds nothing.
"""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone
from rest_framework.exceptions import APIException

from accounts.models import User
from accounts.services import create_guest, find_or_add_address
from booking.models import Booking, Checkout, Package, Priest, PujaService, Slot
from booking.services import earliest_start, fill_cart
from booking.services.priests import assign
from core.printable import PrintableCommand
from payment.models import ManualEntry, Payment
from payment.services.by_hand import ManualPayment, book_by_hand
from payment.services.checkout import start_payment
from payment.services.pay_links import make_pay_link
from payment.services.refunds.requests import cancel_booking, request_refund
from payment.services.simulation import decide
from payment.services.status import refresh

ASKING_SECONDS = 8
LAST_HOUR = 18  # the last start of a day, also where the temple stays open longer


class Person(NamedTuple):
    name: str
    phone: str
    line: str
    city: str = "Patna"

    @property
    def email(self) -> str:
        return f"{self.name.split()[0].lower()}@example.com"


PEOPLE = (
    Person("Meera Joshi", "+919876500011", "3 Lotus Lane"),
    Person("Vikram Rathore", "+919876500012", "48 Boring Road"),
    Person("Priya Nair", "+919876500013", "7 Fraser Road"),
    Person("Arjun Mehta", "+919876500014", "21 Exhibition Road"),
    Person("Kavita Sinha", "+919876500015", "9 Kankarbagh"),
    Person("Rohan Verma", "+919876500016", "15 Rajendra Nagar"),
)
MEERA, VIKRAM, PRIYA, ARJUN, KAVITA, ROHAN = PEOPLE
MANAGER = "sunita@example.com"
PRIESTS = (
    (
        "Acharya Shastri",
        "आचार्य शास्त्री",
        "+919876500021",
        ("Griha Pravesh", "Namkaran Sanskar", "Satyanarayan Puja"),
    ),
    (
        "Pandit Mishra",
        "पंडित मिश्र",
        "+919876500022",
        ("Rudrabhishek", "Mahamrityunjaya Jaap", "Online Archana"),
    ),
)
Type = Package.PackageType


class Command(PrintableCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.PHONEPE_SIMULATION_MODE or settings.PHONEPE_BASE_URL:
            self.stdout.write("no demo day: it is paid at the simulated PhonePe of this server only")
            return
        if not PujaService.objects.filter(title="Griha Pravesh").exists():
            self.stdout.write("no demo day: run seed_demo first, its pujas are booked")
            return
        today = timezone.localdate()
        emails = [person.email for person in PEOPLE]
        since = timezone.make_aware(datetime.combine(today, time.min))
        if Checkout.objects.filter(user__email__in=emails, created_at__gte=since).exists():
            return
        day = DemoDay()
        try:
            day.make()
        # Sold out or closed, or somebody has deleted it: the rest of the demo works without it.
        except (APIException, ObjectDoesNotExist) as refusal:
            self.stderr.write(f"the demo day is not whole: {refusal}")
        self.stdout.write(f"{day.booked} bookings for the desk to look at")


class DemoDay:
    """The steps of one day. Staff act as a manager whose refunds the demo's owner may approve."""

    def __init__(self) -> None:
        self.booked = 0
        self.today = timezone.localdate()
        self.starts = free_starts()
        self.manager = make_manager()
        self.priests = [make_priest(*fields) for fields in PRIESTS]

    def make(self) -> None:
        self.pay(MEERA, "Online Archana")
        griha = self.pay(VIKRAM, "Griha Pravesh", Type.STANDARD)
        self.take_cash(PRIYA, "Namkaran Sanskar")
        jaap = self.pay(ARJUN, "Mahamrityunjaya Jaap")
        satya = self.pay(KAVITA, "Satyanarayan Puja", at=first_slot("Satyanarayan Puja", days=2))
        large = self.pay(VIKRAM, "Griha Pravesh", Type.PREMIUM, at=next_day(11, days=3))
        shastri, mishra = self.priests
        assign(griha, shastri, self.manager)
        assign(jaap, mishra, self.manager)
        assign(satya, shastri, self.manager)
        payment = Payment.objects.get(checkout=jaap.checkout_id)
        request_refund(payment.pk, 300_00, "We began half an hour late", self.manager)
        cancel_booking(large, "The family has postponed the move", by=self.manager, in_full=True)
        self.send_link(ROHAN, "Lakshmi Puja")
        self.begin_to_pay(MEERA, "Satyanarayan Puja")

    def pay(self, person: Person, puja: str, kind: str = Type.BASIC, at: datetime | None = None) -> Booking:
        """As a customer who pays at PhonePe."""
        payment = self._open(person, puja, kind, at or next(self.starts))
        decide(payment.attempts.get(), "success")
        payment = refresh(payment, ASKING_SECONDS, "simulation")
        self.booked += 1
        return Booking.objects.get(checkout=payment.checkout_id)

    def begin_to_pay(self, person: Person, puja: str) -> None:
        """As a customer who has PhonePe's page open."""
        self._open(person, puja, Type.BASIC, first_slot(puja))

    def take_cash(self, person: Person, puja: str) -> None:
        manual = ManualPayment(ManualEntry.Means.CASH, "", self.manager, self._key("cash"))
        user, choice = customer(person), choose(puja, Type.BASIC, next(self.starts))
        book_by_hand(user, choice, manual, address_id=address_of(user, person))
        self.booked += 1

    def send_link(self, person: Person, puja: str) -> None:
        user, choice = customer(person), choose(puja, Type.BASIC, first_slot(puja))
        address = address_of(user, person)
        make_pay_link(user, choice, by=self.manager, key=self._key("link"), address_id=address)

    def _open(self, person: Person, puja: str, kind: str, at: datetime) -> Payment:
        user = customer(person)
        cart = fill_cart(user, **choose(puja, kind, at))
        return start_payment(user, cart_id=cart.pk, address_id=address_of(user, person)).payment

    def _key(self, what: str) -> UUID:
        return uuid5(NAMESPACE_URL, f"demo {what} {self.today}")


def free_starts() -> Iterator[datetime]:
    """Each full hour that can still be booked, today where possible, then tomorrow."""
    last = max(settings.OPENING_HOUR, min(settings.CLOSING_HOUR, LAST_HOUR))
    at = (timezone.localtime(earliest_start()) + timedelta(hours=1)).replace(
        minute=0, second=0, microsecond=0
    )
    while True:
        if settings.OPENING_HOUR <= at.hour <= last:
            yield at
        at += timedelta(hours=1)


def next_day(hour: int, days: int) -> datetime:
    return timezone.make_aware(datetime.combine(timezone.localdate() + timedelta(days=days), time(hour)))


def first_slot(puja: str, days: int = 1) -> datetime:
    """With 2 days on no day of `free_starts`, on which its priest may perform another puja."""
    slots = Slot.objects.filter(service__title=puja, starts_at__gt=next_day(0, days))
    return slots.earliest("starts_at").starts_at


def choose(puja: str, kind: str, at: datetime) -> dict[str, Any]:
    package = Package.objects.filter(puja_service__title=puja, package_type=kind, is_active=True).earliest(
        "pk"
    )
    local = timezone.localtime(at)
    return {
        "puja_service": package.puja_service_id,
        "package_id": package.pk,
        "selected_date": local.date(),
        "selected_time": local.time(),
    }


def customer(person: Person) -> User:
    create_guest(email=person.email, first_name=person.name, phone=person.phone, language="en")
    return User.objects.get(email=person.email)


def address_of(user: User, person: Person) -> int:
    fields = {"address_line1": person.line, "city": person.city, "state": "Bihar", "postal_code": "800001"}
    return find_or_add_address(user, **fields).pk


def make_manager() -> User:
    """Nobody can log in as this person."""
    if found := User.objects.filter(email=MANAGER).first():
        return found
    manager = User.objects.create_user(MANAGER, None, first_name="Sunita", last_name="Rao", is_staff=True)
    manager.groups.add(Group.objects.get(name="Manager"))
    return manager


def make_priest(name: str, name_hi: str, phone: str, pujas: tuple[str, ...]) -> Priest:
    priest, is_new = Priest.objects.get_or_create(name=name, defaults={"name_hi": name_hi, "phone": phone})
    if is_new:
        priest.services.set(PujaService.objects.filter(title__in=pujas))
        for language in Package.Language.HINDI, Package.Language.SANSKRIT:
            priest.languages.create(language=language)
    return priest

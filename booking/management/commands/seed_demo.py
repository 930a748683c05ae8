"""A catalogue, slots, a promo code and two people to try everything with. May be run again and again."""

import secrets
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import add_address
from booking.models import Package, PromoCode, PujaCategory, PujaService, Slot
from booking.services import demo_package
from core.printable import PrintableCommand

DAYS = 14
IMAGES = "https://ik.imagekit.io/okpuja"


class Puja(NamedTuple):
    title: str
    category: str
    type: str
    minutes: int
    rupees: int
    description: str
    title_hi: str
    description_hi: str
    slot_hours: tuple[int, ...] = ()  # none: any time while we are open


PUJAS = (
    Puja(
        "Satyanarayan Puja",
        "Home and family",
        "HOME",
        120,
        2100,
        "Katha and puja for peace at home.",
        "सत्यनारायण पूजा",
        "घर में शांति के लिए कथा और पूजा।",
        (8, 11, 16),
    ),
    Puja(
        "Griha Pravesh",
        "Home and family",
        "HOME",
        180,
        5100,
        "The first steps into a new home.",
        "गृह प्रवेश",
        "नए घर में पहला कदम।",
    ),
    Puja(
        "Namkaran Sanskar",
        "Home and family",
        "HOME",
        90,
        3100,
        "A name for the newborn.",
        "नामकरण संस्कार",
        "नवजात शिशु का नामकरण।",
    ),
    Puja(
        "Ganesh Puja",
        "Festivals",
        "HOME",
        60,
        1500,
        "For a good beginning.",
        "गणेश पूजा",
        "शुभ आरंभ के लिए।",
        (7, 9, 18),
    ),
    Puja(
        "Lakshmi Puja",
        "Festivals",
        "HOME",
        90,
        2500,
        "For prosperity, with lamps at dusk.",
        "लक्ष्मी पूजा",
        "समृद्धि के लिए, संध्या के दीपों के साथ।",
        (17, 19),
    ),
    Puja(
        "Rudrabhishek",
        "Temple",
        "TEMPLE",
        75,
        1100,
        "Abhishek of Lord Shiva with milk and honey.",
        "रुद्राभिषेक",
        "दूध और शहद से भगवान शिव का अभिषेक।",
        (6, 8),
    ),
    Puja(
        "Mahamrityunjaya Jaap",
        "Temple",
        "TEMPLE",
        150,
        7100,
        "For health and long life.",
        "महामृत्युंजय जाप",
        "स्वास्थ्य और दीर्घायु के लिए।",
    ),
)
CATEGORIES_HI = {"Home and family": "घर और परिवार", "Festivals": "त्योहार", "Temple": "मंदिर"}
PREPARATION = (
    "<p>Please bathe before the puja, wear clean clothes, and have flowers, fruit and a lamp ready.</p>",
    "<p>कृपया पूजा से पहले स्नान करें, स्वच्छ वस्त्र पहनें, और फूल, फल तथा दीपक तैयार रखें।</p>",
)
LEVELS = (
    (Package.PackageType.BASIC, Package.Language.HINDI, 1, 1, False, "One priest.", "एक पंडित।"),
    (
        Package.PackageType.STANDARD,
        Package.Language.HINDI,
        2,
        2,
        True,
        "Two priests, all materials.",
        "दो पंडित, सारी सामग्री सहित।",
    ),
    (
        Package.PackageType.PREMIUM,
        Package.Language.SANSKRIT,
        4,
        4,
        True,
        "Four priests, all materials, prasad.",
        "चार पंडित, सारी सामग्री और प्रसाद सहित।",
    ),
)
WELCOME = {
    "description": "10 % off, up to ₹500",
    "discount_type": PromoCode.DiscountType.PERCENT,
    "percent": 10,
    "max_discount_paise": 500_00,
}


class Command(PrintableCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--password", default="", help="for both people; else DEMO_PASSWORD, else a random one"
        )

    def handle(self, *args: Any, password: str, **options: Any) -> None:
        if settings.PHONEPE_ENV == "PRODUCTION":
            raise CommandError(
                "Demo people and prices have no place beside real money (PHONEPE_ENV=PRODUCTION)."
            )
        with transaction.atomic():
            for puja in PUJAS:
                seed_puja(puja)
            demo_package()
            PromoCode.objects.get_or_create(code="WELCOME10", defaults=WELCOME)
            made = seed_people(password or settings.DEMO_PASSWORD)
        self.stdout.write(
            f"{PujaService.objects.count()} pujas, slots for the next {DAYS} days, promo code WELCOME10"
        )
        for line in made:
            self.stdout.write(line)


def seed_puja(puja: Puja) -> None:
    category, _ = PujaCategory.objects.get_or_create(
        name=puja.category, defaults={"name_hi": CATEGORIES_HI[puja.category]}
    )
    slug = puja.title.lower().replace(" ", "-")
    fields = {
        "category": category,
        "type": puja.type,
        "duration_minutes": puja.minutes,
        "description": f"<p>{puja.description}</p>",
        "title_hi": puja.title_hi,
        "description_hi": f"<p>{puja.description_hi}</p>",
        "preparation": PREPARATION[0],
        "preparation_hi": PREPARATION[1],
        "image_url": f"{IMAGES}/{slug}.jpg",
    }
    service, made = PujaService.objects.get_or_create(title=puja.title, defaults=fields)
    if made:
        seed_packages(service, puja.rupees)
    seed_slots(service, puja.slot_hours)


def seed_packages(service: PujaService, rupees: int) -> None:
    for kind, language, times, priests, materials, description, description_hi in LEVELS:
        Package.objects.create(
            puja_service=service,
            location="Patna",
            language=language,
            package_type=kind,
            price_paise=rupees * 100 * times,
            priest_count=priests,
            includes_materials=materials,
            description=f"<p>{description}</p>",
            location_hi="पटना",
            description_hi=f"<p>{description_hi}</p>",
        )


def seed_slots(service: PujaService, hours: tuple[int, ...]) -> None:
    """Rolling: days that are new since the last run are added, slots that exist are left alone."""
    days = [timezone.localdate() + timedelta(days=ahead) for ahead in range(1, DAYS + 1)]
    starts = [timezone.make_aware(datetime.combine(day, time(hour))) for day in days for hour in hours]
    slots = [Slot(service=service, starts_at=start, capacity=3) for start in starts]
    Slot.objects.bulk_create(slots, ignore_conflicts=True)


def seed_people(password: str) -> list[str]:
    """What the person at the terminal must be told. Accounts that exist keep their password, unless one is given."""
    chosen = password or secrets.token_urlsafe(12)
    lines = [
        seed_person(
            User.objects.create_user,
            "devotee@example.com",
            chosen,
            bool(password),
            first_name="Asha",
            last_name="Devi",
        ),
        seed_person(
            User.objects.create_superuser, "staff@example.com", chosen, bool(password), first_name="Ravi"
        ),
    ]
    return [line for line in lines if line]


def seed_person(create: Callable[..., User], email: str, password: str, overwrite: bool, **names: str) -> str:
    user = User.objects.filter(email=email).first()
    if user is None:
        user = create(email, password, email_confirmed_at=timezone.now(), **names)
        if user.is_customer:
            add_address(
                user, address_line1="12 Temple Road", city="Patna", state="Bihar", postal_code="800001"
            )
        return f"{email}: password {'as given' if overwrite else password}"
    if not overwrite:
        return ""
    user.set_password(password)
    user.save(update_fields=["password"])
    return f"{email}: password changed as given"

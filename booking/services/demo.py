"""The puja without slots that demonstrations of the payment book."""

from datetime import time, timedelta

from django.utils import timezone

from accounts.models import User
from booking.models import Cart, Package, PujaCategory, PujaService
from booking.services.carts import fill_cart
from booking.services.places import earliest_start

DEMO_SERVICE = "Online Archana"


def demo_cart(user: User) -> Cart:
    """An ACTIVE cart of this person for the demo puja, at 10:00 on the day after the nearest that is sold."""
    package = demo_package()
    return fill_cart(
        user,
        puja_service=package.puja_service_id,
        package_id=package.pk,
        selected_date=timezone.localdate(earliest_start()) + timedelta(days=1),
        selected_time=time(10),
    )


def demo_package() -> Package:
    """Made when it is missing, so that a demonstration needs no seed."""
    category, _ = PujaCategory.objects.get_or_create(name="Online", defaults={"name_hi": "ऑनलाइन"})
    service, _ = PujaService.objects.get_or_create(
        title=DEMO_SERVICE,
        defaults={
            "category": category,
            "type": PujaService.Type.ONLINE,
            "duration_minutes": 30,
            "image_url": "https://ik.imagekit.io/okpuja/online-archana.jpg",
            "description": "<p>An archana in your name, seen live from the temple.</p>",
            "title_hi": "ऑनलाइन अर्चना",
            "description_hi": "<p>आपके नाम से अर्चना, मंदिर से सीधे दिखाई जाती है।</p>",
        },
    )
    packages = Package.objects.filter(puja_service=service, is_active=True)
    return packages.first() or Package.objects.create(
        puja_service=service,
        location="Online",
        language=Package.Language.HINDI,
        package_type=Package.PackageType.BASIC,
        price_paise=110_00,
        description="<p>One priest, a live link, and the prasad by post.</p>",
        location_hi="ऑनलाइन",
        description_hi="<p>एक पंडित, सीधा प्रसारण, और डाक से प्रसाद।</p>",
        includes_materials=True,
    )

import pytest
from django.core.cache import caches

from tests.unit.storefront.visitor import Visitor


@pytest.fixture(autouse=True)
def shop(settings):
    """It is open, and remembers no page of another test."""
    settings.STOREFRONT = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    caches["pages"].clear()


@pytest.fixture
def visitor():
    return Visitor()

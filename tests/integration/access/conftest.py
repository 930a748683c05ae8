import pytest
from django.test import Client

from accounts.models import User


@pytest.fixture
def clients():
    """`clients(user)` is a browser that is logged in to the admin; None is nobody."""
    made: dict[int | None, Client] = {}

    def client(user: User | None) -> Client:
        key = user.pk if user else None
        if key not in made:
            made[key] = Client()
            if user is not None:
                made[key].force_login(user)
        return made[key]

    return client

import pytest
from django.test import Client

from tests.harness import builders


@pytest.fixture
def desk(db):
    """`desk("Support")` is a browser in which somebody with this role is logged in to the admin."""

    def log_in(role: str) -> Client:
        client = Client()
        client.force_login(builders.make_staff(role))
        return client

    return log_in

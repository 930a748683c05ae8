import pytest

from tests.harness.process_output import no_server_breaks, pytest_runtest_makereport
from tests.integration.frontend.people import shop_with_mails

__all__ = ["no_server_breaks", "pytest_runtest_makereport"]


@pytest.fixture(scope="module")
def shop(request):
    """`(generation of PhonePe's protocol, settings)`."""
    generation, settings = getattr(request, "param", ("v2", {}))
    with shop_with_mails(generation, **settings) as shop:
        yield shop

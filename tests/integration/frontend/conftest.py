import pytest

from tests.harness.process_output import no_server_breaks, pytest_runtest_makereport
from tests.integration.frontend.people import shop_with_mails

__all__ = ["no_server_breaks", "pytest_runtest_makereport"]


@pytest.fixture(scope="module")
def shop(request):
    with shop_with_mails(getattr(request, "param", "v2")) as shop:
        yield shop

import pytest

from payment.services import attempts
from tests.harness.invariants import LAWS, NOTHING_INVENTED, NOTHING_LOST, query, violations
from tests.system.interleavings.line import Line


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A second click looks once, it does not wait for real."""
    monkeypatch.setattr(attempts, "SECONDS_TO_WAIT_FOR_ANOTHER_REQUEST", 0.05)


@pytest.fixture(autouse=True)
def line(settings):
    settings.SIMULATOR_ADAPTER = "tests.system.interleavings.line.Line"
    yield Line
    Line.clear()


@pytest.fixture(autouse=True)
def balanced_books(transactional_db):
    """However a story went, its end breaks no law, and our ledger is PhonePe's account."""
    yield
    assert violations(query, LAWS | NOTHING_INVENTED | NOTHING_LOST) == {}


@pytest.fixture
def phone(api, alice):
    """Alice's browser."""
    return api(alice)

"""The OpenAPI description against the running code: no answer that it does not describe, and never a 5xx."""

import itertools
from collections import Counter
from zlib import crc32

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.meta import TestPhase
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source
from schemathesis.specs.openapi import checks

from accounts.api_keys import create_key
from accounts.models import Address, ApiKey, User
from accounts.sessions import open_session
from booking.models import (
    Booking,
    Cart,
    Package,
    PromoCode,
    PujaCategory,
    PujaService,
    Slot,
    WaitingEntry,
)
from okpuja.wsgi import application
from payment.models import Payment, Refund, ServerEvent
from payment.services import status
from tests.harness import PROOFS
from tests.integration.test_access import filled

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["filled"]

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
SOLD = {
    "/api/puja/categories/": PujaCategory,
    "/api/promo/admin/promos/": PromoCode,
    "/api/puja/services/": PujaService,
    "/api/puja/packages/": Package,
    "/api/puja/public/services/": PujaService,
    "/api/puja/public/puja/packages/": Package,
    "/api/puja/slots/": Slot,
}
OWNED = {
    "/api/auth/users/": User,
    "/api/booking/admin/bookings/": Booking,
    "/api/auth/addresses/": Address,
    "/api/cart/carts/": Cart,
    "/api/booking/bookings/": Booking,
    "/api/booking/waiting/": WaitingEntry,
    "/api/payments/payments/": Payment,
    "/api/payments/refunds/": Refund,
    "/api/server/payments/": Payment,
}
schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))
schema.app = application
# In the order of the description. `schema.parametrize()` would make up the requests of all operations while tests are
# collected: in each worker, on each database, also where none of them is played.
OPERATIONS = [found.ok().label for found in schema.get_all_operations()]
few = settings(
    max_examples=25 if PROOFS else 3,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_description_is_made_without_a_query(django_assert_num_queries):
    """It is made above before there is a database: a pool of connections to another one would stay."""
    with django_assert_num_queries(0):
        SchemaGenerator().get_schema(public=True)


def test_no_shape_is_described_by_the_class_that_every_shape_is_made_of():
    shapes = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"].values()
    described = Counter(shape["description"] for shape in shapes if shape.get("description"))

    # Request, answer and change of one object have the same words.
    assert {words: number for words, number in described.items() if number > 3} == {}


@pytest.fixture
def described(filled, monkeypatch):
    """Checks one request of the next of these callers, with a session of its own; None is a stranger, a text a key."""
    monkeypatch.setattr(status, "SECONDS_BETWEEN_POLLS", 0)

    def check(case, callers):
        aim(case)
        caller = next(callers)
        bearer = caller if isinstance(caller, str) else open_session(caller).access if caller else None
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        case.call_and_validate(headers=headers, checks=CHECKS)

    return check


@pytest.fixture
def customer(alice):
    return itertools.cycle([alice, alice, alice, None])


@pytest.fixture
def superuser(staff):
    return itertools.cycle([staff])


@pytest.fixture
def key(db):
    return itertools.cycle([create_key("a server", ApiKey.Scope.values)[1]])


@pytest.mark.proof(every=11)
@pytest.mark.parametrize("operation", [each for each in OPERATIONS if "/api/server/" in each])
def test_every_answer_to_a_server_is_described(operation, described, key):
    play(operation, lambda case: described(case, key))


@pytest.mark.proof(every=23)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_to_a_customer_is_described(operation, described, customer):
    play(operation, lambda case: described(case, customer))


@pytest.mark.proof(every=37)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_to_a_superuser_is_described(operation, described, superuser):
    play(operation, lambda case: described(case, superuser))


def play(operation, check):
    """Every request that schemathesis makes up for this operation."""

    @few
    def each(case):
        if PROOFS or is_in_sample(case):
            check(case)

    test = build_operation_test(
        config=schema.config,
        operation=schema.find_operation_by_label(operation),
        test_func=each,
        given_kwargs={},
        feedback=FeedbackSources(constants_value_source=make_constants_value_source(schema)),
    )
    test()


def is_in_sample(case) -> bool:
    """What chance makes up, and every fourth of the sixty cases of an operation at the bounds of its parameters."""
    phase = case.meta.phase
    return phase.name is not TestPhase.COVERAGE or crc32(repr(phase.data).encode()) % 4 == 0


def aim(case) -> None:
    """A number that was made up hardly ever names a row: let it name one that is there, if one is left."""
    if "book_id" in case.path_parameters and (booking := Booking.objects.last()):
        case.path_parameters["book_id"] = booking.book_id
    if "event_id" in case.path_parameters and (event := ServerEvent.objects.last()):
        case.path_parameters["event_id"] = event.event_id
    if not str(case.path_parameters.get("id", "")).isdigit():
        return
    model = next(model for prefix, model in (SOLD | OWNED).items() if case.path.startswith(prefix))
    if row := model.objects.order_by("pk").last():
        case.path_parameters["id"] = row.pk

"""Whatever a caller sends, the simulator answers like PhonePe: with a refusal, never with a stack."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import router
from simulator.models import Order
from simulator.wire import Request
from tests.unit.simulator.shop import ADDRESS

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FLOW = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": ADDRESS}}
V1_FIELDS = ["merchantId", "merchantTransactionId", "merchantUserId", "amount", "redirectUrl", "redirectMode"]
V1_FIELDS += ["callbackUrl", "mobileNumber", "paymentInstrument", "surprise"]
V2_FIELDS = ["amount", "metaInfo", "paymentFlow", "expireAfter", "disablePaymentRetry", "surprise"]
CONTROLS = ["orders/x/decide/", "refunds/x/decide/", "faults/", "merchants/x/", "clock/", "webhooks/"]
REAL = [route for route in router.ROUTES if route.operation != router.NO_FAULTS]
WISHES = [
    "outcome",
    "operation",
    "fault",
    "kind",
    "times",
    "argument",
    "carried_out",
    "advance",
    "webhook_url",
    "event",
    "payload",
    "merchant",
    "about",
]


@few
@given(method=st.sampled_from(["GET", "POST", "PUT", "HEAD"]), path=st.text(), body=st.binary())
def test_any_call_is_answered(db, method, path, body):
    answer = router.handle(Request(method, router.PREFIX + path, body=body))
    assert 200 <= answer.status < 500
    json.loads(answer.body)


@few
@given(route=st.sampled_from(REAL), body=st.binary())
def test_any_body_on_a_real_path_is_refused(db, route, body):
    path = router.PREFIX + "pg-sandbox" + route.pattern.pattern.replace(r"([^/\x00]+)", "x")
    request = Request(route.method, path, body=body, headers={"Content-Type": "application/json"})
    assert 400 <= router.handle(request).status < 500


@few
@given(field=st.sampled_from(V2_FIELDS), value=anything)
def test_any_value_in_a_v2_order_is_taken_or_refused(v2, field, value):
    Order.objects.all().delete()
    assert v2.pay(**{field: value}).status_code in {200, 400}


@few
@given(field=st.sampled_from(["type", "message", "merchantUrls", "paymentModeConfig"]), value=anything)
def test_any_value_in_the_flow_is_taken_or_refused(v2, field, value):
    Order.objects.all().delete()
    assert v2.pay(paymentFlow=FLOW | {field: value}).status_code in {200, 400}


@few
@given(field=st.sampled_from(V1_FIELDS), value=anything)
def test_any_value_in_a_v1_payment_is_taken_or_refused(v1, field, value):
    Order.objects.all().delete()
    assert v1.pay(**{field: value}).status_code in {200, 400, 404}


@few
@given(path=st.sampled_from(CONTROLS), body=st.dictionaries(st.sampled_from(WISHES), anything))
def test_any_request_to_the_control_api_is_answered(v2, path, body):
    assert v2.control(path, body).status_code in {200, 400, 404, 409}

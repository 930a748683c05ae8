"""A shop built on PhonePe's own Python SDK. `python python_sdk.py ADDRESS` prints as JSON what it has lived through.

Runs in an environment of its own: the SDK wants an older `requests` than ours.
"""

import hashlib
import json
import sys

import requests
from phonepe.sdk.pg import env
from phonepe.sdk.pg.common.exceptions import PhonePeException
from phonepe.sdk.pg.common.models.request.pg_payment_request import PgPaymentRequest
from phonepe.sdk.pg.common.models.request.refund_request import RefundRequest
from phonepe.sdk.pg.payments.v2.custom_checkout_client import CustomCheckoutClient
from phonepe.sdk.pg.payments.v2.models.request.create_sdk_order_request import CreateSdkOrderRequest
from phonepe.sdk.pg.payments.v2.models.request.standard_checkout_pay_request import StandardCheckoutPayRequest
from phonepe.sdk.pg.payments.v2.standard_checkout_client import StandardCheckoutClient

ADDRESS = sys.argv[1]
BACK = "http://shop.example/back"
CREDENTIALS = {
    "client_id": "SIM-CLIENT",
    "client_secret": "sim-secret",
    "client_version": 1,
    "env": env.Env.SANDBOX,
}


def control(path, **body):
    method = "POST" if body else "GET"
    answer = requests.request(method, f"{ADDRESS}/simulator/control/{path}", json=body or None, timeout=10)
    answer.raise_for_status()
    return answer.json()


def refused(call, *arguments):
    try:
        call(*arguments)
    except PhonePeException as refusal:
        return [refusal.http_status_code, refusal.code]
    return None


def on_phonepes_page(shop):
    order = StandardCheckoutPayRequest.build_request("py-1", 10_000, redirect_url=BACK)
    page = shop.pay(order).redirect_url
    control("orders/py-1/decide/", outcome="attempt_failed")
    control("orders/py-1/decide/", outcome="success")
    status = shop.get_order_status("py-1", details=True)
    paid = shop.get_transaction_status(status.payment_details[-1].transaction_id)
    app = shop.create_sdk_order(CreateSdkOrderRequest.build_standard_checkout_request("py-2", 10_000))
    told = control("orders/py-2/app/", action="pays", token=app.token)["told"]
    status_of_app = shop.get_order_status("py-2")
    return {
        "page": page.startswith(ADDRESS),
        "tries": [tried.state for tried in status.payment_details],
        "paid": paid.state,
        "app": [told, status_of_app.state, status_of_app.order_id == app.order_id, app.state],
        "twice": refused(shop.pay, order),
        "unknown": refused(shop.get_order_status, "nobody"),
    }


def money_back(shop):
    wanted = RefundRequest.build_refund_request(
        merchant_refund_id="py-r", original_merchant_order_id="py-1", amount=10_000
    )
    asked = shop.refund(wanted).state
    control("clock/", advance=5)
    return [asked, shop.get_refund_status("py-r").state]


def on_a_page_of_its_own(shop):
    card = {"auth_mode": "3DS", "encryption_key_id": 1, "expiry_month": "12", "expiry_year": "2030"}
    wanted = [
        PgPaymentRequest.build_upi_intent_pay_request("py-intent", 10_000, device_os="ANDROID"),
        PgPaymentRequest.build_upi_collect_pay_via_vpa_request("py-vpa", 10_000, "success@ybl", "Puja"),
        PgPaymentRequest.build_upi_collect_pay_via_phone_number_request(
            "py-phone", 10_000, "9000000001", "Puja"
        ),
        PgPaymentRequest.build_upi_qr_pay_request("py-qr", 10_000),
        PgPaymentRequest.build_net_banking_pay_request("py-bank", 10_000, "SBIN", BACK),
        PgPaymentRequest.build_card_pay_request(
            "py-card",
            10_000,
            encrypted_card_number="x",
            encrypted_cvv="x",
            card_holder_name="Radhika",
            redirect_url=BACK,
            **card,
        ),
        PgPaymentRequest.build_token_pay_request(
            "py-token",
            10_000,
            encrypted_token="x",
            encrypted_cvv="x",
            cryptogram="x",
            pan_suffix="1234",
            redirect_url=BACK,
            **card,
        ),
    ]
    return {order.merchant_order_id: paid_with(shop, order) for order in wanted}


def paid_with(shop, order):
    shop.pay(order)
    control(f"orders/{order.merchant_order_id}/decide/", outcome="success")
    status = shop.get_order_status(order.merchant_order_id)
    return [status.state, status.payment_details[0].payment_mode.value]


def webhooks(shop):
    """Of every event that the SDK has a name for, as the simulator words it."""
    proof = hashlib.sha256(b"sim_hook:Sim-pass-9").hexdigest()
    heard = {}
    for event in (
        "checkout.order.completed",
        "checkout.order.failed",
        "pg.refund.completed",
        "subscription.paused",
    ):
        said = control("webhooks/", event=event)["said"]
        heard[event] = shop.validate_callback("sim_hook", "Sim-pass-9", proof, json.dumps(said)).type.value
    return heard


def main():
    env.SANDBOX_PG_BASE_URL = env.SANDBOX_OAUTH_BASE_URL = f"{ADDRESS}/simulator/apis/pg-sandbox"
    shop = StandardCheckoutClient.get_instance(**CREDENTIALS, should_publish_events=False)
    own = CustomCheckoutClient.get_instance(**CREDENTIALS, should_publish_events=False)
    lived = {
        "page": on_phonepes_page(shop),
        "refund": money_back(shop),
        "own": on_a_page_of_its_own(own),
        "unknown": refused(own.get_order_status, "nobody"),
        "webhooks": webhooks(shop),
    }
    sys.stdout.write(json.dumps(lived))
    shop.close()
    own.close()


main()

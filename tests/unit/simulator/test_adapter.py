import pytest
import requests
from urllib3.exceptions import NewConnectionError, ProtocolError

from simulator.models import Order


class TestFaults:
    def test_a_refused_connection_has_the_same_inner_error(self, v2):
        v2.fetch_token()
        v2.arm("pay", "refuse")
        with pytest.raises(requests.ConnectionError) as raised:
            v2.pay()
        reason = raised.value.args[0].reason
        assert isinstance(reason, NewConnectionError)
        assert isinstance(reason.__cause__, ConnectionRefusedError)
        assert not Order.objects.exists()

    @pytest.mark.parametrize(
        ("kind", "error", "arrived"),
        [
            ("connect_timeout", requests.ConnectTimeout, False),
            ("reset_before", requests.ConnectionError, False),
            ("reset_after", requests.ConnectionError, True),
            ("never_answer", requests.ReadTimeout, True),
        ],
    )
    def test_the_error_does_not_show_whether_the_order_exists(self, v2, kind, error, arrived):
        v2.arm("pay", kind)
        with pytest.raises(error):
            v2.pay()
        assert Order.objects.exists() is arrived
        assert v2.status().status_code == (200 if arrived else 400)

    def test_a_reset_is_an_aborted_connection(self, v2):
        v2.arm("pay", "reset_before")
        with pytest.raises(requests.ConnectionError) as raised:
            v2.pay()
        inner = raised.value.args[0]
        assert isinstance(inner, ProtocolError)
        assert isinstance(inner.args[1], ConnectionResetError)

    def test_either_side_of_a_fault_can_be_chosen(self, v2):
        v2.arm("pay", "never_answer", carried_out=False)
        with pytest.raises(requests.ReadTimeout):
            v2.pay()
        assert not Order.objects.exists()
        v2.arm("pay", "status_500", carried_out=True)
        assert v2.pay().status_code == 500
        assert Order.objects.exists()

    @pytest.mark.parametrize(
        ("kind", "status"), [("status_500", 500), ("status_503", 503), ("status_429", 429)]
    )
    def test_server_errors_of_phonepe(self, v2, kind, status):
        v2.arm("pay", kind)
        assert v2.pay().status_code == status
        assert not Order.objects.exists()

    def test_a_delay_can_be_given(self, v2):
        v2.arm("pay", "status_429", argument=7)
        assert v2.pay().headers["Retry-After"] == "7"

    def test_a_firewalls_page_instead_of_an_answer(self, v2):
        v2.arm("pay", "html")
        blocked = v2.pay()
        assert (blocked.status_code, blocked.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
        v2.arm("pay", "html", argument=200)
        assert v2.pay().status_code == 200
        assert not Order.objects.exists()

    def test_a_truncated_response(self, v2):
        v2.arm("pay", "cut_json")
        answer = v2.pay()
        assert answer.status_code == 200
        with pytest.raises(requests.JSONDecodeError):
            answer.json()
        assert Order.objects.exists()

    def test_a_fault_strikes_as_often_as_it_was_armed(self, v2):
        v2.arm("pay", "status_500", times=2)
        assert [v2.pay().status_code for _ in range(3)] == [500, 500, 200]

    def test_a_fault_strikes_its_own_operation_only(self, v2):
        for operation in ("token", "status", "refund", "refund_status"):
            v2.arm(operation, "status_500")
        assert v2.fetch_token().status_code == 500
        assert v2.pay().status_code == 200
        assert v2.status().status_code == 500
        v2.decide("V2-order-1", "success")
        assert v2.refund().status_code == 500
        assert v2.refund_status().status_code == 500
        assert v2.refund().status_code == 200

    def test_v1_gets_the_same_faults(self, v1):
        v1.arm("pay", "reset_after")
        with pytest.raises(requests.ConnectionError):
            v1.pay()
        assert v1.status().json()["code"] == "PAYMENT_PENDING"


def test_a_path_on_the_wrong_base_is_not_mapped(v2):
    unmapped = (
        ("POST", "apis/identity-manager/checkout/v2/pay"),
        ("POST", "apis/pg/v1/oauth/token"),
        ("POST", "apis/hermes/checkout/v2/pay"),
        ("POST", "apis/pg/pg/v1/pay"),
        ("GET", "apis/pg-sandbox/checkout/v2/pay"),
        ("GET", "apis/pg-sandbox/checkout/v2/order/status/V2-order-1"),
        ("GET", "apis/pg-sandbox/checkout/v2/order//status"),
        ("GET", "apis/pgsandbox/checkout/v2/order/x/status"),
        ("GET", "apis/"),
    )
    for method, path in unmapped:
        answer = v2(method, path)
        assert answer.status_code == 400, path
        assert answer.json() == {"message": "Bad Request - Api Mapping Not Found"}


def test_production_splits_token_and_payment_between_two_bases(v2):
    v2.base = "apis/identity-manager"
    v2.token = v2.fetch_token().json()["access_token"]
    v2.base = "apis/pg"
    assert v2.pay().status_code == 200


def test_the_bare_host_answers_404(v2):
    assert v2.session.get("http://phonepe.simulator/").status_code == 404


def test_without_simulation_there_is_no_simulator(v2, settings):
    settings.PHONEPE_SIMULATION_MODE = False
    assert v2.fetch_token().status_code == 404
    assert v2.control("account/").status_code == 404

"""What a caller sees when a call goes wrong, and what PhonePe has done all the same."""

from datetime import timezone
from email.utils import parsedate_to_datetime

import pytest
import requests

from simulator import canned_errors, clock
from simulator.models import Order


class TestLate:
    def test_a_delay_beyond_the_timeout_is_a_read_timeout(self, v2):
        v2.arm("pay", "delay", argument=11)  # the caller waits for ten seconds
        with pytest.raises(requests.ReadTimeout):
            v2.pay()
        assert Order.objects.exists()

    def test_a_delay_within_the_timeout_returns_the_genuine_response(self, v2, monkeypatch):
        waited = []
        monkeypatch.setattr("time.sleep", waited.append)
        v2.fetch_token()
        v2.arm("pay", "delay", argument=9)
        assert v2.pay().json()["state"] == "PENDING"
        assert sum(waited) == 9

    def test_a_delay_beyond_the_timeout_does_not_wait(self, v2, monkeypatch):
        waited = []
        monkeypatch.setattr("time.sleep", waited.append)
        v2.arm("pay", "delay", argument=11)
        with pytest.raises(requests.ReadTimeout):
            v2.pay()
        assert sum(waited) == 0


class TestCredentials:
    def test_an_expired_token_is_refused_as_documented(self, v2):
        v2.pay()
        v2.arm("status", "expired_token")
        refused = v2.status()
        assert (refused.status_code, refused.json()["code"]) == (401, "AUTHORIZATION_FAILED")
        assert v2.status().status_code == 200

    def test_in_v1_the_checksum_is_refused(self, v1):
        v1.arm("pay", "expired_token")
        refused = v1.pay()
        assert (refused.status_code, refused.json()) == (401, {"success": False, "code": "401"})
        assert not Order.objects.exists()

    def test_nobody_needs_a_token_to_get_one(self, v2):
        assert v2.arm("token", "expired_token").status_code == 400


class TestAnswers:
    def test_a_gateway_in_front_of_phonepe_answers_html(self, v2):
        v2.arm("pay", "status_502")
        answered = v2.pay()
        assert (answered.status_code, answered.headers["Content-Type"]) == (502, "text/html")
        assert not Order.objects.exists()

    def test_the_genuine_response_with_a_wrong_content_type(self, v2):
        v2.arm("pay", "wrong_content_type")
        answered = v2.pay()
        assert answered.headers["Content-Type"].startswith("text/plain")
        assert answered.json()["orderId"] == Order.objects.get().provider_id

    @pytest.mark.parametrize("off", [-7200, 86_400])
    def test_a_shifted_clock_shows_in_every_time(self, v2, off):
        v2.arm("token", "clock_off", argument=off)
        answered = v2.fetch_token()
        now = clock.seconds(clock.now())
        date = parsedate_to_datetime(answered.headers["Date"]).astimezone(timezone.utc)
        assert abs(answered.json()["issued_at"] - now - off) <= 5
        assert abs(int(date.timestamp()) - now - off) <= 5
        assert answered.json()["expires_at"] - answered.json()["issued_at"] == 624_600

    def test_a_shifted_clock_does_not_expire_orders(self, v2):
        v2.arm("pay", "clock_off", argument=-86_400)
        shown = v2.pay().json()["expireAt"]
        order = Order.objects.get()
        assert shown == clock.milliseconds(order.expires_at) - 86_400_000
        assert v2.status().json()["state"] == "PENDING"

    @pytest.mark.parametrize("code", canned_errors.ERRORS)
    def test_every_canned_error_can_be_requested(self, v2, code):
        v2.fetch_token()
        v2.arm("pay", "says", argument=code)
        status, said = canned_errors.ERRORS[code]
        answered = v2.pay()
        assert (answered.status_code, answered.json()) == (status, said)
        assert not Order.objects.exists()

    def test_a_throttled_caller_gets_retry_after_if_given(self, v2):
        v2.fetch_token()
        v2.arm("pay", "status_429", argument=7)
        v2.arm("pay", "status_429")
        assert [v2.pay().headers.get("Retry-After") for _ in range(2)] == ["7", None]

    @pytest.mark.parametrize(
        ("kind", "argument"),
        [("says", "NONSENSE"), ("says", ""), ("html", "99"), ("html", "600"), ("delay", "soon")],
    )
    def test_an_unknown_code_is_not_armed(self, v2, kind, argument):
        assert v2.arm("pay", kind, argument=argument).status_code == 400

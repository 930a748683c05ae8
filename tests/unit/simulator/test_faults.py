"""When a fault strikes: by order of the control door, by the paise of an amount, by chance that can be repeated."""

import re

import pytest
import requests

from simulator import faults
from simulator.models import Fault, Order
from tests.harness import ROOT

DOCUMENTED = (ROOT / "docs" / "simulator.md").read_text()


def statuses(v2, numbers):
    return [v2.pay(f"order-{number}").status_code for number in numbers]


class TestByCount:
    def test_the_third_payment_fails_and_no_other(self, v2):
        v2.arm("pay", "status_500", call=3)
        assert statuses(v2, range(5)) == [200, 200, 500, 200, 200]

    def test_a_fault_can_strike_two_calls_from_the_second_on(self, v2):
        v2.arm("pay", "status_500", call=2, times=2)
        assert statuses(v2, range(5)) == [200, 500, 500, 200, 200]

    def test_each_fault_counts_every_call(self, v2):
        v2.arm("pay", "status_503", times=2)
        v2.arm("pay", "status_500", call=3)
        assert statuses(v2, range(4)) == [503, 503, 500, 200]

    @pytest.mark.parametrize("call", [0, -1, "3", True, 1.5])
    def test_an_invalid_call_number_is_refused(self, v2, call):
        assert v2.arm("pay", "status_500", call=call).status_code == 400


class TestOneOrderOnly:
    def test_a_fault_may_be_limited_to_one_order(self, v1, v2):
        for shop in (v1, v2):
            shop.arm("pay", "status_500", about="unlucky")
            assert [shop.pay(name).status_code for name in ("lucky", "unlucky")] == [200, 500]

    def test_a_fault_may_be_limited_to_the_status_of_one_order(self, v2):
        v2.pay("a")
        v2.pay("b")
        v2.arm("status", "status_500", about="b")
        assert [v2.status(name).status_code for name in ("a", "b")] == [200, 500]

    def test_a_fault_may_be_limited_to_one_refund(self, v1, v2):
        for shop, known in ((v1, "V1-order-1"), (v2, "V2-order-1")):
            shop.pay()
            shop.decide(known, "success")
            shop.arm("refund", "status_500", about="r2")
            answers = [shop.refund(name, amount=1_000).status_code for name in ("r1", "r2")]
            assert answers == [200, 500]

    def test_an_invalid_id_is_refused(self, v2):
        assert v2.arm("pay", "status_500", about="no such id!").status_code == 400


class TestByAmount:
    def test_the_paise_arm_a_fault_for_the_first_call(self, v1, v2):
        for shop in (v1, v2):
            assert shop.pay("unlucky", amount=110_064).status_code == 500
            Fault.objects.all().delete()
            assert shop.pay("plain", amount=110_000).status_code == 200

    def test_the_same_order_succeeds_when_it_is_sent_again(self, v2):
        assert [v2.pay(amount=110_064).status_code for _ in range(2)] == [500, 200]

    def test_another_order_of_that_amount_gets_the_fault_too(self, v2):
        assert [v2.pay(name, amount=110_064).status_code for name in ("a", "b")] == [500, 500]

    def test_a_lost_response_leaves_the_order(self, v2):
        with pytest.raises(requests.ConnectionError):
            v2.pay(amount=110_062)
        assert v2.status().json()["amount"] == 110_062

    def test_the_paise_may_arm_a_fault_for_later_calls(self, v2):
        v2.pay(amount=110_073)
        assert [v2.status().status_code for _ in range(4)] == [500, 500, 500, 200]

    def test_the_refund_of_an_order_may_be_slow(self, v2):
        v2.pay(amount=110_091)
        v2.decide("V2-order-1", "success")
        v2.refund(amount=10_000)
        v2.control("clock/", {"advance": 3600})
        assert v2.refund_status().json()["state"] == "PENDING"
        v2.control("clock/", {"advance": 5 * 3600})
        assert v2.refund_status().json()["state"] == "COMPLETED"

    def test_other_amounts_arm_no_fault(self, v2):
        for number, paise in enumerate((0, 1, 50, 75, 99)):
            v2.pay(f"order-{number}", amount=110_000 + paise)
        assert not Fault.objects.exists()

    def test_the_table_in_the_documentation_is_the_one_in_the_code(self):
        rows = re.findall(r"^\| \.(\d\d) \| `(\w+)` \| `(\w+)` \|", DOCUMENTED, re.MULTILINE)
        written = {int(paise): (operation, kind) for paise, operation, kind in rows}
        assert written == {paise: row[:2] for paise, row in faults.BY_PAISE.items()}

    def test_every_fault_in_the_table_can_be_armed(self):
        for fault in faults.BY_PAISE.values():
            assert fault.kind in faults.KINDS[fault.operation]


class TestByChance:
    def run(self, v2, seed, percent=40):
        v2.control("reset/", {"seed": seed, "percent": {"pay": percent, "status": percent}})
        v2.token = ""
        met = []
        for number in range(30):
            for call in (v2.pay, v2.status):
                try:
                    met.append(call(f"order-{number}").status_code)
                except requests.RequestException as error:
                    met.append(type(error).__name__)
        return met

    def test_the_same_seed_is_the_same_run(self, v2):
        assert self.run(v2, 7) == self.run(v2, 7)

    def test_another_seed_is_another_run(self, v2):
        assert self.run(v2, 7) != self.run(v2, 8)

    def test_the_percentage_is_kept_roughly(self, v2):
        spoiled = [one for one in self.run(v2, 7)[::2] if one != 200]
        assert 6 <= len(spoiled) <= 18  # of thirty

    def test_zero_and_a_hundred_percent_are_exact(self, v2):
        assert set(self.run(v2, 7, percent=0)[::2]) == {200}
        v2.control("reset/", {"seed": 1, "percent": {"pay": 100}})
        v2.token = ""
        assert [faults.take("pay") is None for _ in range(20)] == [False] * 20

    def test_a_seed_alone_touches_every_operation(self, v2):
        assert v2.control("reset/", {"seed": 5}).json() == {"reset": True, "seed": 5}
        met = dict.fromkeys(faults.OPERATIONS, 0)
        for operation in faults.OPERATIONS:
            met[operation] = sum(faults.take(operation) is not None for _ in range(100))
        assert all(3 <= count <= 40 for count in met.values()), met

    def test_a_reset_without_a_seed_ends_seeded_faults(self, v2):
        v2.control("reset/", {"seed": 5, "percent": {"pay": 100}})
        v2.control("reset/", {})
        assert faults.take("pay") is None

    @pytest.mark.parametrize(
        "body",
        [
            {"seed": "five"},
            {"seed": 1.5},
            {"seed": 5, "percent": {"pay": 101}},
            {"seed": 5, "percent": {"bribe": 5}},
            {"seed": 5, "percent": [5]},
            {"seed": 5, "percent": {"pay": "5"}},
        ],
    )
    def test_an_invalid_seed_deletes_nothing(self, v2, body):
        v2.pay()
        assert v2.control("reset/", body).status_code == 400
        assert Order.objects.exists()

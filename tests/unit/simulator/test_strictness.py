"""Every wrong proof that integrators are known to send is refused, with the body that PhonePe is known to send."""

import base64
import hashlib
import hmac
import json

import pytest

from tests.unit.simulator.shop import ADDRESS, SALT

NO_PROOF = (401, {"success": False, "code": "401"})
UNREADABLE = (400, {"success": False, "code": "400"})
NO_TOKEN = {
    "success": False,
    "code": "AUTHORIZATION_FAILED",
    "message": "Authorization failed [message = Please check the authorization token and try again]",
    "data": {},
}
PAYLOADS = {
    "/pg/v1/pay": {
        "merchantId": "PGTESTPAYUAT",
        "merchantTransactionId": "STRICT-1",
        "merchantUserId": "पूजा>>>???",  # so that the alphabets differ
        "amount": 110_000,
        "redirectUrl": f"{ADDRESS}/back",
        "callbackUrl": f"{ADDRESS}/callback",
        "paymentInstrument": {"type": "PAY_PAGE"},
    },
    "/pg/v1/refund": {
        "merchantId": "PGTESTPAYUAT",
        "originalTransactionId": "STRICT-1",
        "merchantTransactionId": "STRICT-R>>>???ÿ",
        "amount": 110_000,
        "callbackUrl": f"{ADDRESS}/refund-callback",
    },
}


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def usual(text, path):
    return f"{sha(text + path + SALT)}###1"


# What is wrong with X-VERIFY, while the message is as it should be.
SEALS = {
    "missing": None,
    "empty": lambda text, path: "",
    "another salt": lambda text, path: f"{sha(text + path + 'another')}###1",
    "the salt index as salt": lambda text, path: f"{sha(text + path + '1')}###1",
    "another index": lambda text, path: f"{sha(text + path + SALT)}###2",
    "no index": lambda text, path: sha(text + path + SALT),
    "a space before the index": lambda text, path: f"{sha(text + path + SALT)} ###1",
    "a space in what is hashed": lambda text, path: f"{sha(text + ' ' + path + SALT)}###1",
    "no slash before the path": lambda text, path: f"{sha(text + path.lstrip('/') + SALT)}###1",
    "the base before the path": lambda text, path: f"{sha(text + '/apis/pg-sandbox' + path + SALT)}###1",
    "no path": lambda text, path: f"{sha(text + SALT)}###1",
    "the JSON is hashed": lambda text, path: f"{sha(base64.b64decode(text).decode() + path + SALT)}###1",
    "an HMAC": lambda text, path: (
        hmac.new(SALT.encode(), (text + path).encode(), hashlib.sha256).hexdigest() + "###1"
    ),
    "upper case": lambda text, path: usual(text, path).upper(),
}
# Another spelling of the base64 text: hashed as it is sent, or as it should have been.
SPELLINGS = {
    "URL-safe": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "wrapped lines": lambda raw: base64.encodebytes(raw).decode(),
}


def raw(path):
    """Of a length that needs padding, and with bytes that the two alphabets spell differently."""
    text = json.dumps(PAYLOADS[path], ensure_ascii=False).encode()
    padded = (b" " * before + text + b" " * after for before in range(3) for after in range(3))
    spelt = {one: base64.b64encode(one) for one in padded}
    return next(one for one, said in spelt.items() if said.endswith(b"=") and set(said) & set(b"+/"))


def post(v1, path, text, seal):
    headers = {} if seal is None else {"X-VERIFY": seal}
    answer = v1("POST", v1.base + path, json={"request": text}, headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("path", PAYLOADS)
class TestTheSealOfV1:
    @pytest.mark.parametrize("wrong", SEALS)
    def test_a_wrong_checksum(self, v1, path, wrong):
        text = base64.b64encode(raw(path)).decode()
        seal = SEALS[wrong] and SEALS[wrong](text, path)
        assert post(v1, path, text, seal) == NO_PROOF

    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_another_spelling_of_base64(self, v1, path, spelling):
        good, text = base64.b64encode(raw(path)).decode(), SPELLINGS[spelling](raw(path))
        assert text != good
        for hashed in (text, good):
            assert post(v1, path, text, usual(hashed, path)) == NO_PROOF

    def test_base64_without_its_padding(self, v1, path):
        good = base64.b64encode(raw(path)).decode()
        text = good.rstrip("=")
        assert text != good
        for hashed in (text, good):
            assert post(v1, path, text, usual(hashed, path)) == UNREADABLE

    @pytest.mark.parametrize("text", ["", "{}", "%7B%7D", "पूजा", '{"merchantId":"PGTESTPAYUAT"}'])
    def test_invalid_base64(self, v1, path, text):
        assert post(v1, path, text, usual(text, path)) == UNREADABLE

    def test_a_body_without_the_envelope(self, v1, path):
        seal = {"X-VERIFY": usual(json.dumps(PAYLOADS[path]), path)}
        answer = v1("POST", v1.base + path, json=PAYLOADS[path], headers=seal)
        assert (answer.status_code, answer.json()) == UNREADABLE


@pytest.mark.parametrize("wrong", [name for name in SEALS if name not in ("no path", "the JSON is hashed")])
def test_a_wrong_checksum_of_a_status_request(v1, wrong):
    v1.pay("STRICT-1")
    path = "/pg/v1/status/PGTESTPAYUAT/STRICT-1"
    headers = {"X-MERCHANT-ID": "PGTESTPAYUAT"}
    if SEALS[wrong]:
        headers["X-VERIFY"] = SEALS[wrong]("", path)
    answer = v1("GET", v1.base + path, headers=headers)
    assert (answer.status_code, answer.json()) == NO_PROOF


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "json"])
class TestTheContentTypeOfV1:
    @pytest.mark.parametrize("path", PAYLOADS)
    def test_a_body_that_is_not_json_is_refused(self, v1, path, kind):
        text = base64.b64encode(raw(path)).decode()
        headers = {"X-VERIFY": usual(text, path), "Content-Type": kind}
        answer = v1("POST", v1.base + path, data=json.dumps({"request": text}), headers=headers)
        assert (answer.status_code, answer.json()) == UNREADABLE

    def test_a_status_request_needs_the_content_type_too(self, v1, kind):
        v1.pay("STRICT-1")
        refused = v1.status("STRICT-1", **{"Content-Type": kind})
        assert (refused.status_code, refused.json()["code"]) == (400, "BAD_REQUEST")


def test_a_content_type_may_have_parameters_and_capitals(v1):
    v1.pay("STRICT-1")
    assert v1.status("STRICT-1", **{"Content-Type": "Application/JSON; charset=UTF-8"}).status_code == 200


def test_escaped_slashes_and_indented_json_are_accepted(v1):
    path = "/pg/v1/pay"
    payload = PAYLOADS[path] | {"merchantUserId": "U1"}
    for number, text in enumerate((json.dumps(payload, indent=2), json.dumps(payload).replace("/", "\\/"))):
        said = text.replace("STRICT-1", f"STRICT-{number}").encode()
        sealed = base64.b64encode(said).decode()
        assert post(v1, path, sealed, usual(sealed, path))[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/checkout/v2/pay"),
        ("GET", "/checkout/v2/order/STRICT-1/status"),
        ("POST", "/payments/v2/refund"),
        ("GET", "/payments/v2/refund/STRICT-R1/status"),
    ],
)
class TestTheTokenOfV2:
    @pytest.mark.parametrize(
        "wrong", ["Bearer {}", "o-bearer {}", "{}", "O-Bearer", "O-Bearer {}x", "Basic {}", ""]
    )
    def test_a_token_in_another_scheme(self, v2, method, path, wrong):
        token = v2.fetch_token().json()["access_token"]
        answer = v2(method, v2.base + path, json={}, headers={"Authorization": wrong.format(token)})
        assert (answer.status_code, answer.json()) == (401, NO_TOKEN)

    def test_an_expired_token(self, v2, method, path):
        v2.token = v2.fetch_token().json()["access_token"]
        v2.control("clock/", {"advance": 624_600})
        answer = v2.authorized(method, path, json={})
        assert (answer.status_code, answer.json()) == (401, NO_TOKEN)

    def test_a_token_of_another_environment(self, v2, method, path):
        v2.token = v2.fetch_token().json()["access_token"]
        v2.control("reset/", {})
        answer = v2.authorized(method, path, json={})
        assert (answer.status_code, answer.json()) == (401, NO_TOKEN)

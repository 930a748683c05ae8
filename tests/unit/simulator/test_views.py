def test_http_and_in_process_calls_get_the_same_answer(v2, client):
    v2.pay()
    over_http = client.get(
        "/simulator/apis/pg-sandbox/checkout/v2/order/V2-order-1/status?details=True",
        headers={"Authorization": f"O-Bearer {v2.token}"},
    )
    assert over_http.content == v2.status(details=True).content


def test_a_server_that_keeps_its_sockets_answers_502_instead_of_breaking(v2, client):
    v2.arm("token", "reset_before")
    assert client.post("/simulator/apis/pg-sandbox/v1/oauth/token").status_code == 502


def test_every_route_but_phonepes_own_is_found_without_the_last_slash(v2, client):
    """PhonePe has its own spelling, which the core knows."""
    v2.pay()
    control = "/simulator/control/"
    listed = [client.get(f"{control}orders{slash}").json() for slash in ("/", "")]
    shown = [client.get(f"{control}orders/V2-order-1{slash}").status_code for slash in ("/", "")]
    armed = client.post(
        f"{control}faults", {"operation": "pay", "fault": "status_503"}, content_type="application/json"
    )

    assert listed[0] == listed[1] != {"orders": []}
    assert (shown, armed.status_code) == ([200, 200], 200)


def test_the_separate_process_accepts_both_spellings_too(settings, v2, client):
    settings.ROOT_URLCONF, settings.MIDDLEWARE = "simulator.process_urls", []
    page = v2.pay().json()["redirectUrl"].partition("/simulator/")[2]
    for route in ("", page, "control/openapi.json/"):
        paths = [f"/simulator/{route}".rstrip("/") + slash for slash in ("/", "")]
        assert [client.get(path).status_code for path in paths] == [200, 200]

def test_the_http_door_answers_like_the_other_one(v2, client):
    v2.pay()
    over_http = client.get(
        "/simulator/apis/pg-sandbox/checkout/v2/order/V2-order-1/status?details=True",
        headers={"Authorization": f"O-Bearer {v2.token}"},
    )
    assert over_http.content == v2.status(details=True).content


def test_a_server_that_keeps_its_sockets_answers_502_instead_of_breaking(v2, client):
    v2.arm("token", "reset_before")
    assert client.post("/simulator/apis/pg-sandbox/v1/oauth/token").status_code == 502

import pytest

from simulator.validation import is_url


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/hook",
        "https://shop.example",
        "https://shop.example./back?order=1",
        "http://shop_web:8000/",
        "http://192.0.2.1/hook",
        "http://[2001:db8::1]:8000/hook",
        "https://पूजा.example/back",
        f"https://{'x' * 63}.example/",
    ],
)
def test_a_valid_webhook_url(url):
    assert is_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/back",
        "ftp://shop.example/",
        "https:///back",
        "http://shop..example/hook",
        "http://.example/hook",
        f"http://{'x' * 64}.example/hook",
        "https://exa mple/x",
        "https://exa%20mple/x",
        "http://[::1/hook",
        7,
    ],
)
def test_an_invalid_webhook_url(url):
    assert not is_url(url)

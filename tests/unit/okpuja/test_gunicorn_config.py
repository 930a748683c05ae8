from django.template import engines

from okpuja.gunicorn_config import warm_pages
from okpuja.gunicorn_worker import crowded_answer, crowded_page

PAYING = (
    b"POST %s HTTP/1.1\r\nHost: shop\r\nAccept: text/html\r\nAccept-Language: %s\r\nContent-Length: 0\r\n\r\n"
)


def test_the_first_request_of_a_process_finds_its_pages_compiled():
    """Without a database: connections do not survive the fork that follows."""
    loader = engines["django"].engine.template_loaders[0]
    loader.reset()
    crowded_page.cache_clear()
    warm_pages()

    assert {"storefront/catalogue.html", "payment/status.html"} <= {*loader.get_template_cache}
    rendered = crowded_page.cache_info().misses
    for address in (b"/pujas/1/pay/", b"/pay/abc/"):
        for language in (b"en-IN,en;q=0.9", b"hi-IN,hi;q=0.9"):
            assert b"503" in crowded_answer(PAYING % (address, language), 1)
    assert crowded_page.cache_info().misses == rendered

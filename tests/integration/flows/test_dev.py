"""`manage.py dev`, as `make dev` starts it: one process that serves and does the background work."""

import signal

import pytest
import requests

from tests.harness.databases import seeded_database
from tests.harness.processes import Process, eventually, listening, process_environment

pytestmark = [pytest.mark.sockets, pytest.mark.only_sqlite]


def is_ready(url):
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_one_process_serves_and_does_the_background_work(tmp_path):
    with listening() as listener:
        port = listener.getsockname()[1]
    url, mails = f"http://127.0.0.1:{port}", tmp_path / "mail"
    with seeded_database() as (database_url, _):
        environment = process_environment(
            DATABASE_URL=database_url,
            DEBUG="True",
            EMAIL_URL=f"file://{mails}",
            LOG_FORMAT="console",
            PUBLIC_BASE_URL="",
        )
        dev = Process(
            *("dev", "manage.py", "dev", str(port), "--noreload"),
            environment=environment,
            death_signal=signal.SIGTERM,
        )
        try:
            eventually(lambda: is_ready(url), "the server answers")
            path = "/api/payments/payments/simulate-payment-success/"
            assert requests.get(url + path, timeout=30).json()["booking_created"]
            (mail,) = eventually(
                lambda: mails.is_dir() and list(mails.glob("*.eml")), "the worker sends the mail"
            )
            assert url in mail.read_text()  # the link leads to this server
            assert f"method=GET path={path} status=200" in dev.output
        finally:
            dev.kill()

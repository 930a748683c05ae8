"""Mail that hangs holds up mail, and nothing else."""

import socket
import threading

import pytest
from django.db import connection

from notifications.models import Notification
from notifications.services import notify
from payment.models import Payment
from payment.services.outcomes import apply_status
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import KINDS, run_due
from worker.management.commands.work import THREADS

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 20


def test_mail_has_threads_of_its_own():
    assert [count for kinds, count in THREADS if kinds == ("notifications",)] == [2]
    assert sum("notifications" in kinds for kinds, _ in THREADS) == 1


def test_every_kind_of_work_has_a_thread():
    assert {kind for kinds, _ in THREADS for kind in kinds} == set(KINDS)


def test_money_is_taken_and_booked_while_a_mail_server_is_silent(settings, alice):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", PATIENCE
    notify("pending", "pending:payment:0", {"amount_paise": 100}, user=alice)

    def send_mail():
        run_due(["notifications"])
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        settings.EMAIL_PORT = server.getsockname()[1]
        mailer = threading.Thread(target=send_mail)
        mailer.start()
        call, _ = server.accept()  # and never a word

        payment = make_payment(user=alice)
        apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
        others = [kind for kind in KINDS if kind not in ("notifications", "diagnosis")]
        while run_due(others):
            pass
        assert mailer.is_alive()
        call.close()
    mailer.join()  # the server is gone: it gave up at once

    assert Payment.objects.get().fulfilment == "GIFT"
    assert Notification.objects.get(kind="pending").state == "WAITING"

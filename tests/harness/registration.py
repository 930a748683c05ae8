"""How a person gets from the form of the registration to an account: by the code that is sent to them."""

import re
from email import policy
from email.parser import BytesParser
from pathlib import Path

from accounts.codes import digits
from accounts.models import OneTimeCode, Registration
from tests.harness.processes import eventually
from worker.jobs import run_due


def registration_code(email: str) -> str:
    """What the latest mail to this address says, in the process of the test."""
    run_due(["registrations", "code_requests"])
    waiting = Registration.objects.filter(email=email.lower()).order_by("-pk").first()
    return digits(waiting or OneTimeCode.objects.filter(user__email=email.lower()).latest("pk"))


def code_in_mail(folder: Path, email: str) -> str:
    """What a person reads in the newest mail to this address, in the folder that EMAIL_URL names."""

    def newest() -> str:
        for path in sorted(folder.glob("*.eml"), reverse=True) if folder.is_dir() else ():
            mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
            if mail["To"] == email and (found := re.search(r"\b\d{6}\b", mail["Subject"])):
                return found.group()
        return ""

    return eventually(newest, f"a mail with a code to {email}")

"""Settlement files that were handed in on the desk: kept, compared with our rows, and entered by single clicks."""

import hashlib
import io
import zlib
from datetime import date

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.errors import Conflict
from payment.models import SettlementFile
from payment.reconciliation.discrepancies import Discrepancy
from payment.reconciliation.settlement import NotASettlement, Settlement, read
from payment.reconciliation.settlement_rows import compare_settlement

LARGEST_FILE = 20_000_000  # bytes


class NotThereAnyMore(Conflict):
    default_code = "nothing_to_mend"
    default_detail = _("This difference is not there any more: somebody was faster, or it has mended itself.")


def keep_file(name: str, content: bytes, day: date, by: User) -> tuple[SettlementFile, bool]:
    """The row of this file, and whether it is new: the same file twice is one. Raises NotASettlement."""
    digest = hashlib.sha256(content).hexdigest()
    if found := SettlementFile.objects.filter(digest=digest).first():
        return found, False
    rows = _read(content).rows
    fields = {
        "name": name[:200],
        "day": day,
        "content": zlib.compress(content),
        "rows": rows,
        "uploaded_by": by,
    }
    try:
        with transaction.atomic():
            return SettlementFile.objects.create(digest=digest, **fields), True
    except IntegrityError:
        return SettlementFile.objects.get(digest=digest), False


def compare_file(file: SettlementFile) -> tuple[Settlement, list[Discrepancy]]:
    """As it is now. PhonePe is not asked."""
    settlement = _read(zlib.decompress(bytes(file.content)))
    return settlement, list(compare_settlement(file.day, settlement))


def mend(file: SettlementFile, key: str) -> Discrepancy:
    """What `--fix` does about the difference of this key (`key_of`), once. Raises NotThereAnyMore."""
    _settlement, differences = compare_file(file)
    for difference in differences:
        if key_of(difference) == key and difference.repair is not None:
            return difference.apply_repair()
    raise NotThereAnyMore


def key_of(difference: Discrepancy) -> str:
    """Names a difference, and changes with what it says: nobody mends another one than they saw."""
    facts = (*difference.subject, difference.ours_paise, difference.theirs_paise)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _read(content: bytes) -> Settlement:
    if content.startswith(b"PK\x03\x04"):
        raise NotASettlement("it is an Excel workbook or a ZIP file: hand in the CSV file itself")
    try:
        return read(io.StringIO(content.decode("utf-8-sig"), newline=""))
    except UnicodeDecodeError as error:
        raise NotASettlement("it is not text in UTF-8") from error

"""Backups: what is restored is what was there, and what is not a whole backup restores nothing."""

import io
import os
import shutil
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from core.encrypted_files import EncryptedWriter
from okpuja.environment import database
from tests.harness.databases import ON_POSTGRESQL, empty_database, query
from tests.unit.payment.builders import make_payment
from worker.backups import BackupFailed, delete_old, make_backup, newest, restore, verify

needs_pg_dump = pytest.mark.skipif(
    ON_POSTGRESQL and not shutil.which("pg_dump"), reason="NOT CHECKED: pg_dump is not here"
)
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql, needs_pg_dump]
KEY = "0123456789abcdef0123456789ABCDEF-random"


@pytest.fixture(autouse=True)
def places(settings, tmp_path):
    settings.UPLOADS_DIR = str(tmp_path / "uploads")
    settings.BACKUP_DIR, settings.BACKUP_KEY = str(tmp_path / "backups"), KEY
    picture = tmp_path / "uploads" / "pictures" / "face.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a face")
    connection.close()  # SQLite: nothing of this test is left in a journal of its own
    return tmp_path


@pytest.fixture
def backup(places):
    make_payment(amount_paise=110_000, payer_reference="Lakshmi")
    return make_backup(places / "backups", KEY)[0]


def said(*arguments, **options):
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


def test_what_is_restored_is_what_was_there(backup, places):
    with empty_database() as url:
        result = restore(backup, KEY, database(url), places / "again")

        assert result.differences == {}
        assert result.facts["payments"] == 1
        found = query(url, "SELECT amount_paise, payer_reference FROM payment_payment")
        assert [tuple(row) for row in found] == [(110_000, "Lakshmi")]
    assert (places / "again/pictures/face.jpg").read_bytes() == b"a face"


def test_the_file_can_be_read_by_its_owner_only_and_names_nobody(backup):
    assert backup.stat().st_mode & 0o077 == 0
    content = backup.read_bytes()
    assert b"Lakshmi" not in content
    assert b"a face" not in content


def test_payments_go_on_while_a_backup_is_made(places):
    make_payment()
    file, manifest = make_backup(places / "backups", KEY)
    make_payment()

    assert manifest.facts["payments"] == verify(file, KEY).facts["payments"] == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "other key", "not there", "never finished"])
def test_a_damaged_backup_restores_nothing(backup, places, damage):
    data, key = backup.read_bytes(), KEY
    if damage == "cut":
        backup.write_bytes(data[:-100])
    elif damage == "flipped":
        backup.write_bytes(data[:5_000] + bytes([data[5_000] ^ 1]) + data[5_001:])
    elif damage == "other key":
        key = "x" * 40
    elif damage == "not there":
        backup.unlink()
    else:
        with backup.open("wb") as file:
            writer = EncryptedWriter(file, KEY)
            with tarfile.open(fileobj=writer, mode="w|"):
                pass
            writer.finish()
    with empty_database() as url:
        with pytest.raises(BackupFailed):
            restore(backup, key, database(url), places / "again")

        assert not (places / "again").exists()
        with pytest.raises(Exception, match=r"(?i)no such table|does not exist"):
            query(url, "SELECT 1 FROM payment_payment")


@pytest.mark.parametrize("name", ["uploads/../../etc/cron.d/x", "/etc/passwd"])
def test_no_file_is_written_outside_of_its_folder(places, name):
    file = places / "okpuja-20260101T000000Z.backup"
    with file.open("wb") as raw:
        writer = EncryptedWriter(raw, KEY)
        with tarfile.open(fileobj=writer, mode="w|") as archive:
            archive.addfile(tarfile.TarInfo(name))
        writer.finish()

    with pytest.raises(BackupFailed, match="no backup has"):
        verify(file, KEY)


def test_nothing_is_restored_over_a_database_that_is_used(backup, places):
    with pytest.raises(BackupFailed, match="empty"):
        restore(backup, KEY, dict(connection.settings_dict), places / "again")


def test_nothing_is_restored_over_private_files(backup, places):
    with empty_database() as url, pytest.raises(BackupFailed, match="empty folder"):
        restore(backup, KEY, database(url), places / "uploads")


@pytest.mark.parametrize("key", ["", "short"])
def test_no_backup_is_made_that_anybody_could_read(places, key):
    with pytest.raises(BackupFailed, match="BACKUP_KEY"):
        make_backup(places / "backups", key)
    assert not list((places / "backups").glob("*")) if (places / "backups").exists() else True


def test_a_backup_that_fails_leaves_no_half_file(places, settings):
    folder = places / "backups"
    settings.UPLOADS_DIR = str(places / "uploads")
    os.mkfifo(places / "uploads/pipe")  # no file: left out, and nobody waits for it
    make_backup(folder, KEY)

    assert [file.suffix for file in folder.iterdir()] == [".backup"]


def test_old_backups_are_deleted_but_never_the_newest(places):
    folder = places / "backups"
    folder.mkdir()
    names = [
        f"okpuja-{timezone.now() - timedelta(days=days):%Y%m%dT%H%M%SZ}.backup" for days in (90, 60, 40, 10)
    ]
    for name in names:
        (folder / name).touch()
    (folder / "okpuja-notes.txt").touch()

    assert [file.name for file in delete_old(folder, 30)] == names[:3]
    (folder / names[3]).unlink()
    (folder / names[0]).touch()
    assert delete_old(folder, 30) == []
    assert (folder / "okpuja-notes.txt").exists()


def test_copies_of_others_are_neither_read_nor_deleted(places):
    """A name that is none of ours must not stop the nightly backup, nor count as the newest one."""
    folder = places / "backups"
    folder.mkdir()
    old, new = (f"okpuja-{timezone.now() - timedelta(days=days):%Y%m%dT%H%M%SZ}" for days in (90, 60))
    strange = [f"{old}-copy.backup", f"{new} (1).backup", "okpuja-before-the-move.backup", "okpuja-.backup"]
    for name in [*strange, f"{old}.backup", f"{new}.backup"]:
        (folder / name).touch()

    assert newest(folder).name == f"{new}.backup"
    assert [file.name for file in delete_old(folder, 30)] == [f"{old}.backup"]
    assert {file.name for file in folder.iterdir()} == {*strange, f"{new}.backup"}


def test_what_killed_backups_left_is_deleted_after_a_day(places):
    folder = places / "backups"
    folder.mkdir()
    for name, hours in (("okpuja-20260101T000000Z.partial", 25), ("okpuja-20260102T000000Z.partial", 1)):
        (folder / name).touch()
        moment = (timezone.now() - timedelta(hours=hours)).timestamp()
        os.utime(folder / name, (moment, moment))

    assert [file.name for file in delete_old(folder, 30)] == ["okpuja-20260101T000000Z.partial"]


@pytest.mark.only_postgresql
@pytest.mark.parametrize("extension", ["pg_trgm", "pg_stat_statements"])
def test_an_ordinary_role_restores_where_an_administrator_made_the_extension(backup, places, extension):
    with empty_database() as url:
        if (extension,) not in query(url, "SELECT name FROM pg_available_extensions"):
            pytest.skip(f"NOT CHECKED: {extension} is not here")
        name = url.rpartition("/")[2]
        query(url, f"CREATE EXTENSION {extension}")
        query(url, f"CREATE ROLE {name} LOGIN")
        query(url, f"ALTER DATABASE {name} OWNER TO {name}")
        try:
            result = restore(backup, KEY, {**database(url), "USER": name}, None)
            assert result.differences == {}
            assert result.facts["payments"] == 1
        finally:
            query(url, f"ALTER DATABASE {name} OWNER TO postgres")
            query(url, f"DROP OWNED BY {name}")
            query(url, f"DROP ROLE {name}")


def test_the_commands_make_check_and_restore_the_newest(places, settings):
    make_payment()
    assert "payments 1" in said("backup")
    assert "is complete" in said("restore", verify=True)
    with empty_database() as url:
        told = said("restore", database_url=url, uploads=str(places / "again"))
        assert "'payments': 1" in told
        assert "ledger_check" in told


def test_the_commands_say_what_is_wrong(places, settings):
    with pytest.raises(CommandError, match="there is no backup"):
        said("restore", verify=True)
    settings.BACKUP_KEY = ""
    with pytest.raises(CommandError, match="openssl rand"):
        said("backup")
    assert Path(settings.BACKUP_DIR).exists() is False

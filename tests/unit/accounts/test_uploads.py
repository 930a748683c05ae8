"""Pictures of people, from the upload to the link: what is no picture is refused, and nothing of it is kept."""

import os
import stat
import struct
import subprocess
import sys
import time
import zlib
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image

from accounts import uploads
from accounts.models import Upload
from accounts.pictures import MOST_BYTES, WRONG_KIND
from tests.harness import ROOT
from tests.harness.races import at_once
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.UPLOADS_DIR = str(tmp_path / "uploads")
    return Path(settings.UPLOADS_DIR)


def picture(kind="JPEG", size=(64, 48), colour="orange", **how) -> bytes:
    written = BytesIO()
    Image.new("RGB", size, colour).save(written, kind, **how)
    return written.getvalue()


def send(client, content: bytes, name="me.jpg", kind="image/jpeg"):
    file = SimpleUploadedFile(name, content, kind)
    return client.patch("/api/auth/profile/picture/", {"profile_picture": file}, format="multipart")


def get(api, url: str):
    return api().get(url.removeprefix("http://testserver"))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def bomb(width=60_000, height=60_000) -> bytes:
    """A PNG of a few bytes that says that it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10_000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_picture_is_in_the_profile_and_behind_its_link(alice, api, kind):
    answer = send(api(alice), picture(kind), name=f"me.{kind.lower()}", kind="application/octet-stream")
    assert answer.status_code == 200
    profile = api(alice).get("/api/auth/profile/").json()
    for name in ("profile_picture", "profile_thumbnail", "avatar"):
        shown = get(api, profile[name])
        assert (shown.status_code, shown["Content-Type"]) == (200, "image/jpeg")
        with Image.open(BytesIO(shown.content)) as image:
            assert (image.format, image.size) == ("JPEG", (64, 48))


@pytest.mark.parametrize(
    ("mode", "kind", "colour"),
    [
        ("CMYK", "JPEG", (0, 0, 0, 0)),
        ("L", "JPEG", 255),
        ("I;16", "PNG", 65_535),
        ("RGBA", "PNG", (0, 0, 0, 0)),
        ("LA", "PNG", (0, 0)),
        ("P", "GIF", 215),
        ("1", "PNG", 1),
        ("RGBA", "WEBP", (0, 0, 0, 0)),
    ],
)
def test_pictures_of_every_depth_are_drawn_and_what_is_transparent_is_white(alice, api, mode, kind, colour):
    written = BytesIO()
    Image.new(mode, (8, 8), colour).save(written, kind)
    answer = send(api(alice), written.getvalue(), name=f"me.{kind.lower()}")
    assert answer.status_code == 200, answer.json()
    with Image.open(BytesIO(get(api, answer.json()["profile_picture"]).content)) as image:
        assert min(image.getpixel((4, 4))) > 240 or mode == "P"


@pytest.mark.parametrize("size", [(8_000, 1), (1, 8_000), (5_000, 30)])
def test_a_narrow_picture_is_drawn(alice, api, size):
    assert send(api(alice), picture(size=size)).status_code == 200


def test_the_link_lets_a_browser_run_and_keep_nothing(alice, api):
    send(api(alice), picture())
    shown = get(api, api(alice).get("/api/auth/profile/").json()["profile_picture"])
    assert shown["X-Content-Type-Options"] == "nosniff"
    assert shown["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert shown["Content-Disposition"].startswith("inline;")
    assert "private" in shown["Cache-Control"]


def test_nothing_of_the_file_is_kept_but_the_picture(alice, api, folder):
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "taken at my home, 25.59 N", 6  # a description; turned by 90 degrees
    content = picture(size=(80, 40), exif=exif, comment=b"my secret comment") + b"PK\x03\x04 appended"
    assert b"my home" in content
    send(api(alice), content)
    for path in folder.iterdir():
        kept = path.read_bytes()
        assert not any(word in kept for word in (b"my home", b"my secret", b"appended", b"Exif"))
        with Image.open(path) as image:
            assert image.size == (40, 80)


@pytest.mark.parametrize(
    "content",
    [
        picture("GIF") + b"<ScRipt>alert(1)</script>",
        picture(comment=b"<?php system($_GET[0]); ?>"),
        picture(comment=b"%PDF-1.7 <html"),
        picture() + b"<svg onload=alert(1)>",
    ],
)
def test_what_chance_or_malice_writes_beside_the_points_is_not_kept(alice, api, folder, content):
    assert send(api(alice), content).status_code == 200
    for path in folder.iterdir():
        kept = path.read_bytes().lower()
        assert not any(word in kept for word in (b"<script", b"<?php", b"%pdf", b"<svg"))


MEMORY = """
import resource, sys
import django
django.setup()
from PIL import Image, JpegImagePlugin, PngImagePlugin, GifImagePlugin, WebPImagePlugin
from accounts.pictures import redraw
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
redraw("me", open(sys.argv[1], "rb").read(), "picture")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "side", "how"),
    [
        ("JPEG", 5_470, {}),
        ("JPEG", 3_600, {"progressive": True}),
        ("PNG", 3_600, {"compress_level": 1}),
        ("WEBP", 2_800, {"method": 0}),
    ],
)
def test_the_largest_pictures_take_a_bounded_amount_of_memory(settings, tmp_path, kind, side, how):
    path = tmp_path / "picture"
    path.write_bytes(picture(kind, (side, side), **how))
    command = [sys.executable, "-c", MEMORY, str(path)]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "okpuja.settings",
        "SECRET_KEY": settings.SECRET_KEY,
    }
    told = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=True, env=environment
    )
    assert int(told.stdout) < 170  # megabytes


def test_the_files_are_for_this_process_alone(alice, api, folder):
    send(api(alice), picture())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert not any("me" in name for name in files(folder))


def scans(count: int) -> bytes:
    """A progressive JPEG of a few bytes that draws all of itself `count` times."""
    content = picture(size=(640, 480), progressive=True)
    start = content.index(b"\xff\xda")
    scan = content[start : start + 2 + int.from_bytes(content[start + 2 : start + 4])]
    return content[:start] + scan * count + b"\xff\xd9"


REFUSED = {
    "nothing": (b"", "me.jpg"),
    "too large": (picture() + b"\0" * MOST_BYTES, "me.jpg"),
    "text": (b"hello", "me.jpg"),
    "html": (b"<!doctype html><script>alert(1)</script>", "me.png"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "me.svg"),
    "svg named jpg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "me.jpg"),
    "many scans": (scans(200), "me.jpg"),
    "many points at once": (bomb(3_610, 3_610), "me.png"),
    "another ending": (picture(), "me.html"),
    "truncated jpeg": (picture(size=(300, 300))[:500], "me.jpg"),
    "truncated png": (picture("PNG", size=(300, 300))[:-40], "me.png"),
    "truncated webp": (picture("WEBP", size=(300, 300))[:60], "me.webp"),
    "bomb": (bomb(), "me.png"),
    "smaller bomb": (bomb(6_000, 6_000), "me.png"),
    "another kind": (picture("TIFF"), "me.jpg"),
    "bitmap": (picture("BMP"), "me.png"),
    "only a signature": (b"\xff\xd8\xff\xe0", "me.jpg"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_picture_is_refused_with_a_sentence_and_not_kept(alice, api, folder, what):
    content, name = REFUSED[what]
    answer = send(api(alice), content, name)
    said = answer.json()
    assert answer.status_code == 400
    assert said["error"] == said["detail"] == said["profile_picture"][0]
    assert files(folder) == []
    assert not Upload.objects.exists()


def test_a_body_that_is_far_too_large_is_refused_unread(alice, api):
    assert send(api(alice), b"\0" * 7 * 1_048_576).status_code == 413


def test_other_routes_take_no_large_bodies(alice, api):
    body = {"first_name": "A" * 2_000_000}
    assert api(alice).patch("/api/auth/profile/", body, format="json").status_code == 413


def test_a_file_is_not_read_from_json(alice, api):
    answer = api(alice).patch("/api/auth/profile/picture/", {"profile_picture": "x"}, format="json")
    assert (answer.status_code, answer.json()["detail"]) == (400, answer.json()["profile_picture"][0])


def test_a_new_picture_takes_the_place_of_the_old_one(alice, api, folder):
    client = api(alice)
    former = send(client, picture()).json()["profile_picture"]
    before = files(folder)
    latter = send(client, picture(colour="blue")).json()["profile_picture"]
    assert len(files(folder)) == 2
    assert not set(before) & set(files(folder))
    assert (get(api, former).status_code, get(api, latter).status_code) == (404, 200)
    assert Upload.objects.count() == 1


def test_a_refused_picture_leaves_the_old_one(alice, api):
    send(api(alice), picture())
    assert send(api(alice), b"<script>").json()["detail"] == WRONG_KIND
    assert get(api, api(alice).get("/api/auth/profile/").json()["profile_picture"]).status_code == 200


def test_of_two_pictures_at_once_one_stays_and_no_file_is_left(alice, api, folder):
    results = at_once(*[lambda: send(api(alice), picture()).status_code] * 4)
    assert set(results) <= {200, 503}  # two are drawn at once
    assert Upload.objects.get().state == "LIVE"
    assert len(files(folder)) == 2


def test_nobody_reads_anothers_picture(alice, charlie, api):
    url = send(api(alice), picture()).json()["profile_picture"]
    assert api(charlie).get("/api/auth/profile/").json()["profile_picture"] is None
    head, token = url.rstrip("/").rsplit("/", 1)
    key, _size, rest = token.split("-", 2)
    for guess in (f"{key}-file-0", f"{int(key) + 1}-file-{rest}", f"{key}-thumbnail-{rest}", token[:-1], "x"):
        assert get(api, f"{head}/{guess}/").status_code == 404


def test_a_link_ends_after_an_hour_with_the_sessions_and_with_the_account(alice, api, monkeypatch):
    url = send(api(alice), picture()).json()["profile_picture"]
    assert get(api, url).status_code == 200
    with monkeypatch.context() as later:
        later.setattr(uploads, "LINK_SECONDS", -1)
        assert get(api, url).status_code == 404
    assert api(alice).post("/api/auth/logout/everywhere/").status_code == 205
    assert get(api, url).status_code == 404
    alice.refresh_from_db()
    url = uploads.links(alice, Upload.Purpose.PROFILE)[0]
    alice.account_status = "SUSPENDED"
    alice.save()
    assert get(api, url).status_code == 404


def test_a_link_stays_the_same_for_half_an_hour_so_that_browsers_keep_the_picture(alice, api, monkeypatch):
    send(api(alice), picture())
    start = int(time.time()) // uploads.LINK_SECONDS * uploads.LINK_SECONDS

    def link_after(seconds: int) -> str:
        monkeypatch.setattr(time, "time", lambda: start + seconds)
        return api(alice).get("/api/auth/profile/").json()["profile_picture"]

    first = link_after(0)
    assert (link_after(1_799), get(api, first).status_code) == (first, 200)
    assert (link_after(1_800) == first, get(api, first).status_code) == (False, 200)
    monkeypatch.setattr(time, "time", lambda: start + 3_601)
    assert get(api, first).status_code == 404


def test_a_disk_that_takes_nothing_is_told_and_leaves_nothing(alice, api, folder):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file in the place of the folder")
    answer = send(api(alice), picture())
    assert answer.status_code == 503
    assert answer.json()["retryable"] is True


def test_what_a_killed_request_left_is_deleted_by_the_worker(alice, folder):
    dead = uploads.store(alice, Upload.Purpose.PROFILE, (picture(), picture()))
    Upload.objects.update(state="STORING")
    run_due(["uploads"])
    assert len(files(folder)) == 2  # it may still be in work
    Upload.objects.update(created_at=timezone.now() - timedelta(hours=2))
    run_due(["uploads"])
    assert files(folder) == []
    assert not Upload.objects.filter(pk=dead.pk).exists()


def test_the_pictures_of_a_deleted_account_go_with_it(alice, folder):
    uploads.store(alice, Upload.Purpose.PROFILE, (picture(), picture()))
    alice.delete()
    run_due(["uploads"])
    assert files(folder) == []


def test_a_picture_that_is_gone_from_the_disk_is_not_there(alice, api, folder):
    url = send(api(alice), picture()).json()["profile_picture"]
    for path in folder.iterdir():
        os.unlink(path)
    assert get(api, url).status_code == 404

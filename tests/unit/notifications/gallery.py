"""Every message as a person will see it: `python -m tests.unit.notifications.gallery FOLDER [--pictures]`.

Writes each as HTML and plain text, and receipts as PDF, one for each language of India's constitution; with
--pictures also as Chromium shows them, on a phone in the dark and on a desk.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

import django

SCREENS = {"phone": (390, 844, "dark"), "desk": (1000, 800, "light")}
LINK = "http://127.0.0.1:8000/pay/eyJ0ZXN0IjoxfQ:1abcde:a-signed-link/"


def draw(folder: Path) -> list[Path]:
    from notifications.messages import write  # noqa: PLC0415 - Django must be set up first
    from notifications.receipt_pdf import render  # noqa: PLC0415
    from tests.unit.notifications.recipients import PEOPLE  # noqa: PLC0415
    from tests.unit.notifications.samples import PAPER, notifications  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    pages = []
    for notification in notifications():
        message = write(notification, LINK)
        page = folder / f"{notification.key}.html"
        page.write_text(message.html)
        page.with_suffix(".txt").write_text(f"Subject: {message.subject}\n\n{message.text}")
        pages.append(page)
    for language in ("en", "hi"):
        (folder / f"receipt-{language}.pdf").write_bytes(render(PAPER, language))
    for tongue, _, name, address in PEOPLE:
        paper = replace(
            PAPER, payer=f"{name}, a@example.com", address=f"{address}, Flat 4/B, 226001", item=name
        )
        (folder / f"receipt-{tongue.replace(' ', '-')}.pdf").write_bytes(render(paper, "en"))
    return pages


def photograph(pages: list[Path]) -> None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only wanted with --pictures

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for screen, (width, height, scheme) in SCREENS.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            view = context.new_page()
            for page in pages:
                view.goto(page.absolute().as_uri())
                view.screenshot(path=page.with_name(f"{page.stem}-{screen}.png"), full_page=True)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", action="store_true")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "okpuja.settings")
    django.setup()
    drawn = draw(arguments.folder)
    if arguments.pictures:
        photograph(drawn)

"""Both sites' contracts as stories, and the playing of them."""

import traceback

from tests.harness.installation import InstallationWithPhonePe
from tests.integration.frontend import (
    account_rows,
    cart_rows,
    desk_rows,
    july_rows,
    session_rows,
    shop_rows,
    today_rows,
)
from tests.integration.frontend.browser import NoAnswer
from tests.integration.frontend.rows import Row, Story

CHAPTERS = (shop_rows, account_rows, session_rows, cart_rows, july_rows, today_rows, desk_rows)
TROUBLE = (AssertionError, AttributeError, LookupError, TypeError, ValueError, NoAnswer)


def rows_of(era: str) -> list[Row]:
    return [row for chapter in CHAPTERS for row in chapter.row if row.era == era]


def play(shop: InstallationWithPhonePe, era: str) -> dict[Row, str]:
    """What is wrong with each row; "" where nothing is."""
    story = Story(shop, era)
    return {row: _trouble(row, story) for row in rows_of(era)}


def _trouble(row: Row, story: Story) -> str:
    try:
        row.play(story)
    except TROUBLE as error:
        line = traceback.extract_tb(error.__traceback__)[-1].line
        return f"{type(error).__name__}: {error} in: {line}".replace("\n", " ")[:500]
    return ""

"""The pages for people with a code from a letter, in a browser: entering it, and a code that is none."""

from __future__ import annotations

import pytest

from tests.web.browsing import Visitors, looked_at

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["de", "en"])
async def test_pages_with_a_code_look_right(visitors: Visitors, language: str) -> None:
    async with visitors.page(language=language, expects_errors=True) as page:
        await page.goto("/answer")
        await looked_at(page, "answer-enter")
        await page.goto("/answer/AAAAA-AAAAA-AAAAA")
        await looked_at(page, "answer-wrong")
        await page.goto("/upkeep/AAAAA-AAAAA-AAAAA")
        await looked_at(page, "upkeep-wrong")

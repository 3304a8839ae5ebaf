from __future__ import annotations

from collections.abc import Mapping

import pytest

from app.config.prices import Book, bundled_books


@pytest.fixture(scope="session")
def books() -> Mapping[str, Book]:
    return bundled_books()

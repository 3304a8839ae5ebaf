"""The kinds of column that tables are made of, and the rule that sums are held to."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import BigInteger, CheckConstraint, Column, Text, text

MOST_STORED = 9 * 10**18  # just inside a signed 64-bit column


def text_column(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def text_or_null(name: str) -> Column[str]:
    return Column(name, Text, nullable=True)


def whole(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def whole_or_null(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=True)


def in_range(table: str, *names: str) -> Iterator[CheckConstraint]:
    """SQLite turns a sum that is too large into a float, without a word: it must be refused."""
    for name in names:
        rule = f"{name} BETWEEN -{MOST_STORED} AND {MOST_STORED}"
        yield CheckConstraint(rule, name=f"ck_{table}_{name}")

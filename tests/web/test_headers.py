"""What callers say in headers."""

from __future__ import annotations

import pytest

from app.web.headers import tags


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"a, b ,a", ("a", "b")),
        (b"env=prod,team=blue", ("env=prod", "team=blue")),
        ("équipe,日本".encode(), ("équipe", "日本")),
        ("équipe".encode("latin-1"), ("équipe",)),
        (b"\xff,\xe9,,", ("ÿ", "é")),
        (b"x" * 200, ("x" * 128,)),
        ("é".encode() * 200, ("é" * 128,)),
        (b",".join(b"t%d" % n for n in range(20)), tuple(f"t{n}" for n in range(16))),
        (b" , ,", ()),
        (b"", ()),
    ],
)
def test_tags_keep_their_names_in_utf_8_and_in_latin_1(sent: bytes, read: tuple[str, ...]) -> None:
    assert tags(sent.decode("latin-1")) == read

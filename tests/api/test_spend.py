"""`/admin/spend` over HTTP: zones, order, pages and CSV."""

from __future__ import annotations

import csv
import io

import pytest

from tests.running import MASTER_KEY, Gateway

MASTER = {"authorization": f"Bearer {MASTER_KEY}"}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("tz=Mars/Olympus", "tz"),
        ("tz=../etc/passwd", "tz"),
        ("sort=colour", "sort"),
        ("sort=-day", "sort"),
        ("cursor=nonsense", "cursor"),
        ("limit=0", "limit"),
        ("group_by=colour", "group_by"),
    ],
)
def test_what_no_report_can_do_is_refused_by_name(served: Gateway, query: str, param: str) -> None:
    refused = served.http.get(f"{served.url}/admin/spend?{query}", headers=MASTER)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param


def test_a_report_is_json_or_csv(served: Gateway) -> None:
    served.admin("POST", "keys", {"name": "told"})
    path = f"{served.url}/admin/spend?group_by=key,day&tz=Asia/Kathmandu"
    report = served.http.get(path, headers=MASTER).json()
    for headers, more in (({"accept": "text/csv"}, ""), ({}, "&format=csv")):
        answer = served.http.get(f"{path}{more}", headers={**MASTER, **headers})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        head, *rows = csv.reader(io.StringIO(answer.text))
        assert head[:5] == ["key", "day", "key_name", "requests", "errors"]
        assert len(rows) == len(report["data"])

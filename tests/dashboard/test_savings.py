"""Savings: the page's figures are the admin API's for the same range."""

from __future__ import annotations

import csv
import html
import io

from tests.dashboard.browsing import Browsing, check_looks, visitor
from tests.running import Gateway

SYSTEM = {"role": "system", "content": "You are a careful assistant. " * 900}


def talk(served: Gateway) -> None:
    secret = served.key(name="talker")
    for model in ("sonnet", "sonnet", "sonnet", "haiku", "auto"):
        turns = [SYSTEM, {"role": "user", "content": "Hello"}]
        body = {"model": model, "max_tokens": 40, "messages": turns}
        assert served.chat(secret, body).status_code == 200


def test_the_two_halves_are_the_admin_apis_for_the_same_range(served: Gateway) -> None:
    talk(served)
    with visitor(served) as operator:
        page = html.unescape(operator.get("/ui/savings").text)
        shown = operator.get("/ui/savings.json?range=month").json()
        text = operator.get("/ui/savings.csv").content.decode("utf-8-sig")
    api = served.admin("GET", "savings")
    assert shown["caching"] == api["caching"]
    assert shown["routing"] == api["routing"]
    assert float(api["caching"]["saved_usd"]) > 0
    for amount in (api["caching"]["saved_usd"], api["routing"]["saved_usd"]):
        assert f'title="${amount}"' in page
    (line,) = csv.DictReader(io.StringIO(text))
    assert line["prefix"] == api["caching"]["by_prefix"][0]["prefix"]
    assert line["saved_usd"] == api["caching"]["by_prefix"][0]["saved_usd"]
    for told in ("placed by Tollkeeper", "An upper bound", "first seen"):
        assert told in page


def test_tiers_scores_and_outcomes_are_the_admin_apis(served: Gateway) -> None:
    talk(served)
    row = next(row for row in served.rows() if row["requested_model"] == "auto")
    served.admin("POST", f"requests/{row['id']}/outcome", {"ok": False})
    api = served.admin("GET", "savings")["routing"]
    with visitor(served) as operator:
        page = html.unescape(operator.get("/ui/savings").text)
        twins = {
            of: list(csv.DictReader(io.StringIO(operator.get(f"/ui/savings.csv?of={of}").text)))
            for of in ("tiers", "scores", "routes", "marks", "misses", "days")
        }
        assert operator.get("/ui/savings.json?of=tiers").json()["data"] == api["by_tier"]
        assert operator.get("/ui/savings.csv?of=shoes").status_code == 400
    assert [line["cost_usd"] for line in twins["tiers"]] == [t["cost_usd"] for t in api["by_tier"]]
    (said,) = [tier for tier in api["by_tier"] if tier["not_ok"]]
    assert said["tier"] == served.row(row["id"])["routing"]["tier"]
    assert said["by_auto"] == sum(int(line[said["tier"]] or 0) for line in twins["scores"])
    assert "threshold 0.5" in page
    for tier in api["by_tier"]:
        assert f'title="${tier["cost_usd"]}"' in page
    assert "Reports of two tiers are needed" in page


def test_a_range_without_calls_says_so(served: Gateway) -> None:
    with visitor(served) as operator:
        page = operator.get("/ui/savings?from=2020-01-01&to=2020-02-01").text
        assert "No call was answered in this range." in page
        assert operator.get("/ui/savings?from=nonsense").status_code == 400


def test_what_if_is_the_admin_apis_report(served: Gateway) -> None:
    talk(served)
    day = served.rows()[0]["created_at"][:10]
    ends = {"from": f"{day[:7]}-01", "to": "2099-01-01"}
    api = served.admin("POST", "whatif", {**ends, "tiers": {"sonnet": "haiku"}, "cache": "off"})
    query = f"from={ends['from']}&to={ends['to']}&tier-sonnet=haiku&cache=off"
    with visitor(served) as operator:
        assert operator.get(f"/ui/savings/whatif.json?{query}").json() == api
        page = html.unescape(operator.get(f"/ui/savings/whatif?{query}&go=1").text)
        assert "What this assumes" not in operator.get("/ui/savings/whatif").text
        for told in (*api["assumptions"], f'title="${api["actual_usd"]}"'):
            assert told in page
        assert operator.get("/ui/savings/whatif?threshold=2").status_code == 400
        assert operator.get("/ui/savings/whatif?tier-gold=haiku").status_code == 400


def test_what_if_takes_prices_as_texts_in_dollars_per_million(served: Gateway) -> None:
    talk(served)
    day = served.rows()[0]["created_at"][:10]
    ends = {"from": f"{day[:7]}-01", "to": "2099-01-01"}
    prices = {
        "claude-haiku-4-5-20251001": {"input": "0.0000001", "output": "0.000007"},
        "claude-sonnet-4-6": {"cache_read": "0.00000000012"},
    }
    api = served.admin("POST", "whatif", {**ends, "cost_per_token": prices})
    query = (
        f"from={ends['from']}&to={ends['to']}&priced=claude-haiku-4-5-20251001&usd-input=0.1"
        "&usd-output=7&priced2=claude-sonnet-4-6&usd2-cache_read=0.00012"
    )
    with visitor(served) as operator:
        assert operator.get(f"/ui/savings/whatif.json?{query}").json() == api
        days = operator.get(f"/ui/savings/whatif.json?of=days&{query}").json()
        assert days["data"] == api["by_day"]
        for wrong in ("-1", "10001", "0.0000001", "x", "NaN", "1" * 30):
            told = operator.get(f"/ui/savings/whatif?priced=haiku&usd-input={wrong}")
            assert told.status_code == 400, wrong
        assert operator.get("/ui/savings/whatif?usd-input=3").status_code == 400
        twice = "priced=haiku&usd-input=1&priced2=haiku&usd2-input=2"
        assert operator.get(f"/ui/savings/whatif?{twice}").status_code == 400
    assert api["actual_usd"] != api["whatif_usd"]


def test_the_savings_are_accessible_and_fit_a_phone(browser: Browsing, served: Gateway) -> None:
    talk(served)
    check_looks(browser, "/ui/savings", "/ui/savings?range=today&tz=Asia/Kathmandu")
    check_looks(browser, "/ui/savings/whatif", "/ui/savings/whatif?priced=haiku&usd-input=1&go=1")

"""The tables of the documents say what the code does."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
import yaml
from pydantic import BaseModel

from app.api.client.paths import USUAL
from app.config.prices import bundled_books
from app.config.settings import Settings
from app.config.weights import shipped_weights
from app.core.ended import Refused
from app.core.misses import Miss, MissReason
from app.core.money import usd_text
from app.core.pricing import Prices, price, prices_on, uncached
from app.core.routing import Reason
from app.core.standing import Standing
from app.core.usage import Usage
from app.dialects.openai_chat.parameters import PARAMETERS
from app.telemetry.metrics import Metrics
from app.web.errors import BUG, ROWS
from tests.docs.documents import (
    DOCUMENTS,
    anchors,
    code_in,
    relative_links,
    tables,
    text_of,
)
from tests.house.repository import ROOT
from tests.telemetry.calls import call

PLACEHOLDERS = {"upstreams": "<name>", "models": "<id>", "tiers": "<tier>", "fallbacks": "<model>"}
NO_DEFAULT = object()
NEEDED = object()
DAY = date(2026, 11, 21)


def leaves(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, object]]:
    """Every key path with its default."""
    for name, field in section.model_fields.items():
        here = f"{path}{field.alias or name}"
        kind = field.annotation
        if typing.get_origin(kind) is dict:
            value = typing.get_args(kind)[1]
            entry = f"{here}.{PLACEHOLDERS[here]}"
            inner = section_in(value)
            yield from leaves(inner, f"{entry}.") if inner else [(entry, NO_DEFAULT)]
        elif (inner := section_in(kind)) is not None:
            yield from leaves(inner, f"{here}.")
        else:
            yield here, NEEDED if field.is_required() else field.default


def section_in(kind: object) -> type[BaseModel] | None:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def documented_keys() -> dict[str, str]:
    """Each key path of the tables with the cell of its default."""
    sections = "|".join(Settings.model_fields)
    found = {}
    for cells in tables(text_of("docs/configuration.md")):
        named = code_in(cells[0])
        if len(cells) == 4 and named and re.match(rf"({sections})\.", named[0]):
            assert named[0] not in found
            found[named[0]] = cells[2]
    return found


def test_every_key_of_the_settings_is_documented_and_no_other() -> None:
    expected = {path for path, _ in leaves(Settings)}
    assert len(expected) > 40
    assert set(documented_keys()) == expected


def test_the_documented_defaults_are_the_settings_own() -> None:
    cells = documented_keys()
    for path, default in leaves(Settings):
        if default is NEEDED:
            assert cells[path] == "needed", path
        elif default is not NO_DEFAULT:
            shown = yaml.safe_load(code_in(cells[path])[0])
            assert shown == (list(default) if isinstance(default, tuple) else default), path


def test_every_variable_of_the_entrypoint_is_documented() -> None:
    told = text_of("docs/configuration.md")
    named = re.findall(r"\b[A-Z]+_[A-Z_]+\b", (ROOT / "deploy/entrypoint.sh").read_text("utf-8"))
    assert len(set(named)) >= 12
    assert [name for name in sorted(set(named)) if f"`{name}`" not in told] == []


def test_every_feature_of_the_score_is_documented_with_its_weight_and_no_other() -> None:
    rows = [cells for cells in tables(text_of("docs/routing.md")) if len(cells) == 5]
    documented = {(code_in(cells[0])[0], float(cells[1]), int(cells[2])) for cells in rows}
    features = shipped_weights().features
    assert documented == {(each.name, each.weight, each.full_at) for each in features}


def test_every_reason_is_documented_and_no_other() -> None:
    rows = [cells for cells in tables(text_of("docs/routing.md")) if len(cells) == 2]
    assert {code_in(cells[0])[0] for cells in rows} == {str(reason) for reason in Reason}


def test_every_error_is_documented_with_its_status_and_no_other() -> None:
    documented = {
        (int(cells[0]), code_in(cells[1])[0], code_in(cells[2])[0])
        for cells in tables(text_of("docs/api.md"))
        if len(cells) == 4 and cells[0].isdecimal()
    }
    assert documented == {(row.status, row.code, row.anthropic) for row in (*ROWS.values(), BUG)}


def test_every_metric_is_documented_with_its_labels_and_no_other() -> None:
    documented = {
        code_in(cells[0])[0]: tuple(code_in(cells[1]))
        for cells in tables(text_of("docs/operations.md"))
        if len(cells) == 3 and cells[0].startswith("`tollkeeper_")
    }
    metrics = Metrics()
    missed = replace(call(0.2, 1_000, retried=True), miss=Miss(MissReason.EXPIRED, 5))
    metrics.record(missed)
    metrics.committed(1, 0.01)
    metrics.breaker_changed("anthropic", "claude-sonnet-4-6", "open")
    metrics.billed("claude-haiku-4-5-20251001", -5)
    metrics.refused(Refused("req_1", "key_1", 402, "budget_exceeded", "it does not fit"))
    text = metrics.text(Standing(1, 1, {"key_1": 1})).decode()
    shown = {}
    for name in re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE):
        if name.endswith("_created"):
            continue
        sample = re.search(rf"^{name}(?:_bucket)?(?:\{{(.*)\}})? ", text, re.MULTILINE)
        assert sample is not None, name
        shown[name] = tuple(re.findall(r"(\w+)=", sample[1] or ""))
    assert {name: set(labels) for name, labels in documented.items()} == {
        name: set(labels) - {"le"} for name, labels in shown.items()
    }


def test_every_chat_parameter_is_documented_with_what_becomes_of_it() -> None:
    treatments = ("mapped", "dropped", "refused")
    told = text_of("docs/api.md").partition("### Chat parameters")[2].partition("###")[0]
    documented = {
        treatment: set(code_in(cells[0]))
        for treatment, cells in zip(treatments, tables(told), strict=True)
    }
    assert documented == {
        treatment: {name for name, p in PARAMETERS.items() if p.treatment == treatment}
        for treatment in treatments
    }


def test_every_client_route_is_documented_and_no_other() -> None:
    rows = [cells for cells in tables(text_of("docs/api.md")) if len(cells) == 2]
    routes = {route for cells in rows for route in code_in(cells[0])}
    documented = {route for route in routes if route.startswith(("POST /v1/", "GET /v1/"))}
    got = {"GET /v1/models", "GET /v1/models/{id}", "GET /v1/key"}
    assert documented == got | {f"POST {path}" for path in USUAL}


def test_every_admin_route_is_documented() -> None:
    told = text_of("docs/api.md")
    source = (ROOT / "app/api/admin/routes.py").read_text("utf-8")
    routes = re.findall(r'@router\.(get|post|patch|delete)\("([^"]+)"', source)
    assert len(routes) >= 15
    missing = [path for _, path in routes if generic(path) not in told]
    assert missing == []


def generic(path: str) -> str:
    return "/admin" + re.sub(r"\{\w+\}", "{id}", path)


def sonnet() -> Prices:
    return prices_on(bundled_books()["anthropic"].models["claude-sonnet-4-6"].schedule, DAY)


@pytest.mark.parametrize(
    ("usage", "cost", "savings"),
    [
        (Usage(3, 12_304, 0, 0, 550), "0.054399", "-0.009228"),
        (Usage(3, 0, 0, 12_304, 550), "0.0119502", "0.0332208"),
    ],
)
def test_the_worked_example_is_priced_as_it_is_told(usage: Usage, cost: str, savings: str) -> None:
    total = price(usage, sonnet()).total
    saved = price(uncached(usage), sonnet()).total - total
    assert (usd_text(total), usd_text(saved)) == (cost, savings)
    told = text_of("docs/pricing.md")
    assert cost in told
    assert savings in told


@pytest.mark.parametrize(("prompt", "cost"), [(100_000, "0.0105"), (100_001, "0.0525005")])
def test_the_cliff_is_where_it_is_told(prompt: int, cost: str) -> None:
    haiku = bundled_books()["anthropic"].models["claude-haiku-5-5"]
    usage = Usage(input_tokens=prompt, output_tokens=1_000)
    assert usd_text(price(usage, prices_on(haiku.schedule, DAY)).total) == cost
    assert f"${cost} at {prompt:,}" in text_of("docs/pricing.md")


def test_the_shortest_cached_prompts_are_those_of_the_price_book() -> None:
    models = bundled_books()["anthropic"].models
    known = {alias: m for m in models.values() for alias in (m.id, *m.aliases)}
    rows = [c for c in tables(text_of("docs/caching.md")) if c[1].endswith(" tokens")]
    assert len(rows) == 3
    for names, tokens in rows:
        least = int(tokens.removesuffix(" tokens").replace(",", ""))
        for name in code_in(names):
            assert known[name].limits.min_cacheable_tokens == least, name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    here = ROOT / document
    for path, anchor in relative_links(document):
        target = here.parent / path if path else here
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


WITHOUT_EFFECT = {
    "server.cors_origins": r"\.cors_origins\b",
    "budgets.soft_limit_ratio": r"\.soft_limit_ratio\b",
    "budgets.alert_webhook": r"\.alert_webhook\b",
    "retention.requests_days": r"\.requests_days\b",
}


def test_what_is_said_to_have_no_effect_is_used_nowhere() -> None:
    """Fails when one of them is put to use: then its dagger and its line above must go."""
    rows = tables(text_of("docs/configuration.md"))
    marked = {code_in(c[0])[0] for c in rows if len(c) == 4 and c[0].endswith("†")}
    assert marked == set(WITHOUT_EFFECT)
    used = [
        (key, path.relative_to(ROOT).as_posix())
        for path in sorted((ROOT / "app").rglob("*.py"))
        if path.parent not in (ROOT / "app/config", ROOT / "app/commands")
        for key, pattern in WITHOUT_EFFECT.items()
        if re.search(pattern, path.read_text("utf-8"))
    ]
    assert used == []

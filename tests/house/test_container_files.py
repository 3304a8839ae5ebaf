"""The compose file, the image and the load balancer, as far as files alone can tell."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.house.repository import ROOT


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return dict(compose["services"])


def test_two_gateways_stand_behind_one_published_port(services: dict[str, Any]) -> None:
    assert services["gateway"]["deploy"]["replicas"] == 2
    published = {name: s["ports"] for name, s in services.items() if "ports" in s}
    assert published == {"loadbalancer": ["${PORT:-4000}:4000"]}


def test_the_gateways_start_after_the_migration_and_healthy_stores(
    services: dict[str, Any],
) -> None:
    assert services["gateway"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }
    assert services["migrate"]["command"] == ["db", "upgrade"]
    assert services["migrate"]["restart"] == "no"
    assert services["loadbalancer"]["depends_on"] == {"gateway": {"condition": "service_healthy"}}


def test_every_service_that_stays_has_a_health_check(services: dict[str, Any]) -> None:
    checked = {name for name, service in services.items() if "test" in service["healthcheck"]}
    assert checked == {"loadbalancer", "gateway", "postgres", "redis"}


def test_every_named_volume_is_declared_and_money_is_on_one(services: dict[str, Any]) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounted = {
        volume.partition(":")[0]
        for service in services.values()
        for volume in service.get("volumes", [])
        if not volume.startswith("./")
    }
    assert mounted == set(compose["volumes"]) == {"postgres-data", "tollkeeper-data"}


def test_whether_to_call_anthropic_or_to_simulate_is_the_only_choice_to_make(
    services: dict[str, Any],
) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    variables = re.findall(r"\$\{([^}]*)\}", text)
    assert variables
    assert [variable for variable in variables if ":-" not in variable] == []
    for service in ("migrate", "gateway"):
        assert services[service]["environment"]["ANTHROPIC_API_KEY"] is None
        assert services[service]["environment"]["TOLLKEEPER_SIMULATE"] is None


def test_the_configuration_is_mounted_and_not_baked_in(services: dict[str, Any]) -> None:
    mount = "./config.yaml:/srv/tollkeeper/config.yaml:ro"
    assert mount in services["gateway"]["volumes"]
    assert mount in services["migrate"]["volumes"]
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    final_stage = lines[max(n for n, line in enumerate(lines) if line.startswith("FROM")) :]
    assert [line for line in final_stage if line.startswith("COPY") and "config.yaml" in line] == []


def test_the_balancer_keeps_the_admin_api_and_the_metrics_inside() -> None:
    lines = [line.strip() for line in (ROOT / "deploy" / "Caddyfile").read_text().splitlines()]
    assert "@inside path /admin /admin/* /metrics /metrics/*" in lines
    assert 'respond @inside "not served here" 404' in lines


def test_the_database_url_agrees_with_the_database(services: dict[str, Any]) -> None:
    url = services["gateway"]["environment"]["TOLLKEEPER_DATABASE_URL"]
    database = services["postgres"]["environment"]
    # The password stands apart: any character in it is a character of a password.
    user, name = database["POSTGRES_USER"], database["POSTGRES_DB"]
    assert url == f"postgresql://{user}@postgres:5432/{name}"
    given = services["gateway"]["environment"]["PGPASSWORD"]
    assert given == database["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:-tollkeeper}"


def test_the_image_installs_by_hash_and_runs_without_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    final_stage = lines[max(n for n, line in enumerate(lines) if line.startswith("FROM")) :]
    assert any("--require-hashes --requirement requirements.lock" in line for line in lines)
    assert "USER 10001:0" in final_stage
    (data,) = (line for line in final_stage if "/srv/tollkeeper/data" in line and "install" in line)
    assert "--group 0 --mode 770" in data  # for platforms that choose the user themselves
    assert any("/health/live" in line for line in final_stage)
    assert final_stage[-1] == 'CMD ["serve", "--host", "0.0.0.0", "--port", "4000"]'


def test_everything_the_image_copies_is_sent_to_the_builder() -> None:
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    needed = {"app", "config.yaml", "deploy", "hatch_build.py", "migrations", "pyproject.toml"}
    assert needed | {"requirements.lock", "LICENSE"} <= sent


def test_the_load_balancer_neither_repeats_a_sent_call_nor_cuts_an_hour_long_stream() -> None:
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    directives = [line.split("#")[0].split() for line in text.splitlines()]
    names = {words[0]: words[1:] for words in directives if words}
    assert "lb_retry_match" not in names
    assert "flush_interval" not in names
    for timeout in ("response_header_timeout", "read_timeout", "write_timeout"):
        assert names[timeout] == ["65m"]

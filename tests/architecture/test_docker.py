"""The files of docker/, as far as they can be checked without an engine."""

import re
from typing import Any

import pytest
import yaml

from tests.architecture.places import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text())
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
SERVICES = sorted(COMPOSE["services"])
OURS = sorted(name for name, service in COMPOSE["services"].items() if "build" in service)


def stages() -> dict[str, str]:
    """Each stage's own lines by its name."""
    parts = re.split(r"^FROM \S+ AS (\S+)$", DOCKERFILE, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_images_are_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.M)
    outside = [base for base in bases if base not in stages()]
    assert outside
    foreign = [service["image"] for service in COMPOSE["services"].values()]
    for image in [*outside, *foreign]:
        assert re.search(r":\d+\.\d+\.\d+|:18\.\d+", image), image


@pytest.mark.parametrize("stage", ["web", "trainer"])
def test_images_do_not_run_as_root(stage: str) -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE.split(f" AS {stage}\n")[0] + stages()[stage], flags=re.M)
    assert users[-1] == "10001:10001"
    assert "USER root" not in DOCKERFILE


@pytest.mark.parametrize("stage", ["web", "trainer"])
def test_images_have_a_health_check(stage: str) -> None:
    assert "HEALTHCHECK --interval" in stages()[stage]


def test_web_image_has_no_torch() -> None:
    assert "trainer" not in stages()["web-packages"]
    assert "--from=trainer-packages" not in stages()["web"]


def test_copied_paths_exist_and_are_let_through() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = [
        re.compile(line[1:].replace(".", r"\.").replace("*", ".*")) for line in ignore if line.startswith("!")
    ]
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(pattern.match(source) for pattern in let_through), source
    assert (ROOT / "docker" / "Dockerfile.dockerignore").read_text() == "\n".join(ignore) + "\n"


def test_expected_services_are_there() -> None:
    assert set(SERVICES) == {"database", "broker", "migrate", "web", "worker", "beat", "trainer"}
    assert COMPOSE["services"]["trainer"]["profiles"] == ["trainer"]
    assert COMPOSE["services"]["database"]["image"].startswith("postgres:18.")


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in ("migrate", "web")])
def test_service_has_a_health_check(name: str) -> None:
    assert "test" in COMPOSE["services"][name]["healthcheck"]


@pytest.mark.parametrize("name", OURS)
def test_our_services_wait_and_are_confined(name: str) -> None:
    service = COMPOSE["services"][name]
    waits = {room: wait["condition"] for room, wait in service["depends_on"].items()}
    if name != "migrate":
        assert waits["migrate"] == "service_completed_successfully"
    assert waits["database"] == "service_healthy"
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_state_is_in_named_volumes(name: str) -> None:
    for mount in COMPOSE["services"][name].get("volumes", []):
        assert mount.split(":")[0] in COMPOSE["volumes"], mount


def test_secrets_come_from_the_environment() -> None:
    for service in COMPOSE["services"].values():
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key or key in ("SECRET_KEY", "DATABASE_URL"):
                assert re.search(r"\$\{[A-Z_]+:\?", value), f"{key} must have no default"


def test_settings_of_compose_exist() -> None:
    known = set(re.findall(r'validation_alias="(\w+)"', (ROOT / "annotate" / "settings.py").read_text()))
    assert set(COMPOSE["x-platform"]["environment"]) <= known


def test_pages_are_published_to_this_machine_only() -> None:
    [port] = COMPOSE["services"]["web"]["ports"]
    assert port.startswith("${BIND:-127.0.0.1}:")
    assert all("ports" not in COMPOSE["services"][name] for name in SERVICES if name != "web")

"""Settings: safe by default, loud when wrong, secrets made once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.places import ROOT

READ = (
    "import json\nfrom annotate import settings\n"
    "print(json.dumps({name: getattr(settings, name) for name in dir(settings) if name.isupper()}, default=str))"
)
OURS = ("DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "HTTPS", "CSRF_TRUSTED_ORIGINS")


def read(home: Path, **given: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in OURS and not name.startswith("NEGATIVA_")}
    environment = {**kept, "NEGATIVA_HOME": str(home), **given}
    return subprocess.run([sys.executable, "-c", READ], cwd=ROOT, env=environment, capture_output=True, text=True)


def values(home: Path, **given: str) -> dict[str, object]:
    done = read(home, **given)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_defaults_are_safe(tmp_path: Path) -> None:
    found = values(tmp_path)
    assert found["DEBUG"] is False
    assert found["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert len(str(found["SECRET_KEY"])) >= 50
    assert found["IS_DATABASE_EMBEDDED"] is True
    assert found["SESSION_COOKIE_HTTPONLY"] is True if "SESSION_COOKIE_HTTPONLY" in found else True
    policy = found["CONTENT_SECURITY_POLICY"]
    assert isinstance(policy, str)
    assert "script-src 'self';" in policy and "style-src 'self';" in policy and "unsafe" not in policy


def test_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    assert values(tmp_path)["SECRET_KEY"] == values(tmp_path)["SECRET_KEY"]
    kept = tmp_path / "secrets" / "secret-key"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert values(tmp_path, SECRET_KEY="given")["SECRET_KEY"] == "given"


def test_https_closes_what_http_leaves_open(tmp_path: Path) -> None:
    found = values(tmp_path, HTTPS="true")
    assert found["SESSION_COOKIE_SECURE"] is True
    assert found["CSRF_COOKIE_SECURE"] is True
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000


def test_own_database_is_used_with_its_options(tmp_path: Path) -> None:
    found = values(tmp_path, DATABASE_URL="postgresql://me:p%40ss@db.example.org:6000/labels?sslmode=require")
    database = found["DATABASES"]["default"]  # type: ignore[index]
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example.org", "6000", "labels")
    assert database["PASSWORD"] == "p@ss"
    assert database["OPTIONS"]["sslmode"] == "require"
    assert found["IS_DATABASE_EMBEDDED"] is False
    assert not (tmp_path / "secrets" / "postgres-password").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"DEBUG": "perhaps"},
        {"NEGATIVA_UPLOAD_MAX_BYTES": "-1"},
        {"NEGATIVA_WORKER_CONCURRENCY": "0"},
        {"NEGATIVA_BROKER_VISIBILITY_SECONDS": "1"},
        {"NEGATIVA_JUDGE_CALLS": "0"},
        {"NEGATIVA_MODELS": "{"},
        {"NEGATIVA_DRAFTS_BY": "nobody"},
    ],
)
def test_wrong_values_are_named(tmp_path: Path, given: dict[str, str]) -> None:
    done = read(tmp_path, **given)
    assert done.returncode != 0
    [name] = given
    assert f"The environment is not right: {name}" in done.stderr
    assert "Traceback" not in done.stderr


def test_key_of_a_model_is_found_and_does_not_show(tmp_path: Path) -> None:
    model = {"base_url": "https://models.example.org/v1", "model": "large", "api_key_env": "HOSTED_KEY"}
    found = read(tmp_path, NEGATIVA_MODELS=json.dumps({"hosted": model}), HOSTED_KEY="sk-abc")
    assert "name='hosted'" in found.stdout
    assert "sk-abc" not in found.stdout + found.stderr
    lacking = read(tmp_path, NEGATIVA_MODELS=json.dumps({"hosted": model}))
    assert "NEGATIVA_MODELS: hosted: there is no key where api_key_env says" in lacking.stderr

"""What every test stands on: a PostgreSQL of its own, a home folder of its own, and no way out to the network.

Without DATABASE_URL, one throw-away server (no fsync) is started for the whole session, by xdist's controller when
there is one. Its keeper stops and deletes it when the session is gone, however it ended.
"""

import contextlib
import gc
import ipaddress
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from annotate.hosting import postgres  # noqa: E402 - needs the path above

IS_XDIST_WORKER = "PYTEST_XDIST_WORKER" in os.environ
_at_exit = contextlib.ExitStack()

# A busy machine is no finding: how long an example took, or was in the making, is not looked at.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


def _make_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="negativa-test-", dir="/tmp"))
    home.chmod(0o711)  # the database's user must pass through
    (home / "static").mkdir()
    return home


def _prepare_environment() -> None:
    """Everything is decided here, before Django's settings are read; xdist's workers inherit it."""
    home = _make_home()
    if os.environ.get("DATABASE_URL"):
        _at_exit.callback(shutil.rmtree, home, ignore_errors=True)
    else:
        cluster = postgres.Cluster(home=home, is_throwaway=True)
        _at_exit.enter_context(cluster.held())
        os.environ["DATABASE_URL"] = cluster.url()
    os.environ |= {
        "NEGATIVA_HOME": str(home),
        "CELERY_BROKER_URL": "memory://",
        "DEBUG": "false",
        "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1],testserver",
        "CSRF_TRUSTED_ORIGINS": "",
        "HTTPS": "false",
        "SECRET_KEY": "only-for-tests-" + "x" * 40,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }


def pytest_configure(config: pytest.Config) -> None:
    # Only this names the settings, not pyproject.toml: pytest-django would read them before the database is known.
    if not IS_XDIST_WORKER:
        _prepare_environment()
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotate.settings"
    import django

    django.setup()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take what is loaded for good out of the collector's sight.

    The trainer's library collects at the end of every run: over a million objects of modules that took longer than a
    test's run.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    _at_exit.close()


@pytest.fixture(scope="session", autouse=True)
def _settings_for_tests() -> Iterator[None]:
    """Cheap password hashes, and static files served from where they are written."""
    from django.conf import settings
    from django.test import override_settings

    storages: dict[str, Any] = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"], STORAGES=storages):
        yield


@pytest.fixture(autouse=True)
def _folders_of_its_own(settings: Any, tmp_path: Path) -> None:
    """What a test writes is its own: xdist's workers number campaigns, datasets and runs alike."""
    settings.UPLOADS, settings.DATASETS, settings.RUNS = (tmp_path / name for name in ("uploads", "datasets", "runs"))


@pytest.fixture(scope="session", autouse=True)
def _no_way_out() -> Iterator[None]:
    """Sockets of this process reach this machine only."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(str(address[0])):
            raise OSError(f"Tests do not talk to the network: {address[0]}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


def _is_here(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public annotation files (not part of this repository); the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "README.md").exists():
        pytest.skip(f"needs the public annotation files in {folder}")
    return folder

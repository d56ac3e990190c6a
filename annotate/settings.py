"""Settings. Everything that differs between installations comes through `Environment`, safe by default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg.conninfo
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from annotate.asking import configured
from annotate.hosting import kept, postgres

BASE_DIR = Path(__file__).resolve().parent.parent


class Environment(BaseSettings):
    """Read from environment variables and `.env`. Without DATABASE_URL the embedded PostgreSQL is used."""

    model_config = SettingsConfigDict(env_file=BASE_DIR / ".env", extra="ignore")

    home: Path = Field(default=BASE_DIR / "var", validation_alias="NEGATIVA_HOME")
    secret_key: str = Field(default="", validation_alias="SECRET_KEY")
    debug: bool = Field(default=False, validation_alias="DEBUG")
    database_url: str = Field(default="", validation_alias="DATABASE_URL")
    celery_broker_url: str = Field(default="", validation_alias="CELERY_BROKER_URL")
    allowed_hosts: str = Field(default="localhost,127.0.0.1,[::1]", validation_alias="ALLOWED_HOSTS")
    csrf_trusted_origins: str = Field(default="", validation_alias="CSRF_TRUSTED_ORIGINS")
    https: bool = Field(default=False, validation_alias="HTTPS")
    time_zone: str = Field(default="UTC", validation_alias="TZ_NAME")
    static_root: Path | None = Field(default=None, validation_alias="NEGATIVA_STATIC_ROOT")
    trainer_python: str = Field(default="", validation_alias="NEGATIVA_TRAINER_PYTHON")
    embedder: str = Field(default="", validation_alias="NEGATIVA_EMBEDDER")
    trainer_concurrency: int = Field(default=1, ge=1, validation_alias="NEGATIVA_TRAINER_CONCURRENCY")
    trainer_processes: int = Field(default=1, ge=1, validation_alias="NEGATIVA_TRAINER_PROCESSES")
    checks: str = Field(default="", validation_alias="NEGATIVA_CHECKS")
    models: str = Field(default="", validation_alias="NEGATIVA_MODELS")
    drafts_by: str = Field(default="", validation_alias="NEGATIVA_DRAFTS_BY")
    judge_calls: int = Field(default=200, ge=1, validation_alias="NEGATIVA_JUDGE_CALLS")
    upload_max_bytes: int = Field(default=4 * 1024**3, gt=0, validation_alias="NEGATIVA_UPLOAD_MAX_BYTES")
    worker_concurrency: int = Field(default=2, ge=1, validation_alias="NEGATIVA_WORKER_CONCURRENCY")
    broker_visibility_seconds: int = Field(default=60, ge=15, validation_alias="NEGATIVA_BROKER_VISIBILITY_SECONDS")


def _environment() -> Environment:
    try:
        return Environment()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise SystemExit(f"The environment is not right: {wrong}") from error


def _variable(name: str) -> str:
    """Return a variable of any name as `Environment` would find it: in the environment, or in `.env`."""

    class Found(BaseSettings):
        model_config = Environment.model_config
        value: str = Field(default="", validation_alias=name)

    return Found().value


def _models(env: Environment) -> dict[str, configured.Model]:
    try:
        found = configured.read(env.models, variable=_variable)
    except configured.BadModels as error:
        raise SystemExit(f"The environment is not right: NEGATIVA_MODELS: {error}") from None
    if env.drafts_by and env.drafts_by not in found:
        raise SystemExit("The environment is not right: NEGATIVA_DRAFTS_BY: NEGATIVA_MODELS has no model of this name")
    return found


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _conninfo(env: Environment) -> str:
    url = env.database_url or postgres.Cluster(home=env.home).url()
    return psycopg.conninfo.make_conninfo(url, connect_timeout=10, application_name="negativa")


def _database(conninfo: str) -> dict[str, Any]:
    """Connections live as long as their thread and are checked before each request.

    No pool: web threads, pool processes and commands are few and long-lived, and a pool would not survive a fork.
    """
    parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**parts, "server_side_binding": True, "prepare_threshold": 5},
    }


ENV = _environment()
# Read by modules that know no settings, in this process and in the trainer's: what stands in .env is for them, too.
os.environ.setdefault("NEGATIVA_CHECKS", ENV.checks)
HOME = ENV.home.absolute()
DEBUG = ENV.debug
SECRET_KEY = ENV.secret_key or kept.secret(HOME / "secrets" / "secret-key")
ALLOWED_HOSTS = _listed(ENV.allowed_hosts)
HAS_OWN_ALLOWED_HOSTS = "allowed_hosts" in ENV.model_fields_set
CSRF_TRUSTED_ORIGINS = _listed(ENV.csrf_trusted_origins)

IS_DATABASE_EMBEDDED = not ENV.database_url
DATABASE_CONNINFO = _conninfo(ENV)
DATABASES = {"default": _database(DATABASE_CONNINFO)}
CELERY_BROKER_URL = ENV.celery_broker_url
BROKER_VISIBILITY_SECONDS = ENV.broker_visibility_seconds
WORKER_CONCURRENCY = ENV.worker_concurrency

MODELS = _models(ENV)
DRAFTS_BY = ENV.drafts_by
JUDGE_CALLS = ENV.judge_calls

UPLOADS = HOME / "uploads"
DATASETS = HOME / "datasets"
RUNS = HOME / "runs"
TRAINER_PYTHON = ENV.trainer_python
EMBEDDER = ENV.embedder
TRAINER_CONCURRENCY = ENV.trainer_concurrency
TRAINER_PROCESSES = ENV.trainer_processes
UPLOAD_MAX_BYTES = ENV.upload_max_bytes

INSTALLED_APPS = [
    "annotate.accounts",
    "annotate.campaigns",
    "annotate.intake",
    "annotate.queue",
    "annotate.judgments",
    "annotate.quality",
    "annotate.constraints",
    "annotate.verification",
    "training_bridge.exports",
    "training_bridge.runs",
    "training_bridge.evaluations",
    "training_bridge.demo",
    "annotate.hosting",
    "annotate.api",
    "frontend",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "template_partials",
    "axes",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "frontend.middleware.ContentPolicy",
    "frontend.middleware.StorableText",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "frontend.middleware.RuleErrors",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "annotate.urls"
WSGI_APPLICATION = "annotate.wsgi.application"
ASGI_APPLICATION = "annotate.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "frontend" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "frontend.context.shell",
            ]
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_LOCKOUT_CALLABLE = "frontend.views.sign_in.locked_out"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"

SESSION_ENGINE = "annotate.accounts.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.https
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.https else None
SECURE_HSTS_SECONDS = 31_536_000 if ENV.https else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024
FILE_UPLOAD_TEMP_DIR = None

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = ENV.time_zone

STATIC_URL = "static/"
STATIC_ROOT = ENV.static_root or HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "frontend" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": UPLOADS}},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "frontend.static_files.StaticFiles"
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["annotate.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["annotate.api.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["annotate.api.parsing.JSON"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "annotate.api.schema.AutoSchema",
    "EXCEPTION_HANDLER": "annotate.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Negativa",
    "DESCRIPTION": "Import outputs, read judgments, request datasets and start training runs.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "TrainingMethodEnum": "training_bridge.runs.models.TRAINING_METHODS",
        "RunMethodEnum": "training_bridge.runs.models.Method",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "WARNING"},
        "pgmq": {"level": "WARNING"},
        "psycopg.pool": {"level": "ERROR"},
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
    },
}

"""The Celery application. It knows WHEN; what happens is in the rooms' actions.

Messages are only nudges: they may be lost or doubled, and the sweeps find what waits. Hence no results, no retries by
the broker, and acknowledgement after the work.
"""

import os
import pkgutil
import warnings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
# Django's checks load every page; a worker shows none, and `make check` and the web process look.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

import celery
import celery.exceptions
import celery.platforms
import kombu
from django.conf import settings

from worker import broker, tasks

HOUR = 3600
REDIS_VISIBILITY_SECONDS = HOUR

# Celery warns against root because of pickled messages. Ours are JSON, and nothing else is accepted.
warnings.filterwarnings("ignore", category=celery.platforms.SecurityWarning)
# The setting it asks for is given below.
warnings.filterwarnings("ignore", category=celery.exceptions.CPendingDeprecationWarning)

app = celery.Celery("negativa")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL or broker.URL,
    broker_transport_options=(
        {"visibility_timeout": REDIS_VISIBILITY_SECONDS} if settings.CELERY_BROKER_URL else broker.options()
    ),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_connection_timeout=5,
    imports=[f"worker.tasks.{module.name}" for module in pkgutil.iter_modules(tasks.__path__)] + ["worker.lifelines"],
    # Where torch is, a worker takes `runs` too; one that is told nothing takes both.
    task_queues=[kombu.Queue("celery"), kombu.Queue("runs")],
    task_default_queue="celery",
    task_routes={"worker.tasks.runs.*": {"queue": "runs"}},
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    result_expires=None,
    task_acks_late=True,
    task_serializer="json",
    accept_content=["json"],
    task_soft_time_limit=50 * 60,
    task_time_limit=HOUR,
    worker_prefetch_multiplier=1,
    worker_concurrency=settings.WORKER_CONCURRENCY,
    worker_max_tasks_per_child=500,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    timezone=settings.TIME_ZONE,
    enable_utc=True,
    beat_scheduler="worker.schedule:Scheduler",
)

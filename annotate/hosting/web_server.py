"""gunicorn's settings for `manage.py up` and the web image: threads, one import, no process left behind."""

import os
from typing import Any

from annotate.hosting import children

wsgi_app = "annotate.wsgi:application"
bind = os.environ.get("NEGATIVA_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("NEGATIVA_WEB_PROCESSES", "4"))
threads = int(os.environ.get("NEGATIVA_WEB_THREADS", "2"))
preload_app = True
graceful_timeout = 10
keepalive = 5
control_socket_disable = True
errorlog = "-"
loglevel = "warning"
proc_name = "negativa-web"


def post_fork(server: Any, worker: Any) -> None:
    """A killed master would leave workers that hold the port."""
    children.die_with_parent()

"""The floor under any queue: a bare Django view that takes a row, counts it and stores one, and does nothing else.

Settings, urls and WSGI application in one module, run by the same server as the product.
"""

from __future__ import annotations

from annotate.settings import *  # noqa: F403 - Django reads this module as its settings

ROOT_URLCONF = "tests.bench.queue_floor"
MIDDLEWARE = []

TABLES = (
    "DROP TABLE IF EXISTS bench_floor_done, bench_floor",
    """CREATE TABLE bench_floor
    (id bigserial PRIMARY KEY, campaign int, order_key bigint, overlap int DEFAULT 1, taken int DEFAULT 0)""",
    "CREATE TABLE bench_floor_done (id bigserial PRIMARY KEY, item bigint, comment text, created_at timestamptz)",
    """INSERT INTO bench_floor (campaign, order_key)
    SELECT 1, hashint8extended(n, 0) FROM generate_series(1, 100000) AS n""",
    "CREATE INDEX ON bench_floor (campaign, order_key) WHERE taken < overlap",
    "VACUUM ANALYZE bench_floor",
)


def take(request):  # type: ignore[no-untyped-def]
    from django.db import connection, transaction
    from django.http import HttpResponse

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM bench_floor WHERE campaign = 1 AND taken < overlap ORDER BY order_key LIMIT 1 "
            "FOR UPDATE SKIP LOCKED"
        )
        row = cursor.fetchone()
        cursor.execute("UPDATE bench_floor SET taken = taken + 1 WHERE id = %s", [row[0]])
        cursor.execute("INSERT INTO bench_floor_done (item, comment, created_at) VALUES (%s, 'ok', now())", [row[0]])
    return HttpResponse("taken", headers={"Content-Length": "5"})


def __getattr__(name: str):  # type: ignore[no-untyped-def]
    if name == "application":
        from django.core.wsgi import get_wsgi_application

        return get_wsgi_application()
    if name == "urlpatterns":
        from django.urls import path

        return [path("take/", take)]
    raise AttributeError(name)

"""`python -m annotate.hosting.keeper HOME [--throwaway]`: runs the embedded server until nobody uses it.

Started by `postgres.Cluster.ensure`, in its own session. Standard library only, so that it starts in no time.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from annotate.hosting import children, postgres

SMART_ENOUGH = signal.SIGINT  # PostgreSQL's "fast" shutdown: sessions are ended, everything committed is on disk
AT_ONCE = signal.SIGQUIT
LONGEST_LOG = 10_000_000


def keep(cluster: postgres.Cluster) -> int:
    """Run the server; return its exit status. Ends when the last user lets go, or when the server dies."""
    with cluster.lock("server", fcntl.LOCK_EX) as server_lock, _log(cluster.log) as log:
        server = subprocess.Popen(
            [cluster.found_binaries()["postgres"], "-D", str(cluster.data), *_options(cluster)],
            cwd="/",
            env=postgres.server_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[server_lock],
            start_new_session=True,
            preexec_fn=children.dies_with_parent(SMART_ENOUGH),
            **cluster.as_owner(),
        )
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(SMART_ENOUGH))
    threading.Thread(target=_stop_when_unused, args=(cluster, server), daemon=True).start()
    status = server.wait()
    if cluster.is_throwaway and _is_unused(cluster):
        for folder in (cluster.folder, cluster.socket_folder, cluster.home):
            shutil.rmtree(folder, ignore_errors=True)
    return status


def _options(cluster: postgres.Cluster) -> list[str]:
    sockets = str(cluster.socket_folder).replace('"', '""')
    values = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{sockets}"',
        "port": "5432",
        "max_connections": "100",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
        "shared_buffers": "128MB",
        "random_page_cost": "1.1",  # it lies on a solid-state disk, and most of it in memory
    }
    if cluster.is_throwaway:
        values |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB"}
    return [part for name, value in values.items() for part in ("-c", f"{name}={value}")]


@contextlib.contextmanager
def _log(path: Path) -> Iterator[IO[bytes]]:
    """Append to the log; one that grew too long becomes `.old`, so that two are the most there are."""
    if path.exists() and path.stat().st_size > LONGEST_LOG:
        path.replace(path.with_suffix(".log.old"))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
        yield file


def _stop_when_unused(cluster: postgres.Cluster, server: "subprocess.Popen[bytes]") -> None:
    with cluster.lock("users", fcntl.LOCK_EX):
        server.send_signal(AT_ONCE if cluster.is_throwaway else SMART_ENOUGH)
        server.wait()
        # New users wait for the lock until this process, and with it the last trace of the server, is gone.
        threading.Event().wait(5)


def _is_unused(cluster: postgres.Cluster) -> bool:
    """True while this process itself holds the users' lock alone."""
    try:
        with cluster.lock("users", fcntl.LOCK_SH | fcntl.LOCK_NB):
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(keep(postgres.Cluster(home=Path(arguments[0]), is_throwaway="--throwaway" in arguments)))

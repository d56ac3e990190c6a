"""The embedded server: one per home, alive while somebody uses it, whole after every kind of death."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from annotate.hosting import binaries, postgres


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    for each in (folder, *folder.parents):
        if str(each).startswith("/tmp/"):
            each.chmod(0o711)
    yield folder


@pytest.fixture
def cluster(home: Path) -> Iterator[postgres.Cluster]:
    made = postgres.Cluster(home=home)
    yield made
    made.wait_stopped(seconds=60)


def query(cluster: postgres.Cluster, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(cluster.url()) as connection:
        cursor = connection.execute(text)
        return list(cursor.fetchall()) if cursor.description else []


def server_pid(cluster: postgres.Cluster) -> int:
    return int((cluster.data / "postmaster.pid").read_text().splitlines()[0])


def wait_for(what: str, is_so: "object") -> None:
    until = time.monotonic() + 60
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < until, f"waited too long: {what}"
        time.sleep(0.02)


def test_url_is_known_before_the_server_runs(cluster: postgres.Cluster) -> None:
    assert cluster.url() == postgres.Cluster(home=cluster.home).url()
    assert not cluster.running()
    assert not cluster.data.exists()


def test_held_server_runs_is_private_and_stops(cluster: postgres.Cluster) -> None:
    with cluster.held():
        assert cluster.running()
        assert query(cluster, "SELECT current_user, current_database()") == [("negativa", "negativa")]
        assert query(cluster, "SELECT setting FROM pg_settings WHERE name = 'listen_addresses'") == [("",)]
        assert cluster.socket_folder.stat().st_mode & 0o777 == 0o700
        assert cluster.data.stat().st_mode & 0o777 == 0o700
        assert (cluster.home / "secrets" / "postgres-password").stat().st_mode & 0o777 == 0o600
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(cluster.url().replace("postgresql://negativa:", "postgresql://negativa:x"))
        assert Path(f"/proc/{server_pid(cluster)}").stat().st_uid == cluster.owner.pw_uid != 0
    cluster.wait_stopped(seconds=60)
    assert not cluster.running()


def test_text_sorts_the_same_everywhere(cluster: postgres.Cluster) -> None:
    with cluster.held():
        [(provider, locale, encoding)] = query(
            cluster,
            "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database"
            " WHERE datname = current_database()",
        )
    assert (provider, locale, encoding) in {("b", "C.UTF-8", "UTF8"), (b"b", "C.UTF-8", "UTF8")}


def test_killed_server_keeps_every_committed_row(cluster: postgres.Cluster) -> None:
    with cluster.held():
        query(cluster, "CREATE TABLE kept (i int)")
        query(cluster, "INSERT INTO kept SELECT generate_series(1, 1000)")
        os.kill(server_pid(cluster), signal.SIGKILL)
        wait_for("the server's end", lambda: not cluster.running())
        cluster.ensure()
        assert query(cluster, "SELECT count(*) FROM kept") == [(1000,)]


def test_stale_pid_file_with_a_living_number_is_no_hindrance(cluster: postgres.Cluster) -> None:
    with cluster.held():
        pass
    cluster.wait_stopped(seconds=60)
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n1\n5432\n\n\n\nready\n")
    assert not cluster.running()
    with cluster.held():
        assert query(cluster, "SELECT 1") == [(1,)]


def test_killed_user_leaves_no_server(cluster: postgres.Cluster) -> None:
    program = (
        "import sys, time; from pathlib import Path; from annotate.hosting import postgres\n"
        "with postgres.Cluster(home=Path(sys.argv[1])).held(): print('up', flush=True); time.sleep(60)"
    )
    user = subprocess.Popen([sys.executable, "-c", program, str(cluster.home)], stdout=subprocess.PIPE, text=True)
    assert user.stdout is not None
    assert user.stdout.readline() == "up\n"
    assert cluster.running()
    user.kill()
    user.wait()
    cluster.wait_stopped(seconds=60)


def test_several_users_at_once_start_one_server(cluster: postgres.Cluster) -> None:
    program = (
        "import sys; from pathlib import Path; from annotate.hosting import postgres\n"
        "cluster = postgres.Cluster(home=Path(sys.argv[1]))\n"
        "with cluster.held(): print((cluster.data / 'postmaster.pid').read_text().split()[0], flush=True); input()"
    )
    command = [sys.executable, "-c", program, str(cluster.home)]
    users = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    pids = {user.stdout.readline() for user in users if user.stdout}
    assert len(pids) == 1
    assert "" not in pids
    for user in users[:2]:
        user.communicate("\n", timeout=60)
    assert cluster.running()
    users[2].communicate("\n", timeout=60)


def test_data_of_another_version_are_refused_and_left_alone(cluster: postgres.Cluster) -> None:
    with cluster.held():
        pass
    cluster.wait_stopped(seconds=60)
    version = cluster.data / "PG_VERSION"
    right = version.read_text()
    version.write_text("12\n")
    with pytest.raises(postgres.ClusterError, match=r"made by PostgreSQL 12, .*NEGATIVA_PG_BIN"), cluster.held():
        pass
    version.write_text(right)


def test_interrupted_making_is_made_again(cluster: postgres.Cluster) -> None:
    leftover = cluster.folder / ".making-1"
    leftover.mkdir(parents=True)
    (leftover / "PG_VERSION").write_text("18\n")
    with cluster.held():
        assert query(cluster, "SELECT 1") == [(1,)]
    assert not leftover.exists()


def test_long_home_gets_a_short_socket_path(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    folder = postgres.Cluster(home=deep).socket_folder
    assert len(str(folder / postgres.SOCKET_NAME)) <= postgres.LONGEST_SOCKET_PATH
    assert folder != postgres.Cluster(home=tmp_path / ("y" * 120)).socket_folder


def test_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    stranger = tmp_path / "taken"
    stranger.mkdir()
    os.chown(stranger, 12345, 12345)
    with pytest.raises(postgres.ClusterError, match="belongs to another user"):
        postgres._own(stranger, owner=postgres.Cluster(home=tmp_path).owner, mode=0o700)


def test_closed_home_sends_the_data_where_the_owner_can_go(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("other users run the server as themselves")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    folder = postgres.Cluster(home=closed / "var").folder
    assert folder.parent == Path("/var/tmp")
    assert postgres.Cluster(home=closed / "var2").folder != folder


def test_throwaway_deletes_itself(home: Path) -> None:
    cluster = postgres.Cluster(home=home, is_throwaway=True)
    with cluster.held():
        assert query(cluster, "SHOW fsync") == [("off",)]
    wait_for("the folder's end", lambda: not home.exists())


def test_binaries_named_by_the_environment_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEGATIVA_PG_BIN", str(tmp_path))
    with pytest.raises(binaries.NoBinaries, match=r"has no postgres and no initdb"):
        binaries.find()


def test_binaries_of_the_wheel_are_found_without_importing_it() -> None:
    assert binaries.find().major >= 15
    assert binaries.WHEEL not in sys.modules


def test_copied_binaries_run(tmp_path: Path) -> None:
    found = binaries.find()
    copy = binaries.copied(found, into=tmp_path)
    assert copy == binaries.copied(found, into=tmp_path)
    said = subprocess.run([copy["postgres"], "--version"], capture_output=True, text=True, check=True).stdout
    assert f" {found.major}" in said


def test_cluster_is_a_value() -> None:
    one = postgres.Cluster(home=Path("/a"))
    assert one == postgres.Cluster(home=Path("/a"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.home = Path("/b")  # type: ignore[misc]

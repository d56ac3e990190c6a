"""The embedded PostgreSQL: one private server per home folder, alive while somebody uses it.

Whoever needs the database holds `users.lock` shared (`with cluster.held(): ...`). A keeper process
(`annotate.hosting.keeper`) runs the server and waits for that lock alone; when the last user is gone, by whatever
death, the keeper gets it and stops the server. The server and all its backends hold `server.lock`, so that nobody
starts a second one on the same files and a pid file left by kill -9 is known to be stale.

As root, PostgreSQL refuses to run; it then runs as `nobody`. When `nobody` cannot enter the home folder (below /root,
say) the data lie in /var/tmp/negativa-<hash of the home folder>, which is its owner's alone.
"""

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from annotate.hosting import binaries, kept

USER = DATABASE = "negativa"
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107
START_SECONDS = 60
ROOT_RUNS_AS = "nobody"


class ClusterError(Exception):
    """The embedded database cannot be used; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The server that belongs to `home`. A throw-away one does not sync, and is deleted with `home` after use."""

    home: Path
    is_throwaway: bool = False
    owner: pwd.struct_passwd = field(default_factory=lambda: _owner(), repr=False, compare=False)

    def url(self) -> str:
        """Where the server is or will be. Makes the password on first use; starts nothing."""
        password = kept.secret(self.home / "secrets" / "postgres-password")
        host, peer = quote(str(self.socket_folder), safe=""), quote(self.owner.pw_name, safe="")
        return f"postgresql://{USER}:{quote(password)}@/{DATABASE}?host={host}&port=5432&requirepeer={peer}"

    @cached_property
    def folder(self) -> Path:
        """Holds `data` and `run`. Existing data decide where it is; a new home decides by what its owner can enter."""
        inside = self.home.absolute() / "postgres"
        outside = Path("/var/tmp") / f"negativa-{self._mark}"  # noqa: S108 - its owner is checked before use
        if (inside / "data").exists() or binaries.is_enterable(self.home.absolute()) or os.geteuid() != 0:
            return inside
        return outside

    @cached_property
    def socket_folder(self) -> Path:
        inside = self.folder / "run"
        if len(os.fsencode(inside / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
            return inside
        return Path("/tmp") / f"negativa-{self._mark}"  # noqa: S108 - its owner is checked before use

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.home / "logs" / "postgres.log"

    @property
    def _mark(self) -> str:
        return hashlib.sha256(os.fsencode(self.home.absolute())).hexdigest()[:12]

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the server running for the time of the block, starting it when needed. Raises ClusterError."""
        with self.lock("users", fcntl.LOCK_SH):
            self.ensure()
            yield

    def ensure(self) -> None:
        """Start the server unless it runs. The caller holds the users' lock; several callers at once start one."""
        with self.lock("start", fcntl.LOCK_EX):
            if self.running():
                return
            self.wait_stopped(seconds=START_SECONDS)
            self._prepare()
            self._launch()

    def running(self) -> bool:
        """Whether the server is up and answers: it holds its lock, and its pid file says ready."""
        if self._is_free("server"):
            return False
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, PermissionError):
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def wait_stopped(self, *, seconds: float) -> None:
        """Wait until no process of the server is left. Raises ClusterError after `seconds`."""
        until = time.monotonic() + seconds
        while not self._is_free("server"):
            if time.monotonic() > until:
                raise ClusterError(
                    f"The database in {self.data} is still shutting down after {seconds:.0f} s; see {self.log}."
                )
            time.sleep(0.02)

    @contextlib.contextmanager
    def lock(self, name: str, how: int) -> Iterator[int]:
        """Hold a lock file of this home; yields its descriptor. Blocks unless `how` has LOCK_NB (BlockingIOError)."""
        folder = self.home / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise ClusterError(
                f"{folder} belongs to another user. Run as that user, or set NEGATIVA_HOME to a folder of yours."
            ) from error
        try:
            fcntl.flock(descriptor, how)
            yield descriptor
        finally:
            os.close(descriptor)

    def _is_free(self, name: str) -> bool:
        try:
            with self.lock(name, fcntl.LOCK_SH | fcntl.LOCK_NB):
                return True
        except BlockingIOError:
            return False

    def found_binaries(self) -> binaries.Binaries:
        """The programs to run, copied where the server's user can enter when it could not. Raises ClusterError."""
        try:
            found = binaries.find()
        except binaries.NoBinaries as error:
            raise ClusterError(str(error)) from error
        if os.geteuid() != 0 or binaries.is_enterable(found.folder):
            return found
        return binaries.copied(found, into=self.folder)

    def _prepare(self) -> None:
        _own(self.folder, owner=self.owner, mode=0o711 if os.geteuid() == 0 else 0o700)
        _own(self.socket_folder, owner=self.owner, mode=0o700)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        programs = self.found_binaries()
        if not self.data.exists():
            self._make(programs)
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != str(programs.major):
            raise ClusterError(
                f"The data in {self.data} were made by PostgreSQL {made_by}, and the programs in {programs.folder} are "
                f"PostgreSQL {programs.major}. Set NEGATIVA_PG_BIN to the bin folder of a PostgreSQL {made_by}, or "
                "move the data over with that version's pg_dump (docs/operations.md)."
            )
        # Nobody holds the server's lock (see `ensure`), so a pid file is left from kill -9, whatever has its number.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _make(self, programs: binaries.Binaries) -> None:
        """initdb into a sibling, then rename: a killed initdb leaves nothing that looks finished."""
        for leftover in self.folder.glob(".making-*"):
            shutil.rmtree(leftover)
        draft, password = self.folder / f".making-{os.getpid()}", self.folder / ".making-password"
        _own(draft, owner=self.owner, mode=0o700)
        kept_password = kept.secret(self.home / "secrets" / "postgres-password")
        password.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(kept_password + "\n")
        try:
            os.chown(password, self.owner.pw_uid, self.owner.pw_gid)
            self._run([programs["initdb"], *_initdb_options(programs, draft, password, self.is_throwaway)])
            single = [programs["postgres"], "--single", "-D", str(draft), "-F", "template1"]
            self._run(single, said=f"CREATE DATABASE {DATABASE};\n")
        finally:
            password.unlink()
        draft.rename(self.data)

    def _run(self, command: list[str], *, said: str = "") -> None:
        done = subprocess.run(
            command, input=said, text=True, capture_output=True, cwd="/", env=server_environment(), **self.as_owner()
        )
        if done.returncode:
            raise ClusterError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-2000:]}")

    def as_owner(self) -> dict[str, Any]:
        """Options for subprocess that make the child run as the server's user."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []}

    def _launch(self) -> None:
        command = [sys.executable, "-m", "annotate.hosting.keeper", str(self.home.absolute())]
        root = str(Path(__file__).resolve().parent.parent.parent)
        keeper = subprocess.Popen(
            [*command, "--throwaway"] if self.is_throwaway else command,
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + START_SECONDS
        while not self.running():
            if keeper.poll() is not None or time.monotonic() > until:
                raise ClusterError(f"PostgreSQL did not start. The end of {self.log}:\n{self.log_tail()}")
            time.sleep(0.01)

    def log_tail(self, *, lines: int = 15) -> str:
        if not self.log.exists():
            return "(empty)"
        return "\n".join(self.log.read_text(errors="replace")[-8000:].splitlines()[-lines:])


def _owner() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(ROOT_RUNS_AS) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    except KeyError as error:
        who = ROOT_RUNS_AS if os.geteuid() == 0 else f"uid {os.geteuid()}"
        raise ClusterError(
            f"The embedded PostgreSQL must run as {who}, which this machine does not know (no line in /etc/passwd). "
            "Add that user, or set DATABASE_URL to a server of yours."
        ) from error


def _own(folder: Path, *, owner: pwd.struct_passwd, mode: int) -> None:
    """Make `folder` the owner's. One that somebody else made first (in /tmp, say) is refused, not taken over."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=mode)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid not in (owner.pw_uid, os.geteuid()):
        raise ClusterError(
            f"{folder} belongs to another user, so the database does not use it. Remove it and try again."
        )
    folder.chmod(mode)


def _initdb_options(programs: binaries.Binaries, data: Path, password: Path, is_throwaway: bool) -> list[str]:
    has_builtin_locale = programs.major >= 17
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return [
        f"--pgdata={data}",
        f"--username={USER}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        *(locale if has_builtin_locale else ["--locale=C.UTF-8"]),
        *(["--no-sync"] if is_throwaway else []),
    ]


def server_environment() -> dict[str, str]:
    """The environment of the server: none of the caller's PG* variables reach it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}

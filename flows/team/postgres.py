"""PostgreSQL from the system's own package, in a private folder, as an unprivileged user, behind a password."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from flows.service import Service
from graft.errors import BadInput, GraftError

USERS = ("postgres", "nobody")  # who runs it where we are root, which PostgreSQL refuses to be
NAME = "graft"
ADVICE = (
    "Install it (Debian: `apt install postgresql`), or run the team's stack on SQLite, which does for one machine: "
    "`graft up --team --database sqlite`."
)


@dataclass(frozen=True)
class Postgres:
    """A cluster in `folder`, which listens on a port of this machine only."""

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Where Prefect's server finds its database."""
        return f"postgresql+asyncpg://{NAME}:{self.password}@127.0.0.1:{self.port}/{NAME}"

    def prepare(self) -> None:
        """Make the cluster and its database unless they are there; raises GraftError with what initdb said."""
        if (self.folder / "PG_VERSION").exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        secret = self.folder.with_name(f"{self.folder.name}.password")
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        for path in (self.folder, secret):
            give(path)
        try:
            options = ["--auth=scram-sha-256", f"--username={NAME}", f"--pwfile={secret}", "--encoding=UTF8"]
            self._call([program("initdb"), "--pgdata", str(self.folder), "--locale=C.UTF-8", *options])
        finally:
            secret.unlink()
        single = [program("postgres"), "--single", "-D", str(self.folder), "postgres"]
        self._call(single, f"CREATE DATABASE {NAME}\n")

    def service(self, log: Path) -> Service:
        """Return the service that runs it."""
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"]
        command = [*as_user(), program("postgres"), "-D", str(self.folder)]
        return Service("PostgreSQL", [*command, *(f"--{option}" for option in options)], log, answers=self._answers)

    def _answers(self) -> bool:
        command = [program("pg_isready"), "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def _call(self, command: list[str], text: str = "") -> None:
        whole = [*as_user(), *command]
        result = subprocess.run(whole, input=text, capture_output=True, text=True, check=False, cwd=self.folder)
        if result.returncode:
            raise GraftError(f"`{' '.join(command[:2])}` failed:\n{result.stderr.strip()[-800:]}")


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs; raises BadInput saying how to get it."""
    if found := shutil.which(name):
        return found  # not resolved: Debian's wrappers go by the name that they are called
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: _number(path.parts[-3]))
    if not places:
        raise BadInput(f"no PostgreSQL on this machine: `{name}` is not there", advice=ADVICE)
    return str(places[-1])


def home(folder: Path) -> Path:
    """Return where a cluster can lie: the folder, or one of /var/tmp where its user cannot get to the folder."""
    if os.geteuid() or all(path.stat().st_mode & 0o001 for path in folder.absolute().parents if path.exists()):
        return folder.absolute()
    return Path("/var/tmp") / f"graft-{hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]}"


def user() -> pwd.struct_passwd | None:
    """Return the user that runs it, or None for ourselves."""
    if os.geteuid():
        return None
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise BadInput("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'", advice=ADVICE)


def as_user() -> list[str]:
    """Return what a command begins with to run as that user and to end with whoever started it."""
    if (who := user()) is None:
        return []
    groups = [f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"]
    return ["setpriv", *groups, "--no-new-privs", "--pdeathsig", "KILL"]


def give(path: Path) -> None:
    """Let the user own a file or folder."""
    if (who := user()) is not None:
        shutil.chown(path, who.pw_uid, grp.getgrgid(who.pw_gid).gr_gid)


def _number(version: str) -> int:
    return int(re.sub(r"\D.*", "", version) or 0)

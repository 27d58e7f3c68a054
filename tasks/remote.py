"""The DVC remote of this checkout: where it is, whether it answers, and how one is set. DVC's words, our own eyes."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from graft.errors import BadInput, Transient
from graft.settings import settings
from graft.storage import LocalStore, S3Store, Store, open_store
from tasks.children import run_child

ROOT = Path(".dvc")
KEYS = {"endpointurl": "endpoint_url", "region": "region_name"}  # DVC's names and boto3's
SECRETS = {"access_key_id": "aws_access_key_id", "secret_access_key": "aws_secret_access_key"}
SECRETS |= {"session_token": "aws_session_token"}


@dataclass(frozen=True)
class Remote:
    """The default remote; `store` is None where we cannot look into it ourselves and DVC has to be believed."""

    name: str
    url: str
    verifies: bool
    """Whether DVC compares what it downloads with its name (`verify true`)."""
    store: Store | None

    def __str__(self) -> str:
        """Return its name and where it lies."""
        return f"'{self.name}' at {self.url}"

    def reach(self) -> None:
        """Raise Transient where the remote does not answer, and BadInput where it refuses us."""
        if isinstance(self.store, LocalStore) and not self.store.root.is_dir():
            raise Transient(
                f"the DVC remote {self} is gone: there is no such folder. "
                "Mount it, or name another with `graft remote add URL`; nothing here was lost."
            )
        if self.store is not None:
            self.store.list("probe")


def find_remote() -> Remote | None:
    """Return the default remote that this checkout, or this user, names."""
    config = _config()
    name = config.get("core", {}).get("remote")
    if name is None:
        return None
    facts = config.get(f'remote "{name}"', {})
    url = facts.get("url")
    if url is None:
        raise BadInput(
            f"DVC's default remote is '{name}', and no URL is set for it", advice="Set it: `graft remote add URL`."
        )
    return Remote(name, url, facts.get("verify", "false").lower() == "true", _store(url, facts))


def cache_folder() -> Path:
    """Return DVC's local cache, which checkouts may share."""
    return Path(_config().get("cache", {}).get("dir", str(ROOT / "cache")))


def add_remote(url: str, name: str) -> Remote:
    """Make a folder or a bucket the default remote, with `verify true`; raises BadInput where it cannot be written.

    Credentials and the address of another S3 than Amazon's stay in the environment.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name):
        raise BadInput(f"--name {name}: expected letters, digits, '-' and '_', such as team")
    if not ROOT.is_dir():
        raise BadInput("this is no DVC repository: there is no folder .dvc", advice="Run `dvc init` first.")
    store = open_store(url)
    if isinstance(store, LocalStore):
        _refuse_inside(url, store.root)
        _make(store.root)
    try_writing(store)
    from tasks.pipeline import DVC

    for words in (["add", "--default", "--force", name, url], ["modify", name, "verify", "true"]):
        said: list[str] = []
        if run_child([*DVC, "remote", *words], said.append):
            raise BadInput(f"`dvc remote {words[0]}` failed", said[-5:])
    found = find_remote()
    assert found is not None
    return found


def try_writing(store: Store) -> None:
    """Write, read, list and remove an object; raises BadInput where one of these does not do what it says."""
    key, content = f"probe/{uuid4().hex}", b"probe"
    try:
        store.put(key, content)
        if store.get(key) != content:
            raise BadInput(f"{store}: an object that was just written came back as another")
        if key not in store.list("probe"):
            raise BadInput(f"{store}: an object that was just written is not in its listing")
    except OSError as error:
        raise BadInput(f"{store}: cannot be written: {error.strerror or error}") from error
    finally:
        store.delete(key)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written: {error.strerror or error}") from error


def _refuse_inside(url: str, root: Path) -> None:
    if root.resolve().is_relative_to(Path.cwd()):
        raise BadInput(
            f"{url}: a remote inside of this checkout would be lost with it", advice="Name a folder elsewhere."
        )


def _store(url: str, facts: Mapping[str, str]) -> Store | None:
    """Return the remote as a store; None for other kinds, and for what names its objects otherwise than by md5."""
    if any(facts.get(key, "false").lower() == "true" for key in ("version_aware", "worktree")):
        return None
    if "://" not in url:
        return LocalStore(Path(url))
    parts = urlsplit(url)
    if parts.scheme != "s3":
        return None
    return S3Store(parts.netloc, parts.path.strip("/"), facts.get("sse", settings().s3_encryption), _client(facts))


def _client(facts: Mapping[str, str]) -> Any:
    """Return a boto3 client as DVC's configuration asks for it, else None: the environment says everything."""
    named = {ours: facts[key] for key, ours in (KEYS | SECRETS).items() if key in facts}
    if not named and "profile" not in facts:
        return None
    import boto3

    return boto3.Session(profile_name=facts.get("profile")).client("s3", **named)


def _config() -> dict[str, dict[str, str]]:
    """Return DVC's configuration by section, the nearest file winning; relative paths are made ones from here."""
    found: dict[str, dict[str, str]] = {}
    for path in (Path.home() / ".config/dvc/config", ROOT / "config", ROOT / "config.local"):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read(path)
        for section in parser.sections():
            values = dict(parser.items(section))
            for key in ("url", "dir"):
                if key in values and "://" not in values[key]:
                    values[key] = os.path.normpath(path.parent / values[key])  # DVC counts from the file
            found.setdefault(section.strip("'"), {}).update(values)
    return found

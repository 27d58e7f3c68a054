"""Packages in a store. Each lies in a folder named by its digest, so no two publishers write into the same one.

A package without an event is no version: what a killed upload leaves behind is invisible, and completed by
the next upload of the same package.
"""

import errno
import json
import shutil
from pathlib import Path
from uuid import uuid4

from graft.errors import RegistryError
from graft.manifest import MANIFEST
from graft.registry.fold import Version
from graft.registry.package import Package, open_package
from graft.storage import Store
from graft.storage.store import checked


def upload(store: Store, model: str, package: Package) -> str:
    """Write a package into the store, its manifest last, and return its folder there."""
    folder = f"models/{model}/{package.digest}"
    for name in (*sorted(package.files), MANIFEST):
        store.put(f"{folder}/{name}", package.folder / name)
    return folder


def download(store: Store, version: Version, folder: Path) -> Package:
    """Copy a version's package into an empty folder; raises RegistryError when it is not the registered one."""
    try:
        names = list(json.loads(store.get(f"{version.package}/{MANIFEST}"))["files"])
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"{version.name}: the manifest of its package cannot be read ({type(error).__name__})", advice=_ADVICE
        ) from error
    missing = []
    for name in (*names, MANIFEST):
        path = folder / checked(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            store.download(f"{version.package}/{name}", path)
        except FileNotFoundError:
            missing.append(f"{version.package}/{name}: missing in the registry")
    if missing:
        raise RegistryError(f"{version.name}: {len(missing)} file(s) are gone", missing, _ADVICE)
    return _opened(version, folder)


def keep(store: Store, version: Version, cache: Path) -> Package:
    """Return a verified copy of a version's package below `cache`, downloaded unless a whole one is there."""
    place = cache / version.model / version.digest
    if place.is_dir():
        try:
            return _opened(version, place)
        except RegistryError:
            shutil.rmtree(place)  # a damaged copy; the registry has the original
    beside = place.with_name(f".{uuid4().hex}.partial")
    try:
        beside.mkdir(parents=True)
        download(store, version, beside)
        _settle(beside, place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return _opened(version, place)


_ADVICE = "Restore the registry's objects from a backup, or promote another version."


def _opened(version: Version, folder: Path) -> Package:
    try:
        return open_package(folder, version.digest)
    except RegistryError as error:
        raise RegistryError(f"{version.name}: its package does not verify", error.problems, _ADVICE) from error


def _settle(beside: Path, place: Path) -> None:
    try:
        beside.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process has just put the same bytes there
            raise

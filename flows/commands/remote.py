"""graft remote and its commands."""

from __future__ import annotations

from flows.terminal import print_json
from graft.catalog import load
from graft.errors import BadInput, RemoteDamaged
from tasks.objects import locked_stages
from tasks.pipeline import tracking_file
from tasks.remote import Remote, add_remote, find_remote
from tasks.sharing import Fault, check, share


def add(url: str, name: str) -> None:
    """Make a folder or a bucket the default DVC remote."""
    remote = add_remote(url, name)
    print(f"the DVC remote {remote} is set, with verify; commit .dvc/config with git")
    print("next: graft remote check pushes what is finished already; every run pushes what it makes")


def look(mend: bool, as_json: bool) -> None:
    """Compare every object of this checkout's results and data with the remote; raises RemoteDamaged for what is left.

    With `mend` what the remote lacks, or has damaged, is written again where a whole copy is here.
    """
    remote = _required()
    remote.reach()
    faults, left, looked = list[Fault](), list[str](), 0
    for name in _names():
        looked += 1
        try:
            faults += _look_at(name, remote, mend)
        except RemoteDamaged as error:
            left += error.problems
    left += [str(fault) for fault in faults if fault.left]
    mended = [str(fault) for fault in faults if not fault.left]
    if as_json:
        print_json({"remote": remote.url, "looked_at": looked, "mended": mended, "faults": left})
    else:
        print("\n".join([*mended, f"{looked} stages and data files, {len(mended)} object(s) written again"]))
    if left:
        raise RemoteDamaged(f"the DVC remote {remote}: {len(left)} object(s) are not whole", left)


def _look_at(name: str, remote: Remote, mend: bool) -> list[Fault]:
    if mend:
        return share(name, remote, lambda line: None)
    assert remote.store is not None
    return check(name, remote.store, mend=False)


def _required() -> Remote:
    remote = find_remote()
    if remote is None:
        raise BadInput("no default DVC remote is set", advice="Set one: `graft remote add URL`.")
    if remote.store is None:
        raise BadInput(f"the DVC remote {remote} is of a kind that only DVC reads; folders and s3:// can be checked")
    return remote


def _names() -> list[str]:
    """Return the stages that have run here, and the `.dvc` files of the catalogue's data."""
    catalog = load()
    paths = [entry.data.path for entry in catalog.sources.values()]
    paths += [entry.data.path for entry in catalog.targets.values()]
    files = map(tracking_file, paths)
    return [*locked_stages(), *dict.fromkeys(str(file) for file in files if file is not None)]

"""The registry as people use it: list, show, verify, fetch, promote, roll back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from graft.catalog import nearest
from graft.errors import RegistryError
from graft.registry.claims import claimed
from graft.registry.events import Claimed, Event, Promoted, RolledBack, signature
from graft.registry.fold import State, Version
from graft.registry.log import Log, Saying
from graft.registry.package import Package, check_golden
from graft.registry.references import resolve, split
from graft.registry.shelf import download, keep
from graft.settings import settings
from graft.storage import Store, open_store, probe


@dataclass(frozen=True)
class Verification:
    """What was looked at: `files` had their recorded digests, `golden` samples were predicted as recorded."""

    version: Version
    files: int
    golden: int


class Registry:
    """Models in a store; `cache` holds verified copies of the packages that were used here."""

    def __init__(self, store: Store, cache: Path) -> None:
        self.store, self.cache = store, cache
        self._log, self._probed = Log(store), False

    def names(self) -> tuple[str, ...]:
        """Return the name of every model."""
        return self._log.models()

    def models(self) -> tuple[State, ...]:
        """Return the state of every model, by name."""
        return tuple(self._log.read(name) for name in self._log.models())

    def state(self, name: str) -> State:
        """Return the state of a model; raises RegistryError naming the nearest where there is none."""
        state = self._log.read(name)
        if not state.history:
            known = self._log.models()
            advice = "" if known else "`graft run TARGET` registers its first version."
            raise RegistryError(f"no model '{name}' in the registry; {nearest(name, list(known))}", advice=advice)
        return state

    def read(self, name: str) -> State:
        """Return the state of a model, an empty one where nothing has happened yet."""
        return self._log.read(name)

    def claim(self, model: str, run: str) -> Claimed:
        """Take a model over for a run: from now on nothing that earlier runs say of it by themselves is accepted."""
        return self.append(model, lambda state: claimed(state, run))[1]

    def show(self, reference: str) -> Version:
        """Return the version that NAME, NAME@3, NAME@champion or NAME@challenger means."""
        name, which = split(reference)
        return resolve(self.state(name), which)

    def history(self, name: str) -> tuple[Event, ...]:
        """Return everything that happened to a model, in order."""
        return self.state(split(name)[0]).history

    def package(self, reference: str) -> Package:
        """Return a version's package, verified against the registry's digest."""
        return keep(self.store, self.show(reference), self.cache)

    def fetch(self, reference: str) -> Path:
        """Return the local folder of a version's verified package."""
        return self.package(reference).folder

    def verify(self, reference: str) -> Verification:
        """Read a package from the store itself: digests, loading, golden samples; raises RegistryError otherwise."""
        return self._verified(self.show(reference))

    def promote(self, reference: str, reason: str, force: bool = False, person: str | None = None) -> Promoted:
        """Make a verified version champion by a person's decision; `force` overrules the verdict `hurts`.

        `person` is who decides, where this is not the account that runs it.
        """
        version = self.show(reference)
        _require_reason(reason)
        if person is not None and not person.strip():
            raise RegistryError("a decision by hand needs the name of who decides", advice="It stays in the history.")
        if version.verdict == "hurts" and not force:
            raise RegistryError(
                f"{version.name}: its verdict is 'hurts': it was worse than training from scratch",
                advice="Promote another version, or overrule the verdict with --force and the reason for it.",
            )
        _refuse_champion(self.state(version.model), version)
        self._verified(version)

        def decide(state: State) -> Promoted:
            _refuse_champion(state, version)
            about = {"model": version.model, "version": version.number, "reason": reason, **signature(person)}
            return Promoted(**about, forced=force and version.verdict == "hurts")

        return self.append(version.model, decide)[1]

    def rollback(self, name: str, reason: str) -> RolledBack:
        """Return to the champion before the present one, once its package has been verified."""
        before = self.state(split(name)[0])
        _require_reason(reason)
        if len(before.champions) < 2:
            there = (
                f"{before.model}@{before.champion} is its first champion" if before.champions else "it has no champion"
            )
            raise RegistryError(f"{before.model}: nothing to return to; {there}")
        former, present = before.champions[-2:]
        self._verified(before.version(former))

        def decide(state: State) -> RolledBack:
            if state.champions != before.champions:
                raise RegistryError(
                    f"{state.model}: its champion became {state.model}@{state.champion} in the meantime",
                    advice=f"See `graft models history {state.model}`, then decide again.",
                )
            about = {"model": state.model, "version": former, "reason": reason, **signature()}
            return RolledBack(**about, abandoned=present)

        return self.append(before.model, decide)[1]

    def append(self, model: str, decide: Callable[[State], Saying]) -> tuple[State, Saying]:
        """Add an event; the first of this process finds out whether the store is fit for it."""
        if not self._probed:
            probe(self.store)
            self._probed = True
        return self._log.append(model, decide)

    def _verified(self, version: Version) -> Verification:
        with TemporaryDirectory(prefix="graft-verify-") as folder:
            package = download(self.store, version, Path(folder))
            return Verification(version, len(package.files), check_golden(package))


def open_registry(location: str | None = None) -> Registry:
    """Return the registry in a folder or `s3://BUCKET/PREFIX`, by default that of the settings (`GRAFT_REGISTRY`)."""
    return Registry(open_store(location or settings().registry), settings().work / "packages")


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise RegistryError(
            "a decision by hand needs a reason", advice="Say it with --reason; it stays in the history."
        )


def _refuse_champion(state: State, version: Version) -> None:
    if state.champion == version.number:
        raise RegistryError(f"{version.name} is champion already")

"""The model that is served: loaded and checked before it answers anybody, exchanged when its alias moves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

from graft.errors import GraftError
from graft.registry.fold import Version
from graft.registry.package import Model, Package, check_golden, load
from graft.registry.registry import Registry

AGAIN_SECONDS = 60.0  # a version that did not load is tried again: somebody may have restored its objects

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Held:
    """A version that is ready to answer."""

    version: Version
    package: Package
    model: Model
    since: datetime


@dataclass(frozen=True)
class Rejected:
    """A version that the alias means now, and why it does not answer."""

    version: Version
    reason: str
    tried: float


class Champion:
    """What a reference such as `digits@champion` means, as of the last look into the registry.

    A request holds on to the version that it came to (`held`), so an exchange loses none. `check` runs the golden
    samples of a new version; a server has it done where the network runs, between two batches.
    """

    def __init__(self, registry: Registry, reference: str) -> None:
        self.registry, self.reference = registry, reference
        self.rejected: Rejected | None = None
        self.fault = ""
        """Why the registry could not be read at the last look; empty where it could."""
        version = registry.show(reference)
        self.held = self._load(version, check_golden)

    def look(self, check: Callable[[Package, Model], int] = check_golden) -> bool:
        """Read the registry and take over what the reference means now; return whether the version changed.

        Nothing is raised: the version that answers goes on, and `rejected` or `fault` say why.
        """
        try:
            version = self.registry.show(self.reference)
        except Exception as error:  # noqa: BLE001 - any fault of a store or its network; the model in hand is whole
            self._complain(str(error))
            return False
        self.fault = ""
        if version.digest == self.held.version.digest:
            self.rejected = None
            return False
        if self._refused_lately(version):
            return False
        try:
            self.held = self._load(version, check)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a new version, the old one is not to blame
            reason = str(error) if isinstance(error, GraftError) else f"{type(error).__name__}: {error}"
            self.rejected = Rejected(version, reason, monotonic())
            logger.warning("%s stays: %s cannot take over\n%s", self.held.version.name, version.name, reason)
            return False
        self.rejected = None
        logger.info("%s answers now", version.name)
        return True

    def _load(self, version: Version, check: Callable[[Package, Model], int]) -> Held:
        package = self.registry.package(version.name)
        model = load(package)
        model.network.eval()
        check(package, model)
        return Held(version, package, model, datetime.now(UTC))

    def _refused_lately(self, version: Version) -> bool:
        known = self.rejected
        if known is None or known.version.digest != version.digest:
            return False
        return monotonic() - known.tried < AGAIN_SECONDS

    def _complain(self, fault: str) -> None:
        if fault != self.fault:  # said once, not at every look
            logger.warning("the registry cannot be read: %s", fault)
        self.fault = fault

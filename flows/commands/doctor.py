"""graft doctor."""

from __future__ import annotations

import sys
from dataclasses import asdict

from flows.probes import Finding, examine
from flows.terminal import print_json
from graft.errors import GraftError


def doctor(as_json: bool) -> None:
    """Print what was found, a line each; raises GraftError when there is a fault."""
    found = examine()
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            print(said(finding, sys.stdout.isatty()))
    if faults := [finding for finding in found if finding.level == "fault"]:
        raise GraftError(f"{len(faults)} fault(s): {', '.join(dict.fromkeys(each.about for each in faults))}")


def said(finding: Finding, coloured: bool) -> str:
    """Return a finding as it is printed: level, what it is about, what was found, and what to do."""
    colours = {"ok": "32", "warning": "33", "fault": "31"}
    level = f"{finding.level:8}"
    mark = f"\033[{colours[finding.level]}m{level}\033[0m" if coloured else level
    lines = [f"{mark} {finding.about:12} {finding.what}"]
    if finding.advice:
        lines.append(f"{'':21} {finding.advice}")
    return "\n".join(lines)

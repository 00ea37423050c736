"""Programs that `make tools` unpacks below .cache/tools/, and those on PATH."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Installed:
    """A program, and the folder that it must be started in (None: any)."""

    program: Path
    folder: Path | None = None


def program_of(package: str, program: str) -> Path | None:
    """The program of the unpacked Debian package, or one on PATH, if there is any."""
    folders = [unpacked(package) / "usr" / name for name in ("bin", "sbin")]
    found = shutil.which(program, path=os.pathsep.join(map(str, folders))) or shutil.which(program)
    return Path(found) if found else None


def prometheus() -> Installed | None:
    """Prometheus, if there is one."""
    found = program_of("prometheus", "prometheus")
    return _at_home(found, "prometheus", "share/prometheus/web") if found else None


def alertmanager() -> Installed | None:
    """Alertmanager, as Debian names it or as its makers do, if there is one."""
    package = "prometheus-alertmanager"
    found = program_of(package, package) or program_of(package, "alertmanager")
    return _at_home(found, package, "share/prometheus/alertmanager") if found else None


def unpacked(package: str) -> Path:
    """Where `make tools` unpacks a package."""
    return ROOT / ".cache/tools" / package


def _at_home(found: Path, package: str, data: str) -> Installed:
    """The program in a form that finds its own files.

    Debian's knows only the absolute path of its templates, where nothing is installed. A copy of it
    is told another path of the same length, one that leads to the working directory.
    """
    root = unpacked(package)
    if root not in found.parents:
        return Installed(found)
    copy = root / f"{found.name}-of-the-working-directory"
    if not copy.exists():
        there = f"/usr/{data}".encode()
        here = b"/proc/self/cwd".ljust(len(there), b"/")
        fresh = copy.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(found.read_bytes().replace(there, here))
        fresh.chmod(0o755)
        fresh.rename(copy)
    return Installed(copy, root / "usr" / data)

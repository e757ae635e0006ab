"""How much memory is free, and the refusal of what is too large for it."""

from collections.abc import Iterator
from pathlib import Path

_PROCESSES = Path("/proc")
_CONTROL_GROUP = Path("/sys/fs/cgroup")

_ALWAYS_ALLOWED = 1 << 24
"""Bytes for which nobody asks how much memory is free: batches come often."""


def require_memory(what: str, needed: int, advice: str, most: float | None = None) -> None:
    """Refuse arrays that are too large, before anything is allocated.

    Args:
        what: The arrays, as the message calls them.
        needed: Their bytes.
        advice: What to do instead.
        most: Most bytes, `max_bytes`; half of the free memory where None.

    Raises:
        MemoryError: They are larger.
    """
    if most is None and needed <= _ALWAYS_ALLOWED:
        return
    allowed = free_memory() // 2 if most is None else most
    if needed > allowed:
        limit = "half of the free memory" if most is None else "max_bytes"
        raise MemoryError(
            f"{what} take {shown_bytes(needed)}, more than {limit}, {shown_bytes(allowed)}; "
            f"{advice}"
        )


def free_memory() -> int:
    """Bytes that can be allocated without swapping, within the limits of a container if any."""
    return max(0, min([_available(), *_left_of_groups()]))


def _available() -> int:
    """Of the whole machine."""
    try:
        lines = (_PROCESSES / "meminfo").read_text().splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):  # another system, or an old kernel
        import psutil

        return int(psutil.virtual_memory().available)


def _left_of_groups() -> Iterator[int]:
    """What the control group of this process, and each that it is in, leaves of its limit."""
    try:
        entries = (_PROCESSES / "self/cgroup").read_text().splitlines()
    except OSError:
        entries = ["0::/"]
    for entry in entries:
        _, _, names_and_path = entry.partition(":")
        names, _, path = names_and_path.partition(":")
        if not names:
            yield from _left(
                _CONTROL_GROUP, path, ("memory.max", "memory.current", "inactive_file")
            )
        elif "memory" in names.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _left(_CONTROL_GROUP / "memory", path, files)


def _left(mount: Path, path: str, files: tuple[str, str, str]) -> Iterator[int]:
    limit, used, reclaimable = files
    # In a container the path may be that of the host, of which only the mount itself is there.
    own = mount / path.strip("/")
    for folder in (own, *own.parents):
        if not folder.is_relative_to(mount):
            return
        try:
            left = int((folder / limit).read_text()) - int((folder / used).read_text())
        except (OSError, ValueError):  # no such group, or "max": no limit
            continue
        yield left + _reclaimable(folder, reclaimable)


def _reclaimable(folder: Path, name: str) -> int:
    """Bytes of files read that the kernel drops when memory is asked for."""
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
        return int(dict(line.split(maxsplit=1) for line in lines).get(name, 0))
    except (OSError, ValueError):
        return 0


def shown_bytes(count: float) -> str:
    """Bytes as a person reads them: "12.3 GB" (powers of 1,000)."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"

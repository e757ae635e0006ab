"""How much memory is free."""

from pathlib import Path

import psutil

_CONTROL_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes that can be allocated without swapping, within the limit of a container if any."""
    available = int(psutil.virtual_memory().available)
    try:
        limit = int((_CONTROL_GROUP / "memory.max").read_text())
        used = int((_CONTROL_GROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no control group, or "max": no limit
        return available
    return max(0, min(available, limit - used))


def shown_bytes(count: int) -> str:
    """Bytes as a person reads them: "12.3 GB" (powers of 1,000)."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"

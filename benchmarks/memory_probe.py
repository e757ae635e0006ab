"""When a machine's memory is slow: on shared ones, neighbours take it for some milliseconds.

    python memory_probe.py SECONDS

sums a part of a few megabytes every 4 ms and prints, one a line, how many probes there were, and
then the moments (of `time.perf_counter`) of those that took over four times their median.
"""

from __future__ import annotations

import sys
import time

import numpy as np

EVERY_SECONDS = 0.004
SLOW = 4
PARTS = 8


def main() -> None:
    parts = np.ones((PARTS, 48 << 10))  # 3 MB together
    moments: list[float] = []
    took: list[float] = []
    end = time.perf_counter() + float(sys.argv[1])
    while (moment := time.perf_counter()) < end:
        parts[len(moments) % PARTS].sum()
        took.append(time.perf_counter() - moment)
        moments.append(moment)
        time.sleep(EVERY_SECONDS)
    print(len(moments))
    for slow in np.array(moments)[np.array(took) > SLOW * np.median(took)]:
        print(slow)


if __name__ == "__main__":
    main()

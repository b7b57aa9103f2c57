"""How long a call takes."""

import time

SECONDS = 4


def seconds(work):
    """The least of many calls, in seconds."""
    for _ in range(3):
        work()
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best

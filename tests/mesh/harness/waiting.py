"""Waits for something to become true, with an end. Tests never sleep for a guess."""

import os
import time

SLACK = float(os.environ.get("NM_SLACK", "4"))


def until(check, what, seconds=15.0, every=0.05):
    """Returns the first true answer of check. Fails with what was waited for."""
    end = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds:g} s still not: {what() if callable(what) else what}")
        time.sleep(every)


def within(seconds):
    """A promise in seconds, for a machine that does other things beside. NM_SLACK=1 on a quiet one holds it as it stands."""
    return seconds * SLACK

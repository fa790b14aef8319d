#!/usr/bin/env python3
"""Measures what a notification costs each role: processor time of each actor over a run, divided by how many went through.

    /usr/bin/python3 tests/bench/cost.py [--count 20000] [--actors 1] [--json]

One gateway and N routers and e-mail actors, an SMTP server that takes everything (smtp-sink of postfix), notifications of 300
bytes in batches. Processor time does not depend on how many cores share the work, so docs/scaling.md reckons with it.
"""

import argparse
import json
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/mesh"))
os.environ.setdefault("NM_BUILD", "build/release")

from harness.mesh import Mesh, build_folder, one_of_each, smtp  # noqa: E402
from harness.sink import BulkSink  # noqa: E402
from harness.waiting import until  # noqa: E402
from links import cpu_seconds  # noqa: E402

BATCH = 500


def finished(mesh):
    counts = mesh["gateway-1"].status()["notifications"]
    return counts["sent"] + counts["failed"]


def measure(count, actors):
    sink = BulkSink()
    mesh = Mesh(one_of_each(router=actors, email=actors), providers={"sink": smtp(sink.port)}, build=build_folder(),
                label="cost")
    try:
        mesh.start()
        client = mesh.client()
        before = {name: cpu_seconds(actor.process.pid) for name, actor in mesh.actors.items()}
        began = time.monotonic()
        for first in range(0, count, BATCH):
            items = [{"channel": "email", "recipient": f"u{n}@t.test", "subject": f"number {n}", "content": "x" * 250}
                     for n in range(first, min(first + BATCH, count))]
            answer = client.ask("notifications.batch", {"notifications": items}, seconds=60)
            assert answer.status == 202 and answer.body["rejected"] == 0, answer
        until(lambda: finished(mesh) >= count, "all to be sent", 300, every=0.2)
        took = time.monotonic() - began
        rows = []
        for role in ("gateway", "router", "email"):
            spent = sum(cpu_seconds(actor.process.pid) - before[actor.name] for actor in mesh.of_role(role))
            rows.append({"role": role, "actors": len(mesh.of_role(role)), "us_per_notification": round(spent / count * 1e6, 1)})
        return rows, count / took
    finally:
        mesh.close()
        sink.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20000, help="notifications (%(default)s)")
    parser.add_argument("--actors", type=int, default=1, help="routers, and e-mail actors (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    rows, rate = measure(options.count, options.actors)
    for row in rows + [{"delivered_per_s": round(rate, 1)}]:
        if options.json:
            print(json.dumps(row))
        elif "role" in row:
            print(f"{row['role']:8} {row['us_per_notification']:7.1f} us of a core for a notification")
        else:
            print(f"{rate:.0f} delivered a second")


if __name__ == "__main__":
    main()

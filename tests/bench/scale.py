#!/usr/bin/env python3
"""Measures how deliveries per second grow with the number of e-mail actors, against a provider that takes its time.

    /usr/bin/python3 tests/bench/scale.py [--actors 1,2,4,8] [--delay 0.05] [--concurrency 4] [--seconds 12] [--json]

Each row is a mesh of its own: one gateway, one router, N e-mail actors, and an SMTP server that answers each message
after `delay` seconds. An actor has `concurrency` calls under way at once, so by itself it delivers concurrency / delay
a second; a mesh that shares its work well delivers N times that, until the cores are used up. The rate is taken at the
server, between a tenth and nine tenths of the messages, so neither start nor end count.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/mesh"))
os.environ.setdefault("NM_BUILD", "build/release")

from harness.mesh import Mesh, build_folder, one_of_each, smtp  # noqa: E402
from harness.payload import Payloads  # noqa: E402
from harness.sink import SmtpSink  # noqa: E402
from harness.waiting import until  # noqa: E402

BATCH = 500


def submit(mesh, payloads, count, delay):
    client = mesh.client()
    for first in range(0, count, BATCH):
        items = [payloads.request(n, f"u{n}+slow{delay}@t.test") for n in range(first, min(first + BATCH, count))]
        answer = client.ask("notifications.batch", {"notifications": items}, seconds=60)
        assert answer.status == 202 and answer.body["rejected"] == 0, answer


def measure(actors, options):
    """Deliveries a second, by the server's clock."""
    ideal = actors * options.concurrency / options.delay
    count = int(ideal * options.seconds)
    payloads = Payloads()
    with tempfile.TemporaryDirectory(prefix="nmesh-scale-") as folder:
        sink = SmtpSink(pathlib.Path(folder), keep=False)
        mesh = Mesh(one_of_each(email=actors), providers={"sink": smtp(sink.port)}, build=build_folder(), label="scale",
                    settings={"email": {"concurrency": options.concurrency}})
        try:
            mesh.start()
            submit(mesh, payloads, count, options.delay)
            got = until(lambda: len(lines := sink.got()) >= count and lines, f"{count} messages at the sink",
                        options.seconds * 4 + 60, every=0.5)
            mesh.close()
        finally:
            sink.stop()
    assert sorted(payloads.read(line)[0] for line in got) == list(range(count)), "lost, torn or repeated"
    times = sorted(line["t"] for line in got)
    low, high = count // 10, count * 9 // 10
    return (high - low) / (times[high] - times[low]), ideal


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--actors", default="1,2,4,8", help="numbers of e-mail actors, by commas (%(default)s)")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds that the server takes a message (%(default)s)")
    parser.add_argument("--concurrency", type=int, default=4, help="calls under way of one actor (%(default)s)")
    parser.add_argument("--seconds", type=float, default=12, help="how long each row is to run (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    one = None
    for actors in map(int, options.actors.split(",")):
        rate, ideal = measure(actors, options)
        one = one or rate / actors
        row = {"email_actors": actors, "delivered_per_s": round(rate, 1), "of_linear": round(rate / (one * actors), 3),
               "of_ideal": round(rate / ideal, 3)}
        if options.json:
            print(json.dumps(row), flush=True)
        else:
            print(f"{actors:3} e-mail actors: {rate:8.1f} a second, {row['of_linear']:.2f} of linear, "
                  f"{row['of_ideal']:.2f} of what the provider allows", flush=True)


if __name__ == "__main__":
    main()

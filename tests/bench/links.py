#!/usr/bin/env python3
"""Measures what links cost: memory and CPU of actors in meshes of several sizes that have nothing to do.

    /usr/bin/python3 tests/bench/links.py [--sizes 1,5,10] [--seconds 20] [--json]

A size S is a mesh of S gateways, S routers, S e-mail actors and one for dead letters, all on this machine. Each row
tells, of the middle actor of each role, how many links it has, its own memory (PSS) and the share of a core it takes.
The slopes over the number of links are what docs/scaling.md reckons with.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/mesh"))
os.environ.setdefault("NM_BUILD", "build/release")

from harness.mesh import Mesh, build_folder, one_of_each  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no Pss")


def measure(size, seconds):
    mesh = Mesh(one_of_each(gateway=size, router=size, email=size), build=build_folder(), label="links")
    try:
        mesh.start()
        time.sleep(3)  # Greetings are over
        before = {actor.name: cpu_seconds(actor.process.pid) for actor in mesh.actors.values()}
        time.sleep(seconds)
        rows = []
        for role in ("gateway", "router", "email"):
            actors = mesh.of_role(role)
            links = sum(link["state"] == "up" for link in actors[0].status()["links"])
            rows.append({"size": size, "role": role, "links": links,
                         "pss_mib": round(statistics.median(pss_mib(a.process.pid) for a in actors), 2),
                         "cpu_percent": round(statistics.median(
                             (cpu_seconds(a.process.pid) - before[a.name]) / seconds * 100 for a in actors), 3)})
        return rows
    finally:
        mesh.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1,5,10", help="sizes by commas (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="how long each is watched (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    for size in map(int, options.sizes.split(",")):
        for row in measure(size, options.seconds):
            if options.json:
                print(json.dumps(row), flush=True)
            else:
                print(f"size {row['size']:3}: {row['role']:8} {row['links']:4} links, {row['pss_mib']:6.1f} MiB, "
                      f"{row['cpu_percent']:.2f} % of a core", flush=True)


if __name__ == "__main__":
    main()

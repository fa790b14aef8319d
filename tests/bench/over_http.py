#!/usr/bin/env python3
"""Measures HTTP through a bridge: durable POSTs and GETs per second under wrk, latency at a steady rate, and what resting
connections cost.

    /usr/bin/python3 tests/bench/over_http.py [--seconds 5] [--connections 64] [--rate 200] [--resting 10000] [--json]

One actor of each role on this machine, with the sandbox as provider; wrk (package wrk) shares the cores with them. Beside
each rate stands the processor time that a request took of each actor: that does not depend on what else runs here.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/mesh"))
os.environ.setdefault("NM_BUILD", "build/release")

from harness.mesh import Mesh, build_folder, one_of_each  # noqa: E402
from harness.waiting import until  # noqa: E402
from links import cpu_seconds  # noqa: E402

BODY = {"channel": "email", "recipient": "someone@example.test", "subject": "Your order has shipped",
        "content": "Hello there. " * 16}
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def wrk(mesh, web, path, lua, options):
    """Requests per second, latencies in ms, answers other than 2xx, and what each role spent on one."""
    script = mesh.folder / "wrk.lua"
    script.write_text(f'wrk.headers["X-API-Key"] = "{web.key}"\n{lua}', encoding="utf-8")
    before = {actor.name: cpu_seconds(actor.process.pid) for actor in mesh.actors.values()}
    text = subprocess.run(["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency", "-s", script,
                           f"http://{web.host}:{web.port}{path}"], check=True, capture_output=True, text=True).stdout
    total = int(re.search(r"(\d+) requests in", text).group(1))
    found = {"per_second": float(re.search(r"Requests/sec: +([\d.]+)", text).group(1))}
    for percent in (50, 99):
        value, unit = re.search(rf"{percent}% +([\d.]+)(us|ms|s)", text).groups()
        found[f"p{percent}_ms"] = round(float(value) * UNITS[unit], 2)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    found["refused"] = int(refused.group(1)) if refused else 0
    found["us_each"] = {actor.role: round((cpu_seconds(actor.process.pid) - before[actor.name]) / total * 1e6, 1)
                        for actor in mesh.actors.values()}
    return found


def steady(web, rate, seconds):
    """Latency of POSTs that begin at fixed times, whether those before were answered or not."""
    took, lock, workers = [], threading.Lock(), 8
    begin = time.monotonic() + 0.2

    def run(worker):
        client = web.as_key(web.key)
        client.post("/v1/notifications", BODY)
        for n in range(worker, int(rate * seconds), workers):
            due = begin + n / rate
            time.sleep(max(0, due - time.monotonic()))
            assert client.post("/v1/notifications", BODY).status == 202
            with lock:
                took.append((time.monotonic() - due) * 1000)
        client.close()
    threads = [threading.Thread(target=run, args=(worker,)) for worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took.sort()
    return {"rate": rate, "p50_ms": round(took[len(took) // 2], 2), "p99_ms": round(took[len(took) * 99 // 100], 2)}


def proportional_size(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(re.search(r"^Pss: +(\d+)", text, re.M).group(1)) / 1024


def resting(mesh, web, count):
    """Memory of the bridge with so many connections that have had an answer and keep still."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 500, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    pid = mesh["bridge-1"].process.pid
    before = proportional_size(pid)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((web.host, web.port), 10))
            connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 404")
        time.sleep(3)
        with_all = proportional_size(pid)
        there = mesh["bridge-1"].status()["connections"]
    return {"connections": there, "mib_before": round(before, 1), "mib": round(with_all, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--resting", type=int, default=10000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("over_http.py: wrk is not installed (tools/setup)")
    mesh = Mesh(one_of_each(bridge=1), build=build_folder(), label="http",
                providers={"sandbox": {"kind": "sandbox", "channels": "email", "priority": 10}})
    try:
        mesh.start()
        web = mesh.web()
        until(lambda: web.post("/v1/notifications", BODY).status == 202, "the first one to be taken")
        one = web.send(BODY)
        found = {"resting": resting(mesh, web, options.resting),
                 "steady": steady(web, options.rate, options.seconds),
                 "get": wrk(mesh, web, f"/v1/notifications/{one}", "", options),
                 "post": wrk(mesh, web, "/v1/notifications", 'wrk.method = "POST"\nwrk.headers["Content-Type"] = '
                             f"\"application/json\"\nwrk.body = '{json.dumps(BODY)}'\n", options)}
    finally:
        mesh.close()
    if options.json:
        print(json.dumps(found))
        return
    for name, row in found.items():
        print(f"{name:8} " + "  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()

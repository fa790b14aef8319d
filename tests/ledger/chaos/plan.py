"""What the processes of a run share: its folder, and run.json in it, written once before they start."""

import json
import pathlib
import subprocess
import sys

from harness.load import Door
from harness.payload import Payloads

TESTS = pathlib.Path(__file__).resolve().parents[2]


class Run:
    """A folder with one history of each observer. Who reads them needs no process of the mesh, only these files."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.load, self.sink = self.folder / "load.jsonl", self.folder / "sink.jsonl"
        self.status, self.samples = self.folder / "status.jsonl", self.folder / "samples.jsonl"
        self.nemesis = self.folder / "nemesis.jsonl"

    def write(self, plan):
        (self.folder / "run.json").write_text(json.dumps(plan, indent=1), encoding="ascii")

    def read(self):
        self.plan = json.loads((self.folder / "run.json").read_text(encoding="ascii"))
        self.payloads = Payloads(bytes.fromhex(self.plan["secret"]))
        self.tenants = self.plan["tenants"]
        self.doors = [Door(name, endpoint, key.encode()) for name, endpoint, key in self.plan["doors"]]
        return self

    def recipient(self, n):
        """Tenants take turns, and some recipients have a script for the sink, so that faults meet calls of every kind."""
        tenant = list(self.tenants)[n % len(self.tenants)]
        script = next((script for every, script in SCRIPTS if n % every == every - 1), "")
        return f"u{n}{script}@{tenant}.test"


SCRIPTS = ((101, "+550"), (67, "+hidden"), (59, "+garbage"), (37, "+slow0.3"), (29, "+broken"), (11, "+451x1"))


def spawn(module, *arguments):
    """A process of the harness beside this one, told by its standard input; it has said that it is ready."""
    process = subprocess.Popen([sys.executable, "-m", module, *map(str, arguments)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, cwd=TESTS / "ledger",
                               env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": f"{TESTS / 'mesh'}:{TESTS / 'ledger'}"})
    assert process.stdout.readline() == "ready\n", f"{module} did not start"
    return process

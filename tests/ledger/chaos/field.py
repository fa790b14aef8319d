"""The field: hosts, a mesh on them, the sink, and the observers, for as long as a run takes.

    with Field(folder, roles, seed=7) as field:
        field.start_load()
        ... hurt field.mesh and field.hosts; field.sleep() looks after the actors meanwhile ...
        field.finish()              # no more load; drained; checked
        print(field.line)

Files stay in the folder if something was wrong, and go otherwise.
"""

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

from harness.client import NoAnswer
from harness.history import History
from harness.hosts import Hosts
from harness.mesh import Mesh, smtp
from harness.sink import SmtpSink
from harness.waiting import until

from chaos.plan import TESTS, Run, spawn

SETTINGS = {"email": {"retries": 200, "retry_delays": "200ms 400ms 800ms", "breaker_open": "1s",
                      "concurrency": 32},
            "store": {"quota": "1G", "reserve": "8M"}}
CALL_MS = 5000          # How long an e-mail actor waits for the sink


class Field:
    def __init__(self, folder, roles, *, seed, build, place=None, hosts=("a", "b", "c"), per_second=60, limit=None,
                 tenants=("alpha", "beta"), later=(), kinds=(), drain_seconds=30, patience=60, settings=None,
                 form=2, apart=True):
        """place: actor's name -> name of a host. later: actors that are not started with the rest.
        form: of the certificates (mesh.py). apart: each tenant has a service; else all are the admin's."""
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="nmesh-ledger-"))
        self.run, self.seed, self.build = Run(self.folder), seed, pathlib.Path(build)
        self.form, self.apart = form, apart
        self.roles, self.place, self.later, self.kinds = roles, place or spread(hosts), set(later), kinds
        self.host_names, self.tenant_names = list(hosts), tenants
        self.per_second, self.limit, self.patience = per_second, limit, patience
        self.drain_seconds, self.settings = drain_seconds, {**SETTINGS, **(settings or {})}
        self.names = [f"{role}-{number}" for role, count in roles.items() for number in range(1, count + 1)]
        self.hosts_missing = Hosts.missing() if hosts else "the run is on loopback"
        self.mounts, self.expected, self.observers = [], {}, {}
        self.hosts = self.sink = self.mesh = self.line = None
        self.round, self.faults = 0, []

    # -- Made and taken down

    def __enter__(self):
        try:
            return self.make()
        except BaseException:
            self.faults.append("it could not be made")
            self.close()
            raise

    def __exit__(self, kind, error, trace):
        if kind:
            self.faults.append(f"{kind.__name__}: {error}")
        self.close()

    def make(self):
        self.history = History(self.run.nemesis)
        if not self.hosts_missing:
            self.hosts = Hosts(*self.host_names, "sink")
        at = self.hosts["sink"] if self.hosts else None
        self.sink = SmtpSink(self.folder, "sink", keep=False, host=at)
        provider = smtp(self.sink.port, host=self.sink.address, timeout_ms=CALL_MS, connect_timeout_ms=2000)
        self.mesh = Mesh(self.roles, providers={"sink": provider}, settings=self.settings, build=self.build,
                         folder=self.folder / "mesh", place=self.host_of, told=self.told, form=self.form)
        for kind in self.kinds:
            kind.prepare(self)
        for actor in self.actors():
            actor.start(wait=False)
        for actor in self.actors():
            actor.wait_ready()
        self.write_plan()
        return self

    def host_of(self, name):
        return self.hosts[self.place(name)] if self.hosts else None

    def told(self, actor, what, number):
        self.history.write(what=what, actor=actor.name, **{"pid" if what == "start" else "code": number})

    def write_plan(self):
        doors = self.mesh.doors()
        owned = self.knows_owners(doors)
        tenants, shared = self.make_tenants(doors) if self.apart else ({}, True)
        if owned and not shared:    # A gateway is handed requests of services that it does not know
            print("SKIPPED: I5, isolation of tenants: gateways share keys, and no services; all are the admin's", flush=True)
            self.apart = False
        if not self.apart:
            keys = {door.name: self.mesh.admin_key for door in doors}
            tenants = {name: keys for name in self.tenant_names}
        actors = {name: {"role": actor.role, "number": actor.entry.get("number"), "desk": actor.entry["desk"],
                         "key": self.mesh.certificates[name].public.decode()} for name, actor in self.mesh.actors.items()}
        operator = self.mesh.operator_certificate
        self.run.write({"seed": self.seed, "secret": secrets.token_hex(32), "per_second": self.per_second,
                        "limit": self.limit, "roam": owned, "isolated": self.apart, "patience": self.patience,
                        "drain_seconds": self.drain_seconds, "tenants": tenants,
                        "doors": [(door.name, door.endpoint, door.server_key.decode()) for door in doors],
                        "actors": actors, "operator": (operator.public.decode(), operator.secret.decode())})
        self.run.read()

    def make_tenants(self, doors):
        """A service of each name, and whether one key opens all doors: else it has a service at each gateway."""
        tenants, shared = {}, True
        for name in self.tenant_names:
            keys = {}
            for door in doors:
                first = next(iter(keys.values()), None)
                if first and self.opens(door, first):
                    keys[door.name] = first
                else:
                    shared = shared and not keys
                    keys[door.name] = self.make_key(door, name)
            tenants[name] = keys
        return tenants, shared

    def make_key(self, door, name):
        admin = self.mesh.client(gateway=door.name)
        service = admin.ask("services.create", {"name": name})
        assert service.status == 201, service
        key = admin.ask("keys.create", {"service_id": service.body["id"], "name": "ledger"})
        assert key.status == 201, key
        return key.body["key"]

    def opens(self, door, key):
        """Followers of a book hear of a key within a moment."""
        client = self.mesh.client(key, gateway=door.name)
        end = time.monotonic() + 3
        while client.ask("notifications.list", {}).status != 200:
            if time.monotonic() > end:
                return False
            time.sleep(0.2)
        return True

    def knows_owners(self, doors):
        """Whether gateways hand a keyed request to the one that owns its key; those that do tell their doors."""
        return all(self.mesh.client(gateway=door.name).ask("doors", {}).status == 200 for door in doors)

    def close(self):
        for process in self.observers.values():
            with contextlib.suppress(BrokenPipeError):  # It has ended by itself: that is a fault, and told as one
                process.stdin.close()
        for process in self.observers.values():
            try:
                process.wait(1 if self.faults else self.patience + 10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.observers = {}
        if self.mesh:
            try:
                self.mesh.close(failed=bool(self.faults))
            except AssertionError as error:
                self.faults.append(str(error))
        if self.sink:
            self.sink.stop()
        if self.hosts:
            self.hosts.close()
        for folder in self.mounts:
            self.keep_mounted(folder)
            subprocess.run(["umount", "-l", folder], check=False)
        if self.faults:
            print(f"files are kept in {self.folder}", flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def keep_mounted(self, folder):
        """What lies on a disk that goes is copied beside it if it is wanted."""
        if self.faults:
            (folder / "filler").unlink(missing_ok=True)
            shutil.copytree(folder, folder.with_name(f"{folder.name}.kept"), dirs_exist_ok=True)

    # -- The actors

    def actors(self):
        return [actor for actor in self.mesh.actors.values() if actor.name not in self.later]

    def by_role(self):
        found = {}
        for name in self.names:
            found.setdefault(name.rsplit("-", 1)[0], []).append(name)
        return found

    def expect(self, actor, *codes):
        """With which codes it may end by itself from now on, besides those it was made to end with."""
        self.supervise_one(actor)   # An end of a moment ago goes by the codes of before
        self.expected[actor.name] = set(codes)

    def bring_back(self, actor, wait=True):
        """Runs again, whatever became of it."""
        self.supervise_one(actor, restart=False)
        if not actor.running():
            actor.start(wait=wait)

    def sleep(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.supervise()
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))

    def supervise(self):
        """As a supervisor does: who ended without a reason is started again, and that is written down."""
        for actor in self.actors():
            self.supervise_one(actor)

    def supervise_one(self, actor, restart=True):
        code = actor.notice_end()
        if code is None:
            return
        actor.expected_exits.add(code)
        if code not in self.expected.get(actor.name, ()):
            self.history.write(what="unexpected", actor=actor.name, code=code)
            if restart:
                actor.start(wait=False)

    def ends_within(self, actor, seconds):
        end = time.monotonic() + seconds
        while actor.running() and time.monotonic() < end:
            time.sleep(0.05)
        self.supervise_one(actor, restart=False)
        return not actor.running()

    def join(self, *names):
        """Those that were to come later. Returns when they have met everybody."""
        self.later -= set(names)
        for name in names:
            self.mesh[name].start()
        for name in names:
            until(lambda: self.has_met_all(name), lambda: f"{name} to meet everybody: {self.links(name)}")

    def links(self, name):
        """Whom an actor writes to, and how it is with each; None if it does not say."""
        status = self.status(name)
        return status and {link["peer"]: link["state"] for link in status["links"] if link["peer"] not in self.later}

    def has_met_all(self, name):
        return set((self.links(name) or {"it": "is silent"}).values()) == {"up"}

    def leave(self, *names):
        """For good: whoever is asked for from now on, it is not they."""
        for name in names:
            self.mesh[name].kill()
            self.later.add(name)
            shutil.rmtree(self.mesh[name].store)

    # -- The observers

    def start_load(self):
        for name in ("load", "watch"):
            self.observers[name] = spawn(f"chaos.{name}", self.folder)

    def accepted(self):
        """How many have been accepted by now."""
        return self.run.load.read_bytes().count(b'"what": "ok"') if self.run.load.exists() else 0

    def finish_load(self):
        load = self.observers["load"]
        load.stdin.write("finish\n")
        load.stdin.flush()
        said = json.loads(load.stdout.readline())
        self.history.write(what="load", **said)
        if said["failure"]:
            self.faults.append(said["failure"])
        return said

    def drain(self, seconds=120):
        watch = self.observers["watch"]
        watch.stdin.write(f"drain {seconds} {' '.join(self.later)}\n")
        watch.stdin.flush()
        said = json.loads(watch.stdout.readline())
        self.history.write(what="drained", **said)
        return said

    def check(self):
        """A process of its own, as somebody would run it who was not there. The line that it ends with."""
        done = subprocess.run([sys.executable, "-m", "chaos.check", str(self.folder)], cwd=TESTS / "ledger", text=True,
                              capture_output=True, check=False,
                              env={**os.environ, "PYTHONPATH": f"{TESTS / 'mesh'}:{TESTS / 'ledger'}"})
        assert done.stdout, f"the check ended with {done.returncode}: {done.stderr}"
        *faults, self.line = done.stdout.splitlines()
        if done.returncode:
            self.faults += faults or [self.line]
        self.figures = json.loads((self.folder / "report.json").read_text(encoding="ascii"))
        return self.line

    def finish(self):
        self.finish_load()
        self.drain()
        return self.check()

    def status(self, name, seconds=0.3):
        """An actor's own words, or None if it does not answer."""
        try:
            return self.mesh.operator(name).ask("status", seconds=seconds).body
        except NoAnswer:
            self.mesh.forget_operator(name)
            return None


def spread(hosts):
    """Actors of a role go round the hosts; the dead letters stand on the last."""
    def place(name):
        role, _, number = name.rpartition("-")
        return hosts[-1] if role == "deadletter" else hosts[(int(number) - 1) % len(hosts)]
    return place

"""A mesh of real processes for one test or one module: made, started, killed and stopped one by one, by pid."""

import contextlib
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

from harness import zpl
from harness.certs import Authority, blake2b
from harness.client import Asker, Client, NoAnswer, gateway_of
from harness.load import Door
from harness.ports import free_ports
from harness.waiting import until
from harness.web import Web

ROOT = pathlib.Path(__file__).resolve().parents[3]
ADMIN_SERVICE = "00000000-0000-4000-8000-000000000001"
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Sanitizer:|==\d+==")
STOP_SECONDS = 20


def build_folder(kind="NM_BUILD", otherwise="build/asan"):
    return ROOT / os.environ.get(kind, otherwise)


def fast_build():
    """Where rounds count: the released build if there is one."""
    folder = build_folder("NM_BUILD_FAST", "build/release")
    return folder if (folder / "tools/nctl/nctl").exists() and not os.environ.get("NM_ONE_BUILD") else build_folder()


def one_of_each(**more):
    return {"gateway": 1, "user": 1, "router": 1, "email": 1, "deadletter": 1, **more}


class Actor:
    """One process of the mesh, and everything about it that outlives it."""

    def __init__(self, mesh, name, role, entry, host=None, folder=None):
        self.mesh, self.name, self.role, self.entry, self.host = mesh, name, role, entry, host
        self.folder = folder or mesh.folder
        self.build = mesh.build     # Whose program it runs: an upgrade changes it
        self.process = None
        self.starts = 0
        self.exit_codes = []
        self.log_path = mesh.folder / "logs" / f"{name}.log"
        self.expected_exits = set()

    @property
    def store(self):
        return self.folder / "stores" / self.name

    def command(self):
        return [*(self.host.enter() if self.host else []),
                str(self.build / "actors" / self.role / f"nmesh-{self.role}"),
                "--mesh", str(self.folder), "--name", self.name]

    def start(self, env=None, wait=True, wrap=None):
        assert not self.running(), f"{self.name} runs already"
        self.notice_end()
        self.starts += 1
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen((wrap or self.mesh.wrap) + self.command(), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**self.mesh.env, **(env or {})})
        self.mesh.told(self, "start", self.process.pid)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds * self.mesh.slowness
        while True:
            assert self.running(), f"{self.name} ended with {self.process.returncode} instead of starting:\n{self.log()[-3000:]}"
            try:
                self.mesh.operator(self.name).ask("status", seconds=0.5)
                return self
            except NoAnswer:
                self.mesh.forget_operator(self.name)
            assert time.monotonic() < end, f"{self.name} did not answer within {seconds} s:\n{self.log()[-3000:]}"

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.expected_exits.add(-signal.SIGKILL)
        self.ended()

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self):
        """Asks it to end, as an operator does. Returns the exit code."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGCONT)
        return self.wait_end(STOP_SECONDS * self.mesh.slowness)

    def wait_end(self, seconds=30):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            tail = self.log()[-2000:]
            self.kill()
            raise AssertionError(f"{self.name} did not end within {seconds:g} s:\n{tail}") from None
        self.ended()
        return code

    def notice_end(self):
        """An end that nobody asked for and nobody has waited for yet: its exit code, else None."""
        if self.process is None or self.process.poll() is None or len(self.exit_codes) >= self.starts:
            return None
        self.ended()
        return self.process.returncode

    def ended(self):
        self.exit_codes.append(self.process.returncode)
        self.mesh.told(self, "exit", self.process.returncode)
        self.mesh.forget_operator(self.name)

    def restart(self, **more):
        if self.running():
            self.stop()
        return self.start(**more)

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def events(self, event=None):
        """Its log lines as dicts; lines that are not ours (sanitizers) are left out."""
        found = []
        for line in self.log().splitlines():
            start = line.find("{")
            if start < 0:
                continue
            try:
                entry = json.loads(line[start:])
            except ValueError:
                continue
            if event is None or entry.get("event") == event:
                found.append(entry)
        return found

    def wait_log(self, pattern, seconds=10):
        return until(lambda: re.search(pattern, self.log()), f"{pattern!r} in the log of {self.name}", seconds)

    def status(self):
        answer = self.mesh.operator(self.name).ask("status", seconds=10)
        assert answer.status == 200, answer
        return answer.body


class Mesh:
    """settings: parts of the mesh file beside actors, as dicts; what is in its mesh part comes on top.
    place: actor's name -> the Host (hosts.py) where it runs; all on loopback without it.
    told: called with (actor, "start" or "exit", pid or exit code).
    form: of the certificates; programs up to 0.1.0 know form 1."""

    def __init__(self, roles=None, *, providers=None, settings=None, build=None, folder=None, wrap=None, label="mesh",
                 place=None, told=None, seeds=(), form=2):
        self.build = pathlib.Path(build or build_folder())
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix=f"nmesh-{label}-"))
        self.keep = bool(folder)
        self.place = place or (lambda name: None)
        self.told = told or (lambda actor, what, number: None)
        self.wrap = list(wrap or [])
        self.slowness = 10 if self.wrap else 1
        self.env = {**os.environ, "ASAN_OPTIONS": "verify_asan_link_order=0:allocator_may_return_null=1:log_path=stderr",
                    "UBSAN_OPTIONS": "print_stacktrace=1",
                    "TSAN_OPTIONS": f"suppressions={ROOT / 'tests/tsan.supp'}:second_deadlock_stack=1"}
        self.authority = Authority()
        self.admin_secret = secrets.token_hex(16)
        self.admin_key = ADMIN_SERVICE.replace("-", "") + "-" + self.admin_secret
        self.settings = {"providers": providers or {"maildir": maildir()}, **(settings or {})}
        self.readers = {}
        self.actors, self.operators, self.clients, self.certificates = {}, {}, [], {}
        self.services = {}
        self.seeds, self.form = set(seeds), form
        self.write(roles or one_of_each())

    # -- Making it

    def write(self, roles):
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        (self.folder / "stores").mkdir(mode=0o700, exist_ok=True)
        os.chmod(self.folder, 0o700)
        self.write_store_key()
        for role, count in roles.items():
            for number in range(1, count + 1):
                self.add_actor(f"{role}-{number}", role, number)
        self.operator_certificate = self.authority.certify("operator", "operator", form=self.form)
        self.operator_certificate.save(self.folder)
        self.write_mesh_file()

    def write_store_key(self):
        path = self.folder / "store.key"
        path.write_text(f"1 {secrets.token_hex(32)}\n", encoding="ascii")
        os.chmod(path, 0o600)

    def write_authority(self):
        """For nctl, when it is to sign."""
        path = self.folder / "authority.key"
        path.write_text(f"{self.authority.secret.hex()}\n", encoding="ascii")
        os.chmod(path, 0o600)

    def add_actor(self, name, role, number=1):
        entry = self.make_entry(name, role, number)
        self.certificates[name] = self.authority.certify(name, role, form=self.form)
        self.certificates[name].save(self.folder)
        self.actors[name] = Actor(self, name, role, entry, self.place(name))
        return self.actors[name]

    def make_entry(self, name, role, number=1):
        host = self.place(name)
        ports = host.free_ports(4) if host else free_ports(4)
        address = host.address if host else "127.0.0.1"
        entry = {"role": role}
        if role == "gateway":
            entry["number"] = number
        entry["mailbox"] = f"tcp://{address}:{ports[0]}"
        entry["desk"] = f"tcp://{address}:{ports[1]}"
        if role == "gateway":
            entry["door"] = f"tcp://{address}:{ports[2]}"
        if role == "bridge":
            entry["http"] = f"tcp://{address}:0"
        if name in self.seeds:
            entry["lobby"] = f"tcp://{address}:{ports[3]}"
        return entry

    def newcomer(self, name, role, number=1, certificate=None):
        """An actor that the mesh file does not have, in a folder of its own as on another machine: it has the mesh file,
        the certificates of the seeds, and its own key, certificate and entry."""
        folder = self.folder / "elsewhere" / name
        (folder / "actors").mkdir(parents=True)
        (folder / "stores").mkdir(mode=0o700)
        shutil.copy(self.folder / "mesh.zpl", folder)
        shutil.copy(self.folder / "store.key", folder)
        entry = self.make_entry(name, role, number)
        (folder / "actors" / f"{name}.zpl").write_text(zpl.dump(entry), encoding="utf-8")
        self.certificates[name] = certificate or self.authority.certify(name, role)
        self.certificates[name].save(folder)
        self.operator_certificate.save(folder, with_key=False)
        for seed in self.seeds:
            self.certificates[seed].save(folder, with_key=False)
        self.actors[name] = Actor(self, name, role, entry, self.place(name), folder)
        return self.actors[name]

    def write_mesh_file(self):
        tree = {"mesh": {"name": "test", "authority": self.authority.public.hex(),
                         "admin_key_hash": blake2b(self.admin_secret.encode()).hex(), "public_domain": "mesh.test",
                         **self.settings.get("mesh", {})},
                "actors": {name: actor.entry for name, actor in self.actors.items() if actor.folder == self.folder},
                **{part: value for part, value in self.settings.items() if part != "mesh"}}
        (self.folder / "mesh.zpl").write_text(zpl.dump(tree), encoding="utf-8")

    # -- Running it

    def __getitem__(self, name):
        return self.actors[name]

    def start(self):
        for actor in self.actors.values():
            actor.start(wait=False)
        for actor in self.actors.values():
            actor.wait_ready()
        return self.settle()

    def settle(self):
        """Until each gateway has heard of all who run: what it passes on to one that it has not heard of is 503."""
        def missing():
            found = {}
            for actor in running:
                if actor.role == "gateway":
                    with contextlib.closing(self.client(None, actor.name)) as client:
                        roles = client.ask("health.ready", {}).body.get("roles", {})
                    found.update({(actor.name, role): seen for role, seen in roles.items()
                                  if seen["alive"] < sum(one.role == role for one in running)})
            return found
        running = [actor for actor in self.actors.values() if actor.running()]
        until(lambda: not missing(), lambda: f"the gateways hear all who run: {missing()}", 20 * self.slowness)
        return self

    def of_role(self, *roles):
        return [actor for actor in self.actors.values() if actor.role in roles]

    def client(self, api_key="admin", gateway="gateway-1", **more):
        key = self.admin_key if api_key == "admin" else api_key
        client = Client(self.actors[gateway].entry["door"], self.certificates[gateway].public, key, **more)
        self.clients.append(client)
        return client

    def web(self, api_key="admin", bridge="bridge-1", **more):
        """A client over HTTP."""
        key = self.admin_key if api_key == "admin" else api_key
        client = Web(self.actors[bridge].status()["http"], key, **more)
        self.clients.append(client)
        return client

    def doors(self):
        return [Door(actor.name, actor.entry["door"], self.certificates[actor.name].public)
                for actor in self.of_role("gateway")]

    def get_many(self, notifications):
        """The records of an admin, each from the gateway that owns it: id -> Answer."""
        names = {actor.entry["number"]: actor.name for actor in self.of_role("gateway")}
        mine = {}
        for one in notifications:
            mine.setdefault(names[gateway_of(one)], []).append(one)
        found = {}
        for name, ids in mine.items():
            if name not in self.readers:
                self.readers[name] = self.client(gateway=name)
            found.update(self.readers[name].get_many(ids))
        return found

    def asker(self, actor, certificate=None, place="desk", **more):
        """Asks at a desk as whoever the certificate names."""
        certificate = certificate or self.operator_certificate
        asker = Asker(self.actors[actor].entry[place], self.certificates[actor].public,
                      pair=(certificate.public, certificate.secret), **more)
        self.clients.append(asker)
        return asker

    def operator(self, actor):
        if actor not in self.operators:
            self.operators[actor] = self.asker(actor)
        return self.operators[actor]

    def forget_operator(self, actor):
        if actor in self.operators:
            self.operators.pop(actor).close()

    def service(self, name="tenant", scopes=None):
        """An API key of a tenant of that name, made at the first call."""
        admin = self.client()
        if name not in self.services:
            answer = admin.ask("services.create", {"name": name})
            assert answer.status == 201, answer
            self.services[name] = answer.body["id"]
        answer = admin.ask("keys.create", {"service_id": self.services[name], "name": "test",
                                           **({"scopes": scopes} if scopes else {})})
        assert answer.status == 201, answer
        for gateway in self.of_role("gateway"):
            if gateway.running() and len(self.of_role("gateway")) > 1:
                self.wait_key(gateway, self.services[name], answer.body["key_id"])
        return answer.body["key"]

    def wait_key(self, gateway, service, key):
        """Until a gateway knows a key; trying the key itself would be guessing, and locked out."""
        with contextlib.closing(self.client(gateway=gateway.name)) as admin:
            until(lambda: key in {item["key_id"] for item in admin.ask("keys.list", {"service_id": service}).body
                                  .get("items", [])}, f"{gateway.name} to know the key", 15 * self.slowness)

    def nctl(self, *arguments, code=0, text=None):
        done = subprocess.run([str(self.build / "tools/nctl/nctl"), *map(str, arguments)], input=text, text=True,
                              capture_output=True, timeout=120, env={**self.env, "NMESH_DIR": str(self.folder)},
                              check=False)
        assert code is None or done.returncode == code, \
            f"nctl {' '.join(map(str, arguments))} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    # -- Ending it

    def close(self, failed=False):
        """Stops all, looks at what they left behind, and removes the files unless something was wrong."""
        faults = []
        for actor in self.actors.values():
            actor.notice_end()
            if actor.running():
                try:
                    code = actor.stop()
                    if code != 0:
                        faults.append(f"{actor.name} ended with {code} when it was asked to stop")
                except AssertionError as error:
                    faults.append(str(error))
        for client in self.clients:
            client.close()
        for actor in self.actors.values():
            found = SANITIZER.search(actor.log())
            if found:
                at = max(0, found.start() - 200)
                faults.append(f"the log of {actor.name} has:\n{actor.log()[at:at + 4000]}")
            for code in actor.exit_codes:
                if code not in {0, *actor.expected_exits}:
                    faults.append(f"{actor.name} once ended with {code}")
        if not (failed or faults or self.keep):
            shutil.rmtree(self.folder, ignore_errors=True)
        elif failed or faults:
            print(f"files are kept in {self.folder}")
        assert not faults, "\n".join(faults)


def maildir(**more):
    return {"kind": "maildir", "channels": "email", "priority": 10, "path": "maildir", **more}


def smtp(port, **more):
    return {"kind": "smtp", "channels": "email", "priority": 10, "host": "127.0.0.1", "port": port, "tls": "none",
            "from": "mesh@sender.test", **more}

"""ledger-watch: a process of its own that looks at the mesh through its public doors and at its processes from outside.

    python3 -m chaos.watch FOLDER

Each second it polls some of the accepted notifications in their tenant's name, tries to read some in another's, and asks
every actor for its status. Who does not answer in time says nothing: that is no fault while the mesh is being hurt.
`drain N NAME...` on its standard input lets it wait up to N seconds until everything accepted is final and nothing is
under way any more at anybody but these; then it writes down all final records and says one line of JSON. It ends with
its standard input.
"""

import json
import os
import random
import select
import sys
import time

from harness.client import FINAL, Asker, Client, gateway_of
from harness.history import History, Reader
from harness.payload import tenant_of

from chaos.plan import Run

EVERY = 1.0             # Seconds between two looks
POLLED, PROBED = 30, 4  # Of the accepted ones, each look


class Crowd:
    """Askers by name; what is posted to all of them is collected together, for so long and no longer."""

    def __init__(self):
        self.askers, self.posted = {}, []

    def post(self, name, make, what, asks):
        if name not in self.askers:
            self.askers[name] = make()
        asker = self.askers[name]
        self.posted += [(name, ask, one) for ask, one in zip(asker.post(asks), what)]

    def collect(self, seconds):
        """(what, Answer) of those that answered; who said nothing is asked over a new connection next time."""
        end = time.monotonic() + seconds
        open_ = {(name, ask): what for name, ask, what in self.posted}
        silent = {name for name, _, _ in self.posted}
        self.posted = []
        while open_ and time.monotonic() < end:
            for name in {name for name, _ in open_}:
                for ask, answer in self.askers[name].hear():
                    silent.discard(name)
                    if (name, ask) in open_:
                        yield open_.pop((name, ask)), answer
            time.sleep(0.005)
        for name in silent:
            self.askers.pop(name).close()


class Watch:
    def __init__(self, run):
        self.run = run
        self.status, self.samples = History(run.status), History(run.samples)
        self.load = Reader(run.load)
        self.recipients, self.ids, self.open = {}, {}, {}
        self.crowd, self.actors = Crowd(), Crowd()
        self.doors = {run.plan["actors"][door.name]["number"]: door for door in run.doors}
        self.dice = random.Random(run.plan["seed"])

    def follow(self):
        for line in self.load.news():
            if line["what"] == "invoke":
                self.recipients[line["n"]] = line["recipient"]
            elif line["what"] == "ok":
                self.ids[line["id"]] = self.open[line["id"]] = line["n"]

    def tenant(self, one):
        return tenant_of(self.recipients[self.ids[one]])

    # -- A look

    def look(self):
        self.follow()
        for one in self.some(self.open, POLLED) + self.some(self.ids, POLLED // 3):
            self.ask_for(one, self.tenant(one), "poll")
        for one in self.some(self.ids, PROBED if self.run.plan["isolated"] else 0):
            others = [tenant for tenant in self.run.tenants if tenant != self.tenant(one)]
            self.ask_for(one, self.dice.choice(others), "probe")
        lines = []
        for (what, one), answer in self.crowd.collect(0.7):
            lines.append(self.line(what, one, answer))
        self.status.write_all(lines)
        self.sample(0.5)

    def some(self, ids, count):
        return self.dice.sample(list(ids), min(count, len(ids)))

    def ask_for(self, one, tenant, what):
        door = self.doors[gateway_of(one)]
        key = self.run.tenants[tenant][door.name]
        self.crowd.post((door.name, tenant), lambda: Client(door.endpoint, door.server_key, key), [(what, one)],
                        [("notifications.get", {"id": one}, None)])

    def line(self, what, one, answer):
        line = {"what": what, "id": one, "n": self.ids[one], "code": answer.status}
        if answer.status == 200:
            line.update(status=answer.body["status"], events=[entry["event"] for entry in answer.body["timeline"]])
            if answer.body["status"] in FINAL:
                self.open.pop(one, None)
        return line

    def sample(self, seconds):
        """Every actor's own numbers; {name: body} of those that answered."""
        found = {}
        pair = tuple(part.encode() for part in self.run.plan["operator"])
        for name, actor in self.run.plan["actors"].items():
            def make(actor=actor):
                return Asker(actor["desk"], actor["key"].encode(), pair=pair)
            self.actors.post(name, make, [name], [("status", None, None)])
        for name, answer in self.actors.collect(seconds):
            found[name] = answer.body
        self.samples.write_all([self.figures(name, body) for name, body in found.items()])
        return found

    @staticmethod
    def figures(name, body):
        lanes = body["waiting"] if isinstance(body["waiting"], list) else []    # Up to 0.1.0 a role's own word hid them
        line = {"actor": name, "pid": body["pid"], "backlog": body["backlog"], "used": body["store"]["used"],
                "quota": body["store"]["quota"], "tight": body["store"]["tight"],
                "open": max((link["open"] for link in body["links"]), default=0),
                "rolled": [link["peer"] for link in body["links"] if link["state"] == "rolled-back"],
                "waiting": sum(lane["count"] for lane in lanes)}
        try:
            with open(f"/proc/{body['pid']}/statm", encoding="ascii") as file:
                line["rss"] = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
            line["fds"] = len(os.listdir(f"/proc/{body['pid']}/fd"))
        except OSError:
            pass    # It ended meanwhile
        return line

    # -- The end

    def drain(self, seconds, absent):
        """Drained is when nobody holds anything and all is final: asking for many records takes longer than that."""
        began, final = time.monotonic(), {}
        self.follow()
        todo = set(self.ids)
        while True:
            busy = self.busy(absent)
            took = time.monotonic() - began
            if not busy or took > seconds:
                self.fetch(todo, final)
            if took > seconds or not (busy or todo):
                break
            time.sleep(0.2)
        self.status.write_all([{"what": "final", "id": one, "n": self.ids[one], "code": answer.status,
                                "body": answer.body} for one, answer in final.items()])
        return {"drain_s": round(took, 1), "left": len(todo), "busy": busy, "shown": [str(one) for one in list(todo)[:3]]}

    def fetch(self, todo, final):
        """In frames of 100 by door and tenant: the latest record of each. What is not final stays in todo."""
        groups = {}
        for one in todo:
            groups.setdefault((gateway_of(one), self.tenant(one)), []).append(one)
        for (number, tenant), ones in groups.items():
            door = self.doors[number]
            key = self.run.tenants[tenant][door.name]
            for at in range(0, len(ones), 100):
                part = ones[at:at + 100]
                self.crowd.post((door.name, tenant), lambda: Client(door.endpoint, door.server_key, key),
                                [("final", one) for one in part], [("notifications.get", {"id": one}, None) for one in part])
                for (_, one), answer in self.crowd.collect(10):
                    final[one] = answer
                    if answer.status != 200 or answer.body["status"] in FINAL:
                        todo.discard(one)

    def busy(self, absent):
        """Who has not answered or still has something: empty at the end."""
        found = self.sample(2.0)
        busy = {name: "no answer" for name in self.run.plan["actors"] if name not in found
                and name not in absent}
        for name, body in found.items():
            line = self.figures(name, body)
            rest = {what: line[what] for what in ("open", "waiting") if line[what]}
            if body["role"] in ("email", "router") and line["backlog"]:
                rest["backlog"] = line["backlog"]
            if rest:
                busy[name] = rest
        return busy


def main():
    watch = Watch(Run(sys.argv[1]).read())
    print("ready", flush=True)
    while True:
        began = time.monotonic()
        watch.look()
        ready, _, _ = select.select([sys.stdin], [], [], max(0.0, EVERY - (time.monotonic() - began)))
        if ready:
            command = sys.stdin.readline().split()
            if not command:
                break
            print(json.dumps(watch.drain(float(command[1]), command[2:])), flush=True)


if __name__ == "__main__":
    main()

"""ledger-check: reads what the observers wrote and says whether a promise was broken. Needs no process of the mesh.

    python3 -m chaos.check FOLDER

    I1  nothing accepted is lost            I2  what came twice has an uncertain attempt and a cause
    I4  nothing invented, nothing torn      I5  no tenant sees or gets what is another's
    I6  a status is true and final once     I7  all is drained soon after everything was healed
    I8  memory, files, credit stay bounded  I9  a fault of the store is loud: 74, and no answer after it

Writes report.json, prints the faults and one line; ends with 1 if there is a fault.
"""

import collections
import json
import sys

from harness.client import FINAL
from harness.history import read
from harness.ledger import Causes, Ledger
from harness.payload import tenant_of

from chaos.plan import Run

CREDIT = 1024           # NM_CREDIT_COUNT of wire/limits.h: what may be open at one peer
RSS_MAX = 256 << 20     # Of an actor, whatever is done to it
FILES_MORE = 24         # Descriptors that an actor may have more at the end than at the beginning
CALLS = 128             # And an e-mail actor its calls and the connections it keeps between them: ACTIVE_MAX of broker/effects.c
DRAIN_SECONDS = 30      # I7


class Check:
    def __init__(self, run):
        self.run = run
        self.plan = run.plan
        self.load, self.sink = read(run.load), read(run.sink)
        self.status, self.samples, self.nemesis = read(run.status), read(run.samples), read(run.nemesis)
        self.faults = collections.defaultdict(list)

    def fault(self, invariant, text):
        self.faults[invariant].append(text)

    def all(self):
        self.books()
        self.statuses()
        self.isolation()
        self.drained()
        self.bounds()
        self.loudness()
        return self

    # -- I1, I2, I4: what was asked, got and recorded

    def ledger(self):
        ledger = Ledger(self.run.payloads, self.causes())
        recipients = {}
        for line in self.load:
            n = line["n"]
            if line["what"] == "invoke":
                recipients[n] = line["recipient"]
                ledger.ask(n, line["recipient"])
            elif line["what"] == "fail":
                ledger.refuse(n)
                self.fault("I6", f"n{n} was refused for good with {line['code']}")
            elif line["what"] == "ok":
                try:
                    ledger.accept(n, line["id"], recipients[n])
                except AssertionError as error:
                    self.fault("I6", str(error))
        return ledger

    def causes(self):
        """Everything that was done to those who call the sink, the sink itself, or the network between."""
        causes = Causes()
        since = {}
        for line in self.nemesis:
            if line["what"] == "fault" and line["disturbs"]:
                since[line["id"]] = line["t"]
            elif line["what"] == "healed" and line["id"] in since:
                causes.add(since.pop(line["id"]), line["t"])
            elif line["what"] == "exit" and self.plan["actors"][line["actor"]]["role"] == "email":
                causes.add(line["t"], line["t"])
        for begun in since.values():
            causes.add(begun, float("inf"))
        return causes

    def books(self):
        ledger = self.ledger()
        got = [line for line in self.sink if line["what"] == "got"]
        refusals = collections.Counter(line["recipient"] for line in self.sink if line["what"] == "refused")
        finals = {line["id"]: (line["code"], line["body"]) for line in self.status if line["what"] == "final"}
        self.report = ledger.check_lines(got, finals, refusals)
        for invariant, faults in (("I1", self.report.lost), ("I2", self.report.unexplained),
                                  ("I4", self.report.phantom + self.report.torn), ("I5", self.report.leaks),
                                  ("I6", self.report.status)):
            self.faults[invariant] += faults

    # -- I6: over time

    def statuses(self):
        """A timeline only grows, a final status stays, and what was accepted is always found."""
        seen = {}
        for line in self.status:
            if line["what"] not in ("poll", "final"):
                continue
            if line["code"] == 404:
                self.fault("I6", f"n{line['n']} was accepted and its gateway knew nothing of it at {line['t']}")
            if line["code"] != 200:
                continue
            body = line.get("body") or {}
            status = line.get("status", body.get("status"))
            events = line.get("events") or [entry["event"] for entry in body["timeline"]]
            before = seen.get(line["n"])
            if before and before[0] in FINAL and status != before[0]:
                self.fault("I6", f"n{line['n']} was {before[0]} and became {status}")
            if before and len(events) < len(before[1]):
                self.fault("I6", f"the timeline of n{line['n']} shrank: {before[1]} to {events}")
            seen[line["n"]] = (status, events)

    # -- I5

    def isolation(self):
        for line in self.status:
            if line["what"] == "probe" and line["code"] in (200, 403):
                self.fault("I5", f"n{line['n']} was shown to another tenant: {line['code']}")
        self.probes = sum(line["what"] == "probe" for line in self.status)
        tenants = {tenant_of(line["recipient"]) for line in self.sink if line["what"] == "got"}
        for tenant in tenants - set(self.run.tenants):
            self.fault("I5", f"something was sent to {tenant}, who is no tenant")

    # -- I7, I8

    def drained(self):
        ends = [line for line in self.nemesis if line["what"] == "drained"]
        self.drain = ends[-1]["drain_s"] if ends else float("inf")
        if not ends or ends[-1]["left"] or ends[-1]["busy"]:
            self.fault("I7", f"not drained: {ends[-1] if ends else 'the run ended before'}")
        elif self.drain > self.plan["drain_seconds"]:
            self.fault("I7", f"drained only {self.drain} s after everything was healed")

    def bounds(self):
        self.most = collections.Counter()
        first, last = {}, {}
        for line in self.samples:
            for what in ("rss", "fds", "open", "used"):
                self.most[what] = max(self.most[what], line.get(what, 0))
            if line["open"] > CREDIT:
                self.fault("I8", f"{line['actor']} had {line['open']} mails open at one peer")
            if line.get("rss", 0) > RSS_MAX:
                self.fault("I8", f"{line['actor']} took {line['rss'] >> 20} MiB at {line['t']}")
            if line["used"] > line["quota"]:
                self.fault("I8", f"the store of {line['actor']} took {line['used']} of {line['quota']} bytes")
            for peer in line.get("rolled", ()):
                self.fault("I9", f"{line['actor']} called {peer} rolled back at {line['t']}, and nobody put an old copy back")
            if "fds" in line:
                first.setdefault(line["actor"], line["fds"])
                last[line["actor"]] = line["fds"]
        for actor, fds in last.items():
            calls = CALLS if self.plan["actors"][actor]["role"] == "email" else 0
            if fds > first[actor] + FILES_MORE + calls:
                self.fault("I8", f"{actor} began with {first[actor]} descriptors and ended with {fds}")

    # -- I9

    def loudness(self):
        """Each end has a reason, each fault of a store its end, and between end and start nobody is told 'accepted'."""
        down = {}
        for line in self.nemesis:
            if line["what"] == "unexpected":
                self.fault("I9", f"{line['actor']} ended with {line['code']} at {line['t']}, and nobody had done anything")
            elif line["what"] == "silent":
                self.fault("I9", f"{line['actor']} should have ended: {line['why']}")
            elif line["what"] == "exit":
                down[line["actor"]] = line["t"]
            elif line["what"] == "start" and line["actor"] in down:
                self.no_answers(line["actor"], down.pop(line["actor"]), line["t"])
        self.ends = sum(line["what"] == "exit" and line["code"] == 74 for line in self.nemesis)

    def no_answers(self, actor, since, until):
        for line in self.load:
            if line["what"] == "ok" and line["door"] == actor and since + 1.0 < line["t"] < until:
                self.fault("I9", f"n{line['n']} was accepted by {actor} at {line['t']}, which ended at {since}")

    # -- What came of it

    def line(self):
        report, faults = self.report, self.faults
        kinds = collections.Counter(line["name"] for line in self.nemesis if line["what"] == "fault")
        explained = report.duplicates - len(report.unexplained)
        return (f"seed {self.plan['seed']} rounds {self.rounds()} faults {sum(kinds.values())} accepted {report.accepted} "
                f"lost {len(faults['I1'])} dup {explained}/{len(report.unexplained)} phantom {len(faults['I4'])} "
                f"leak {len(faults['I5'])} status {len(faults['I6'])} bounds {len(faults['I8'])} loud {len(faults['I9'])} "
                f"drain_s {self.drain}")

    def rounds(self):
        return sum(line["what"] == "round" for line in self.nemesis)

    def figures(self):
        kinds = collections.Counter(line["name"] for line in self.nemesis if line["what"] == "fault")
        return {"seed": self.plan["seed"], "rounds": self.rounds(), "faults_by_kind": dict(kinds),
                "asked": sum(line["what"] == "invoke" for line in self.load), "accepted": self.report.accepted,
                "delivered": self.report.delivered, "lost": len(self.faults["I1"]),
                "duplicates": self.report.duplicates, "uncertain": self.report.uncertain,
                "unexplained": len(self.report.unexplained), "unanswered": len(self.report.unknown),
                "probes": self.probes, "ends_with_74": self.ends, "drain_s": self.drain, "most": dict(self.most),
                "faults": {name: faults for name, faults in self.faults.items() if faults}}


def main():
    run = Run(sys.argv[1]).read()
    check = Check(run).all()
    figures = check.figures()
    (run.folder / "report.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="ascii")
    for invariant, faults in sorted(figures["faults"].items()):
        for fault in faults[:10]:
            print(f"{invariant}: {fault}")
        if len(faults) > 10:
            print(f"{invariant}: and {len(faults) - 10} more")
    print(check.line())
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())

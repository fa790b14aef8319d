"""Compares what was accepted with what the sink got and what the mesh says: the black-box check of RELIABILITY section 5.

Evidence is what the outside saw: the answers to the clients, the lines of the sink, and who was hurt when. The mesh's own
record of attempts is used for one thing only: a second copy at the sink is explained if the mesh itself says that an
attempt was uncertain, or that an actor which had the delivery was lost for good, and, where it is known what was done
to the mesh, if something was done that can have caused it.
"""

import collections

from harness.client import FINAL
from harness.payload import tenant_of


class Causes:
    """When something was done that can make a provider's answer get lost: intervals of time."""

    SLACK = 3.0     # Seconds from the sink's answer until it is on the actor's disk, on a loaded machine

    def __init__(self):
        self.spans = []

    def add(self, since, until):
        self.spans.append((since, until))

    def explain(self, line):
        """Can the answer to this call have been lost on its way to the actor's disk?"""
        if line["answer"] == "hidden":
            return True
        begun = line.get("begun") or line["t"]
        return any(since <= line["t"] + self.SLACK and until >= begun - 0.5 for since, until in self.spans)


class Ledger:
    def __init__(self, payloads, causes=None):
        self.payloads, self.causes, self.refusals = payloads, causes, None
        self.asked = {}         # n -> recipient
        self.accepted = {}      # n -> (id, recipient)
        self.refused = set()    # n that was definitely refused, for good

    def ask(self, n, recipient):
        self.asked[n] = recipient

    def refuse(self, n):
        self.refused.add(n)

    def accept(self, n, notification, recipient):
        known = self.accepted.setdefault(n, (notification, recipient))
        assert known[0] == notification, f"n{n} was accepted twice, as {known[0]} and {notification}: same key, two ids"

    def check(self, sink, records):
        """sink: whose record is read now, after the statuses; records: id -> Answer of notifications.get."""
        return self.check_lines(sink.got(), {one: (answer.status, answer.body) for one, answer in records.items()})

    def check_lines(self, lines, records, refusals=None):
        """lines: what the sink got; records: id -> (code, body) of notifications.get; refusals: recipient -> the codes
        with which the sink refused, if who failed is to be judged by them too."""
        report = Report()
        self.refusals = refusals
        got = collections.defaultdict(list)
        for line in lines:
            self.sort(report, got, line)
        ids = collections.Counter(notification for notification, _ in self.accepted.values())
        report.status += [f"{count} requests have the id {one}" for one, count in ids.items() if count > 1]
        for n, (notification, recipient) in self.accepted.items():
            report.accepted += 1
            self.judge(report, n, got[n], *records.get(notification, (None, None)))
            seen = (records.get(notification, (None, None))[1] or {}).get("recipient", recipient)
            if seen != recipient:
                report.leaks.append(f"the record of n{n} for {recipient} is one for {seen}")
        return report

    def sort(self, report, got, line):
        n, fault = self.payloads.read(line)
        if fault:
            (report.leaks if "tenant" in fault else report.torn).append(fault)
        elif n in self.refused:
            report.phantom.append(f"n{n} for {line['recipient']} was refused, and sent")
        elif n not in self.accepted and n not in self.asked:
            report.phantom.append(f"n{n} for {line['recipient']} was never accepted")
        elif n not in self.accepted:
            report.unknown.add(n)   # Asked, the answer lost for good: it may be there or not
        elif line["recipient"] != self.accepted[n][1]:
            report.torn.append(f"n{n} went to {line['recipient']} instead of {self.accepted[n][1]}")
        elif len(line.get("recipients") or [0]) > 1 and len({tenant_of(one) for one in line["recipients"]}) > 1:
            report.leaks.append(f"n{n} went to several tenants at once: {line['recipients']}")
        else:
            got[n].append(line)

    def judge(self, report, n, lines, code, record):
        if code != 200:
            report.status.append(f"n{n} was accepted and has no record: {code} {record}")
            return
        status, attempts, got = record["status"], record["attempts"], len(lines)
        uncertain = sum(attempt["outcome"] == "uncertain" for attempt in attempts)
        # Whose actor was forgotten with its disk may have been sent by it, and nobody heard of the attempt.
        uncertain += sum((entry.get("detail") or "").startswith("sent again: an actor") for entry in record["timeline"])
        if status not in FINAL:
            report.status.append(f"n{n} is {status}, which is not final")
        if status in ("sent", "delivered") and not got:
            report.lost.append(f"n{n} is {status} and never reached the sink")
        if status in ("sent", "delivered") and got and not any(line["answer"] == 250 for line in lines):
            report.status.append(f"n{n} is {status} and the sink never said so: {[line['answer'] for line in lines]}")
        if status == "failed" and not any(attempt["outcome"] in ("refused", "later", "uncertain") for attempt in attempts):
            report.lost.append(f"n{n} failed without an attempt that explains it: {record['timeline']}")
        if status == "failed" and self.refusals is not None and not self.refusals.get(self.accepted[n][1]):
            report.lost.append(f"n{n} failed and the sink never refused it: {attempts}")
        finals = [entry["event"] for entry in record["timeline"] if entry["event"] in FINAL]
        if len(finals) > 1:
            report.status.append(f"n{n} had more than one final status: {finals}")
        if got:
            report.delivered += 1
        report.uncertain += uncertain
        report.duplicates += max(0, got - 1)
        self.explain(report, n, sorted(lines, key=lambda line: line["t"]), uncertain, attempts)

    def explain(self, report, n, lines, uncertain, attempts):
        """All copies but the last are ones whose answer got lost: the mesh must know of it, and it must have a cause."""
        if len(lines) - 1 > uncertain:
            report.unexplained.append(f"n{n} reached the sink {len(lines)} times with {uncertain} uncertain attempts: {attempts}")
        elif self.causes:
            report.unexplained += [
                f"n{n} was sent again after {line.get('begun')}..{line['t']}, when nothing was done that explains it: {attempts}"
                for line in lines[:-1] if not self.causes.explain(line)]


class Report:
    def __init__(self):
        self.accepted = self.delivered = self.duplicates = self.uncertain = 0
        self.lost, self.phantom, self.torn, self.status, self.unexplained, self.leaks = [], [], [], [], [], []
        self.unknown = set()

    def faults(self):
        return self.lost + self.phantom + self.torn + self.leaks + self.status + self.unexplained

    def line(self):
        return (f"accepted {self.accepted}, at the sink {self.delivered}, lost {len(self.lost)}, duplicates "
                f"{self.duplicates} (uncertain attempts {self.uncertain}, unexplained {len(self.unexplained)}), "
                f"phantom {len(self.phantom)}, torn {len(self.torn)}, leaks {len(self.leaks)}, "
                f"status faults {len(self.status)}")

    def assert_good(self):
        faults = self.faults()
        assert not faults, self.line() + "\n" + "\n".join(faults[:20])

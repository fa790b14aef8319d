"""Compares what was accepted with what the sink got and what the mesh says: the black-box check of RELIABILITY section 5.

Evidence is what the outside saw: the answers to the client and the lines of the sink. The mesh's own record of attempts
is used for one thing only: a second copy at the sink is explained if the mesh itself says that an attempt was uncertain.
"""

import collections

from harness.client import FINAL


class Ledger:
    def __init__(self, payloads):
        self.payloads = payloads
        self.accepted = {}      # n -> (id, recipient)
        self.refused = set()    # n that was definitely refused

    def accept(self, n, notification, recipient):
        known = self.accepted.setdefault(n, (notification, recipient))
        assert known[0] == notification, f"n{n} was accepted twice, as {known[0]} and {notification}: same key, two ids"

    def check(self, sink, records):
        """sink: whose record is read now, after the statuses; records: id -> Answer of notifications.get."""
        report = Report()
        got = collections.Counter()
        for line in sink.got():
            n, fault = self.payloads.read(line)
            if fault:
                report.torn.append(fault)
            elif n not in self.accepted:
                # Accepted by the mesh, the answer lost on the way: no phantom if the client asked for it.
                report.phantom.append(f"n{n} for {line['recipient']} was never accepted")
            elif line["recipient"] != self.accepted[n][1]:
                report.torn.append(f"n{n} went to {line['recipient']} instead of {self.accepted[n][1]}")
            else:
                got[n] += 1
        ids = collections.Counter(notification for notification, _ in self.accepted.values())
        report.status += [f"{count} requests have the id {one}" for one, count in ids.items() if count > 1]
        for n, (notification, _) in self.accepted.items():
            report.accepted += 1
            self.judge(report, n, got[n], records.get(notification))
        return report

    @staticmethod
    def judge(report, n, got, answer):
        if answer is None or answer.status != 200:
            report.status.append(f"n{n} was accepted and has no record: {answer}")
            return
        record = answer.body
        status, attempts = record["status"], record["attempts"]
        uncertain = sum(attempt["outcome"] == "uncertain" for attempt in attempts)
        if status not in FINAL:
            report.status.append(f"n{n} is {status}, which is not final")
        if status in ("sent", "delivered") and not got:
            report.lost.append(f"n{n} is {status} and never reached the sink")
        if status == "failed" and not any(attempt["outcome"] in ("refused", "later", "uncertain") for attempt in attempts):
            report.lost.append(f"n{n} failed without an attempt that explains it: {record['timeline']}")
        finals = [entry["event"] for entry in record["timeline"] if entry["event"] in FINAL]
        if len(finals) > 1:
            report.status.append(f"n{n} had more than one final status: {finals}")
        if got:
            report.delivered += 1
        report.uncertain += uncertain
        extra = max(0, got - 1)
        report.duplicates += extra
        if extra > uncertain:
            report.unexplained.append(f"n{n} reached the sink {got} times with {uncertain} uncertain attempts: {attempts}")


class Report:
    def __init__(self):
        self.accepted = self.delivered = self.duplicates = self.uncertain = 0
        self.lost, self.phantom, self.torn, self.status, self.unexplained = [], [], [], [], []

    def faults(self):
        return self.lost + self.phantom + self.torn + self.status + self.unexplained

    def line(self):
        return (f"accepted {self.accepted}, at the sink {self.delivered}, lost {len(self.lost)}, duplicates "
                f"{self.duplicates} (uncertain attempts {self.uncertain}, unexplained {len(self.unexplained)}), "
                f"phantom {len(self.phantom)}, torn {len(self.torn)}, status faults {len(self.status)}")

    def assert_good(self):
        faults = self.faults()
        assert not faults, self.line() + "\n" + "\n".join(faults[:20])

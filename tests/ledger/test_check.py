"""The check sees what it is there for: to a good history each fault is added, and it is named. No process is needed."""

import pytest

from chaos.check import Check
from chaos.plan import Run
from harness.history import History
from harness.payload import Payloads, body_hash

ACTORS = {"gateway-1": "gateway", "router-1": "router", "email-1": "email"}


class Story:
    """A run in which six were accepted and delivered, and email-1 was killed once."""

    def __init__(self, folder):
        self.run = Run(folder)
        payloads = Payloads(b"s" * 32)
        self.run.write({"seed": 1, "secret": payloads.secret.hex(), "tenants": {"alpha": {}, "beta": {}}, "doors": [],
                        "drain_seconds": 30, "actors": {name: {"role": role} for name, role in ACTORS.items()}})
        self.run.read()
        self.load, self.sink, self.status, self.nemesis, self.samples = [], [], [], [], []
        for n in range(6):
            recipient = f"u{n}@{'beta' if n % 2 else 'alpha'}.test"
            self.load += [{"t": n, "what": "invoke", "n": n, "recipient": recipient},
                          {"t": n + 0.1, "what": "ok", "n": n, "id": f"id-{n}", "door": "gateway-1"}]
            self.sink.append({"t": n + 0.3, "begun": n + 0.2, "what": "got", "answer": 250, "recipient": recipient,
                              "recipients": [recipient], "subject": payloads.subject(n, recipient),
                              "body_hash": body_hash(payloads.body(n, recipient))})
            self.status.append({"t": 90, "what": "final", "id": f"id-{n}", "n": n, "code": 200, "body": {
                "status": "sent", "recipient": recipient, "attempts": [{"outcome": "sent"}],
                "timeline": [{"event": "accepted"}, {"event": "sent"}]}})
        self.nemesis += [{"t": 50, "what": "round", "number": 1},
                         {"t": 50, "what": "fault", "id": "1-kill", "name": "kill", "disturbs": False},
                         {"t": 50, "what": "exit", "actor": "email-1", "code": -9},
                         {"t": 51, "what": "start", "actor": "email-1", "pid": 7},
                         {"t": 51, "what": "healed", "id": "1-kill"},
                         {"t": 90, "what": "drained", "drain_s": 2.0, "left": 0, "busy": {}}]
        self.samples += [{"t": t, "actor": "email-1", "backlog": 0, "used": 1, "quota": 9, "open": 3, "waiting": 0,
                          "rss": 1 << 20, "fds": 20} for t in (1, 80)]

    def faults(self):
        for history, lines in ((self.run.load, self.load), (self.run.sink, self.sink), (self.run.status, self.status),
                               (self.run.nemesis, self.nemesis), (self.run.samples, self.samples)):
            History(history).write_all(lines)
        return {name: faults for name, faults in Check(self.run).all().faults.items() if faults}

    def final(self, n):
        return self.status[n]["body"]

    def uncertain(self, n):
        self.final(n)["attempts"] = [{"outcome": "uncertain"}, {"outcome": "sent"}]


@pytest.fixture
def story(tmp_path):
    return Story(tmp_path)


def test_a_good_story_has_no_fault(story):
    assert story.faults() == {}


def test_what_was_hidden_by_the_sink_may_come_again(story):
    story.sink.append({**story.sink[2], "t": 9.0, "begun": 8.9})
    story.sink[2]["answer"] = "hidden"
    story.uncertain(2)
    assert story.faults() == {}


def test_what_the_sink_had_when_its_caller_died_may_come_again(story):
    story.sink[2].update(t=49.9, begun=49.8)
    story.sink.append({**story.sink[2], "t": 52.0, "begun": 51.9})
    story.uncertain(2)
    assert story.faults() == {}


def lost(story):
    del story.sink[3]


def failed_for_nothing(story):
    story.sink.pop(3)
    story.final(3).update(status="failed", attempts=[{"outcome": "refused"}])


def twice_without_an_uncertain_attempt(story):
    story.sink.append({**story.sink[3], "t": 52.0})


def twice_without_a_cause(story):
    story.sink.append({**story.sink[3], "t": 9.0, "begun": 8.9})
    story.uncertain(3)


def invented(story):
    recipient = "u77@alpha.test"
    story.sink.append({**story.sink[0], "recipient": recipient, "subject": story.run.payloads.subject(77, recipient),
                       "body_hash": body_hash(story.run.payloads.body(77, recipient))})


def torn(story):
    story.sink[3]["body_hash"] = story.sink[4]["body_hash"]


def sent_in_anothers_name(story):
    story.sink[2]["subject"] = story.sink[2]["subject"].replace("alpha", "beta")


def shown_to_another(story):
    story.status.append({"t": 3, "what": "probe", "id": "id-2", "n": 2, "code": 200, "status": "sent", "events": []})


def never_final(story):
    story.final(3)["status"] = "retrying"


def final_and_then_not(story):
    story.status.insert(0, {"t": 4, "what": "poll", "id": "id-3", "n": 3, "code": 200, "status": "failed", "events": ["accepted"]})


def unknown_to_its_gateway(story):
    story.status.insert(0, {"t": 4, "what": "poll", "id": "id-3", "n": 3, "code": 404})


def two_ids_under_one_key(story):
    story.load.append({"t": 8, "what": "ok", "n": 3, "id": "id-other", "door": "gateway-1"})


def one_id_for_two(story):
    story.load[-1]["id"] = "id-0"


def sent_and_never_taken(story):
    story.sink[3]["answer"] = "hidden"


def not_drained(story):
    story.nemesis[-1].update(left=1)


def drained_too_late(story):
    story.nemesis[-1].update(drain_s=31.0)


def more_than_its_credit(story):
    story.samples[1]["open"] = 1025


def leaks_descriptors(story):
    story.samples[1]["fds"] = 20 + 24 + 128 + 1


def ended_without_a_reason(story):
    story.nemesis.append({"t": 60, "what": "unexpected", "actor": "router-1", "code": -6})


def went_on_after_a_failed_sync(story):
    story.nemesis.append({"t": 60, "what": "silent", "actor": "router-1", "why": "a sync failed"})


def a_false_alarm(story):
    story.samples[1]["rolled"] = ["router-1"]


def accepted_by_the_dead(story):
    story.nemesis[2]["actor"] = story.nemesis[3]["actor"] = "gateway-1"
    story.nemesis[2]["t"], story.nemesis[3]["t"] = 2.5, 9.0


@pytest.mark.parametrize("invariant, harm", [
    ("I1", lost), ("I1", failed_for_nothing), ("I2", twice_without_an_uncertain_attempt), ("I2", twice_without_a_cause),
    ("I4", invented), ("I4", torn), ("I5", sent_in_anothers_name), ("I5", shown_to_another), ("I6", never_final),
    ("I6", final_and_then_not), ("I6", unknown_to_its_gateway), ("I6", two_ids_under_one_key), ("I6", one_id_for_two),
    ("I6", sent_and_never_taken), ("I7", not_drained), ("I7", drained_too_late), ("I8", more_than_its_credit),
    ("I8", leaks_descriptors), ("I9", ended_without_a_reason), ("I9", went_on_after_a_failed_sync),
    ("I9", a_false_alarm), ("I9", accepted_by_the_dead)])
def test_a_fault_is_named(story, invariant, harm):
    harm(story)
    assert invariant in story.faults()

"""fdatasync fails: the actor ends with 74 at once, acknowledges nothing after it, and recovers when it is started again."""

import re
import subprocess

import pytest

from harness.client import NoAnswer
from harness.ledger import Ledger
from harness.load import Load, drain
from harness.mesh import one_of_each, smtp
from harness.payload import Payloads
from harness.waiting import until


def shim(mesh, rules, folder):
    library = next(mesh.build.glob("tests/**/libnm_shim.so"), None)
    assert library, f"libnm_shim.so was not built in {mesh.build}"
    return {"LD_PRELOAD": str(library), "NM_SHIM": rules, "NM_SHIM_LOG": str(folder / "shim.log")}


@pytest.mark.parametrize("rules", ["fdatasync:20:EIO", "pwrite:20:EIO"])
@pytest.mark.parametrize("victim", ["gateway-1", "router-1", "email-1"])
def test_a_failed_sync_ends_the_actor_and_loses_nothing(make_mesh, make_sink, tmp_path, victim, rules):
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(), providers={"sink": smtp(sink.port)},
                     settings={"email": {"retries": 10, "retry_delays": "200ms 400ms 800ms"}})
    mesh[victim].stop()
    load = Load(mesh["gateway-1"].entry["door"], mesh.certificates["gateway-1"].public, mesh.admin_key, payloads,
                per_second=100, patience=1.0)
    mesh[victim].start(env=shim(mesh, rules, tmp_path), wait=False)
    load.start()
    code = mesh[victim].wait_end(60)
    assert code == 74, f"{victim} ended with {code}:\n{mesh[victim].log()[-2000:]}"
    mesh[victim].expected_exits.add(74)
    calls = (tmp_path / "shim.log").read_text(encoding="ascii").splitlines()
    failed = next(i for i, call in enumerate(calls) if call.endswith("result=-1"))
    written = [call for call in calls[failed + 1:] if re.match(r"(pwrite|writev|fdatasync) ", call)]
    if rules.startswith("pwrite"):  # LMDB itself puts the old meta page back before it reports the failure
        written = [call for call in written if "size=120 " not in call]
    assert not written, f"it wrote on after a failed sync: {written}"
    mesh[victim].start()
    until(lambda: load.failure or len(load.ledger.accepted) > 100, "work to go on after the restart")
    load.finish()
    report = load.ledger.check(sink, drain(mesh, load.ledger))
    report.assert_good()


def test_a_store_that_may_not_grow_ends_the_actor_with_74(make_mesh, make_sink):
    """A limit on the size of files kills with a signal unless the actor sees to it that the write fails."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(), providers={"sink": smtp(sink.port)})
    victim = mesh["email-1"]
    subprocess.run(["prlimit", "--pid", str(victim.process.pid), "--fsize=4096:"], check=True)
    load = Load(mesh["gateway-1"].entry["door"], mesh.certificates["gateway-1"].public, mesh.admin_key, payloads)
    load.start()
    code = victim.wait_end()
    victim.expected_exits.add(74)
    assert code == 74, f"it ended with {code}"
    victim.start()
    load.finish()
    load.ledger.check(sink, drain(mesh, load.ledger)).assert_good()


def test_nothing_is_acknowledged_after_a_failed_sync(make_mesh, make_sink, tmp_path):
    """One at a time, until the disk fails: each 202 is on disk after the restart. An answer that left before its commit
    (mutant ack_before_commit) is not. Several lives, since an answer that left early may yet be lost with its process;
    in most a write fails, since what was written and not synced is still there for a process that starts again."""
    payloads, sink = Payloads(), make_sink(keep=False)
    mesh = make_mesh(one_of_each(), providers={"sink": smtp(sink.port)})
    gateway = mesh["gateway-1"]
    for actor in mesh.of_role("router", "email"):
        actor.stop()
    ledger, n = Ledger(payloads), 0
    gateway.expected_exits.add(74)
    for life in range(9):
        arm = tmp_path / f"arm-{life}"
        gateway.stop()
        call = "fdatasync" if life % 3 == 2 else "pwrite"
        gateway.start(env={**shim(mesh, f"{call}:{4 + life}+:EIO", tmp_path), "NM_SHIM_ARM": str(arm)})
        arm.touch()
        client = mesh.client()
        while True:
            n += 1
            try:
                answer = client.create(payloads.request(n, f"u{n}@t.test"), seconds=1)
            except NoAnswer:
                break
            assert answer.status == 202, answer
            ledger.accept(n, answer.body["id"], f"u{n}@t.test")
        assert gateway.wait_end() == 74
        gateway.start()
    assert len(ledger.accepted) >= 16, "it hardly got to work between two failures"
    for actor in mesh.of_role("router", "email"):
        actor.start()
    report = ledger.check(sink, mesh.client().get_many([one for one, _ in ledger.accepted.values()]))
    missing = [fault for fault in report.status if "no record" in fault]
    assert not missing, "acknowledged, and not on disk:\n" + "\n".join(missing)
    report = ledger.check(sink, drain(mesh, ledger))
    report.phantom.clear()  # The one without an answer may have been kept: it is unknown to the client, and no loss
    report.assert_good()


def test_every_accept_is_synced_and_so_is_what_lmdb_takes_over(make_mesh, make_sink, tmp_path):
    """An accept costs one sync, of the log. When LMDB takes over, its two flushes are there: fdatasync of the pages
    and a synchronous write of the meta page. Without the second (mutant nometasync) the log begins again while a
    power cut could still take LMDB back, and with it what was acknowledged."""
    mesh = make_mesh(one_of_each(), providers={"sink": smtp(make_sink(keep=False).port)})
    for actor in mesh.of_role("router", "email"):
        actor.stop()
    mesh["gateway-1"].stop()
    mesh["gateway-1"].start(env=shim(mesh, "", tmp_path))
    client = mesh.client()
    client.ask("notifications.list", {})
    log = tmp_path / "shim.log"
    until(log.exists, "the log of the shim")
    before = start = len(log.read_text(encoding="ascii").splitlines())
    for n in range(10):
        assert client.create({"channel": "email", "recipient": f"u{n}@t.test", "subject": "s", "content": "c"}).status == 202
        calls = log.read_text(encoding="ascii").splitlines()[before:]
        before += len(calls)
        synced = [call for call in calls if call.startswith("fdatasync") and call.endswith("result=0")]
        assert synced, f"accept {n} came back without a sync: {calls}"

    def taken_over():
        calls = log.read_text(encoding="ascii").splitlines()[start:]
        return [call for call in calls if call.startswith("pwrite") and " size=120 " in call]
    until(taken_over, "LMDB to take over what the log has")
    for call in taken_over():
        assert " dsync=1 " in call, f"LMDB's meta page was written without a sync: {call}"

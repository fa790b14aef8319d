"""Faults of processes: killed, ended, frozen, starved."""

import os
import shutil
import signal
import time

from harness.hosts import run

from chaos.nemesis import Nemesis


class Kill(Nemesis):
    row, name = 1, "kill"

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "again": dice.choice([False, True])}

    def start(self):
        self.victim.kill()
        if self.chosen["again"]:
            self.victim.start()
            self.field.sleep(0.3)
            self.victim.kill()

    def heal(self):
        self.field.bring_back(self.victim)


class KillAll(Nemesis):
    row, name, longest = 2, "kill-all", 3.0

    @classmethod
    def plan(cls, dice, field):
        return {}

    def start(self):
        for actor in self.field.actors():
            if actor.running():
                actor.kill()

    def heal(self):
        for actor in self.field.actors():
            self.field.bring_back(actor, wait=False)
        for actor in self.field.actors():
            actor.wait_ready()


class Freeze(Nemesis):
    row, name, longest = 20, "freeze", 15.0

    def disturbs(self):
        return self.victim.role == "email"

    def start(self):
        self.victim.freeze()

    def heal(self):
        if self.victim.running():
            self.victim.thaw()


class Stop(Nemesis):
    """Ended in good order, as for an upgrade, and started again."""

    row, name = 40, "stop"

    def start(self):
        self.victim.stop()

    def heal(self):
        self.field.bring_back(self.victim)


class Group(Nemesis):
    """A control group (v1) around a new process of the victim."""

    controller = ""

    @classmethod
    def missing(cls, field):
        top = f"/sys/fs/cgroup/{cls.controller}"
        if not os.access(f"{top}/tasks", os.W_OK):
            return f"there is no control group of kind {cls.controller} (v1) that we may use"
        return None

    def __init__(self, field, **plan):
        super().__init__(field, **plan)
        self.folder = f"/sys/fs/cgroup/{self.controller}/nmesh-{os.getpid()}-{self.victim.name}"

    def write(self, name, value):
        """Refused is no fault: a limit below what is in use may be, and then it is not as tight."""
        try:
            with open(f"{self.folder}/{name}", "w", encoding="ascii") as file:
                file.write(str(value))
        except OSError:
            pass

    def read(self, name):
        with open(f"{self.folder}/{name}", encoding="ascii") as file:
            return int(file.read())

    def confine(self):
        os.makedirs(self.folder, exist_ok=True)
        self.victim.kill()
        self.victim.start(wrap=["sh", "-c", f'echo $$ >{self.folder}/tasks && exec "$@"', "sh"])

    def heal(self):
        self.field.expect(self.victim)
        if self.victim.running():
            self.victim.kill()
        self.field.bring_back(self.victim)
        for _ in range(50):
            try:
                os.rmdir(self.folder)
                return
            except OSError:
                time.sleep(0.02)


class Memory(Group):
    """Killed by the kernel when it wants a little more than it has. What it is and what it maps count together."""

    row, name, controller = 17, "memory", "memory"

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "spare_kib": dice.choice([0, 64, 256, 1024])}

    def start(self):
        self.confine()
        self.field.expect(self.victim, -signal.SIGKILL)
        self.write("memory.limit_in_bytes", self.read("memory.usage_in_bytes") + self.chosen["spare_kib"] * 1024)


class Processor(Group):
    """A fifth or less of a processor."""

    row, name, controller = 18, "processor", "cpu"

    @classmethod
    def missing(cls, field):
        if not os.path.exists("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"):
            return "the kernel has no quota for processor time in control groups (v1)"
        return super().missing(field)

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "percent": dice.choice([2, 5, 20])}

    def disturbs(self):
        return self.victim.role == "email"

    def start(self):
        self.confine()
        self.write("cpu.cfs_period_us", 100000)
        self.write("cpu.cfs_quota_us", self.chosen["percent"] * 1000)


class Limit(Nemesis):
    """A limit of the process itself, set while it runs."""

    resource = ""

    @classmethod
    def missing(cls, field):
        return None if shutil.which("prlimit") else "prlimit is not installed"

    def limit(self, value):
        run("prlimit", "--pid", self.victim.process.pid, f"--{self.resource}={value}:")

    def heal(self):
        self.field.expect(self.victim)
        if self.victim.running():
            self.victim.kill()
        self.field.bring_back(self.victim)


class Descriptors(Limit):
    """No new descriptors: who is connected stays so, nobody else gets in. A peer comes back meanwhile."""

    row, name, resource = 15, "descriptors", "nofile"

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "more": dice.choice([0, 1, 3]), "peer": dice.choice(sorted(field.names))}

    def start(self):
        self.limit(len(os.listdir(f"/proc/{self.victim.process.pid}/fd")) + self.chosen["more"])
        peer = self.field.mesh[self.chosen["peer"]]
        if peer is not self.victim and peer.running():
            peer.kill()
            self.field.bring_back(peer)


class FileSize(Limit):
    """Files may not grow beyond what they are: the next write at their end fails, and with it the commit."""

    row, name, resource = 15, "file-size", "fsize"

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "kib": dice.choice([4, 64, 512])}

    def start(self):
        self.field.expect(self.victim, 74)
        self.limit(self.chosen["kib"] * 1024)


class Clock(Nemesis):
    """The wall clock jumps and comes back; the monotonic one does not."""

    row, name = 33, "clock"
    LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"

    @classmethod
    def missing(cls, field):
        return None if os.path.exists(cls.LIBRARY) else "libfaketime is not installed"

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "steps": dice.sample(["+3600", "-3600", "+5", "-5", "+900", "-86400"], 3)}

    def start(self):
        self.file = self.field.folder / f"clock-{self.victim.name}"
        self.set("+0")
        self.victim.kill()
        self.victim.start(env=self.environment())
        for step in self.chosen["steps"]:
            self.set(step)
            self.field.sleep(0.7)

    def environment(self):
        return {"LD_PRELOAD": self.LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def set(self, step):
        new = self.file.with_suffix(".new")
        new.write_text(step + "\n", encoding="ascii")
        new.rename(self.file)

    def heal(self):
        self.set("+0")
        self.field.sleep(0.3)
        if self.victim.running():
            self.victim.stop()
        self.field.bring_back(self.victim)

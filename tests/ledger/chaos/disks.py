"""Faults of what is under a store: full, failing, slow.

What damages a store while its actor is down, or takes back what was not synced (rows 4 and 22), is a class here as well:
start stops the victim and does it, heal starts it again; an actor that then refuses to start is what that fault is to
cause, so it is expected with its code, put back from before and started once more.
"""

import os
import subprocess

from chaos.nemesis import Nemesis


class Full(Nemesis):
    """Somebody else fills the disk: wholly, or until the actor must refuse new work."""

    row, name = 13, "disk-full"
    SIZE_MIB, SPARE_MIB = 512, 4    # A gateway's store takes a third of that in 500 rounds

    @staticmethod
    def victims(field):
        """The last of each role that there are several of has a small disk of its own."""
        return [max(names) for names in field.by_role().values() if len(names) > 1]

    @classmethod
    def missing(cls, field):
        return None if os.geteuid() == 0 else "a small disk cannot be mounted without root"

    @classmethod
    def prepare(cls, field):
        for name in cls.victims(field):
            folder = field.mesh[name].store
            folder.mkdir(mode=0o700)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={cls.SIZE_MIB}m,mode=0700", "tmpfs", folder], check=True)
            field.mounts.append(folder)

    @classmethod
    def plan(cls, dice, field):
        return {"actor": dice.choice(cls.victims(field)), "wholly": dice.choice([True, False])}

    def start(self):
        self.field.expect(self.victim, 74)
        self.filler = self.victim.store / "filler"
        spare = 0 if self.chosen["wholly"] else self.SPARE_MIB << 20
        with open(self.filler, "wb", buffering=0) as file:
            try:
                while True:
                    free = os.statvfs(self.victim.store)
                    if free.f_bavail * free.f_frsize <= spare:
                        break
                    file.write(b"\0" * 65536)
            except OSError:
                pass

    def heal(self):
        self.filler.unlink(missing_ok=True)
        self.field.expect(self.victim)
        self.field.bring_back(self.victim)


class Shim(Nemesis):
    """A new process of the victim under the preloaded library that lets calls fail or wait."""

    @classmethod
    def library(cls, field):
        return next(field.build.glob("tests/**/libnm_shim.so"), None)

    @classmethod
    def missing(cls, field):
        return None if cls.library(field) else "libnm_shim.so was not built"

    def under_shim(self, rules):
        self.log = self.field.folder / f"shim-{self.field.round}-{self.victim.name}.log"
        arm = self.field.folder / f"arm-{self.field.round}-{self.victim.name}"
        self.victim.kill()
        self.victim.start(env={"LD_PRELOAD": str(self.library(self.field)), "NM_SHIM": rules,
                               "NM_SHIM_LOG": str(self.log), "NM_SHIM_ARM": str(arm)})
        arm.touch()

    def heal(self):
        self.field.expect(self.victim)
        if self.victim.running():
            self.victim.kill()
        self.field.bring_back(self.victim)
        self.log.unlink(missing_ok=True)


class FailingSync(Shim):
    """A call on the store fails: the actor ends with 74 at once, and says nothing that depends on it."""

    row, name = 9, "failing-sync"
    RULES = ("fdatasync:{}:EIO", "fdatasync:{}+:EIO", "pwrite:{}:EIO", "pwrite:{}:short", "pwrite:{}:ENOSPC")

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "rules": dice.choice(cls.RULES).format(dice.randrange(1, 60))}

    def start(self):
        self.field.expect(self.victim, 74)
        self.under_shim(self.chosen["rules"])

    def heal(self):
        if self.has_failed() and not self.field.ends_within(self.victim, 5):
            self.field.history.write(what="silent", actor=self.victim.name,
                                     why=f"{self.chosen['rules']} came to pass and it went on")
        super().heal()

    def has_failed(self):
        return self.log.exists() and any(line.endswith("result=-1\n") for line in self.log.open(encoding="ascii"))


class SlowDisk(Shim):
    """Each sync takes much longer."""

    row, name = 19, "slow-disk"

    @classmethod
    def plan(cls, dice, field):
        return {**super().plan(dice, field), "delay_ms": dice.choice([20, 100, 400])}

    def disturbs(self):
        return self.victim.role == "email"

    def start(self):
        self.under_shim(f"fdatasync:1+:delay{self.chosen['delay_ms']}")



"""ledger - runs a mesh of real processes, hurts it by a seed's schedule, and checks from outside that nothing was lost.

    tools/ledger                            30 rounds by a new seed
    tools/ledger --rounds 500
    tools/ledger --only 27,freeze           rows of the matrix of faults, or names (--list shows them)
    tools/ledger --replay SEED              the same schedule again (with the same --rounds and --only)

Each round: one fault or two for 1 to 10 seconds, then up to 3 seconds of rest. After the last all is healed, drained and
checked. What a machine cannot do is skipped, said and counted. The last line is

    seed S rounds N faults F accepted A lost L dup EXPLAINED/UNEXPLAINED phantom P leak K status T bounds B loud U drain_s D

and the exit code is 0 only if nothing is wrong; else all files are kept.
"""

import argparse
import os
import pathlib
import random
import sys
import time

from harness.mesh import ROOT

from chaos import catalog
from chaos.field import Field

ROLES = {"gateway": 2, "user": 1, "router": 2, "email": 3, "deadletter": 1}
WARM_UP = 2.0


def options():
    parser = argparse.ArgumentParser(prog="ledger", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", "--replay", type=int, help="of the schedule")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", help="rows or names, with commas")
    parser.add_argument("--per-second", type=int, default=60, help="notifications (60)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / os.environ.get("NM_BUILD_FAST", "build/release"))
    parser.add_argument("--folder", type=pathlib.Path,
                        help="for the files, new or empty; it goes again if nothing was wrong (a new one under /tmp)")
    parser.add_argument("--list", action="store_true", help="shows the nemeses and whether they work here")
    return parser.parse_args()


def say(text):
    print(text, flush=True)


class Campaign:
    def __init__(self, folder, *, seed, rounds, only=None, per_second=60, build=None):
        self.seed = random.randrange(1 << 32) if seed is None else seed
        self.kinds = catalog.chosen(only)
        self.only = only
        self.count = rounds
        self.field = Field(folder, ROLES, seed=self.seed, build=build or ROOT / "build/release", per_second=per_second,
                           kinds=[])
        self.missing = {kind: why for kind in self.kinds if (why := kind.missing(self.field))}
        self.field.kinds = [kind for kind in self.kinds if kind not in self.missing]

    def schedule(self):
        return catalog.schedule(self.seed, self.kinds, self.count, self.field)

    def run(self):
        """Prints the schedule first, so that it is known however the run ends. True if nothing is wrong."""
        for kind, why in self.missing.items():
            say(f"SKIPPED: row {kind.row} {kind.name}: {why}")
        rounds = self.schedule()
        again = f" --only {self.only}" if self.only else ""
        say(f"seed {self.seed}; again with: tools/ledger --replay {self.seed} --rounds {self.count}{again}")
        for one in rounds:
            say("  " + one.text())
        with self.field as field:
            field.start_load()
            field.sleep(WARM_UP)
            skipped = sum(not self.play(one) for one in rounds)
            field.supervise()
            field.finish()
            for fault in field.faults[:40]:
                say(f"FAULT: {fault}")
            say(f"figures {field.figures}")
        if field.faults and not field.line:
            say(f"FAULT: {field.faults[-1]}")
        say(f"skipped {len(self.missing)} kinds of fault, {skipped} of {len(rounds)} rounds")
        say(field.line or f"seed {self.seed}: it did not come to an end")
        return not field.faults

    def play(self, one):
        """A round. False if nothing of it can be done here."""
        field = self.field
        field.round = one.number
        faults = [kind(field, **plan) for kind, plan in one.faults if kind not in self.missing]
        if not faults:
            return False
        began = time.monotonic()
        field.history.write(what="round", number=one.number, text=one.text())
        faults.sort(key=lambda fault: fault.group == "network")     # A network that is cut lets nobody be seen to start
        begun = []
        try:
            for fault in faults:
                mark = f"{one.number}-{fault.name}"
                field.history.write(what="fault", id=mark, row=fault.row, name=fault.name, chosen=fault.chosen,
                                    disturbs=fault.disturbs())
                begun.append((mark, fault))
                fault.start()
            field.sleep(max(0.0, one.seconds - (time.monotonic() - began)))
        finally:
            for mark, fault in reversed(begun):
                fault.heal()
                field.history.write(what="healed", id=mark)
        field.sleep(one.rest)
        return True


def main():
    chosen = options()
    if chosen.list:
        field = Field("/nowhere", ROLES, seed=0, build=chosen.build)
        for kind in catalog.ALL:
            say(f"{kind.row:3} {kind.name:14} {kind.missing(field) or 'works here'}")
        return 0
    if not (chosen.build / "actors/gateway/nmesh-gateway").exists():
        print(f"ledger: there is no gateway in {chosen.build}; build it first, or name another with --build", file=sys.stderr)
        return 2
    if chosen.folder:
        chosen.folder.mkdir(parents=True, exist_ok=True)
        if any(chosen.folder.iterdir()):
            print(f"ledger: {chosen.folder} is not empty, and this run would take all of it away", file=sys.stderr)
            return 2
    try:
        campaign = Campaign(chosen.folder, seed=chosen.seed, rounds=chosen.rounds, only=chosen.only,
                            per_second=chosen.per_second, build=chosen.build)
    except ValueError as error:
        print(f"ledger: {error}", file=sys.stderr)
        return 2
    return 0 if campaign.run() else 1


if __name__ == "__main__":
    sys.exit(main())

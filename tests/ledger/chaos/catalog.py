"""All nemeses, and the schedule that a seed makes of them."""

import random

from chaos import disks, network, processes, providers

ALL = (processes.Kill, processes.KillAll, processes.Freeze, processes.Stop, processes.Memory, processes.Processor,
       processes.Descriptors, processes.FileSize, processes.Clock, disks.Full, disks.FailingSync, disks.SlowDisk,
       network.Cut, network.Pair, network.OneWay, network.Swizzle, network.Loss, network.Reset, network.Flap,
       network.Delay, providers.Provider, providers.Storm)


def chosen(only):
    """only: numbers of rows and names, or nothing for all."""
    wanted = [one for one in (only or "").split(",") if one]
    unknown = [one for one in wanted if not any(one in (str(kind.row), kind.name) for kind in ALL)]
    if unknown:
        raise ValueError(f"no nemesis is called {', '.join(unknown)}; expected rows or names: "
                         + ", ".join(f"{kind.row} {kind.name}" for kind in ALL))
    return [kind for kind in ALL if not wanted or str(kind.row) in wanted or kind.name in wanted]


class Round:
    def __init__(self, number, faults, seconds, rest):
        self.number, self.faults, self.seconds, self.rest = number, faults, seconds, rest

    def text(self):
        whom = "; ".join(f"{kind.row} {kind.name} " + " ".join(f"{name}={value}" for name, value in plan.items())
                         for kind, plan in self.faults)
        return f"round {self.number}: {whom}; for {self.seconds:.1f} s, then {self.rest:.1f} s of rest"


def schedule(seed, kinds, count, field):
    """Every kind comes equally often, in an order that the seed makes; each third round has one of the other group too."""
    dice = random.Random(seed)
    bag, rounds = [], []
    for number in range(1, count + 1):
        if not bag:
            bag = dice.sample(kinds, len(kinds))
        first = bag.pop()
        faults = [(first, first.plan(dice, field))]
        others = [kind for kind in kinds if kind.group != first.group]
        if others and dice.random() < 0.33:
            second = dice.choice(others)
            faults.append((second, second.plan(dice, field)))
        longest = min(kind.longest for kind, _ in faults)
        rounds.append(Round(number, faults, dice.uniform(1.0, longest), dice.uniform(0.0, 3.0)))
    return rounds

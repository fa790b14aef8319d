"""A few rounds of the ledger (tools/ledger), by a new seed each time. NM_LEDGER_ROUNDS sets how many, NM_SEED the seed."""

import os

import pytest

from chaos.campaign import Campaign

ROUNDS = int(os.environ.get("NM_LEDGER_ROUNDS", "4"))
SEED = int(os.environ["NM_SEED"]) if "NM_SEED" in os.environ else None


@pytest.mark.long
def test_rounds_of_faults_lose_nothing(capsys):
    campaign = Campaign(None, seed=SEED, rounds=ROUNDS)
    with capsys.disabled():
        print()
        good = campaign.run()
    assert good, campaign.field.line
    assert campaign.field.figures["accepted"] > ROUNDS * 20, "there was hardly any load"


def test_a_seed_makes_one_schedule():
    """Whatever the machine lacks: a replay elsewhere skips, and does not shift."""
    schedules = [[one.text() for one in Campaign("/nowhere", seed=seed, rounds=40).schedule()] for seed in (1, 1, 2)]
    assert schedules[0] == schedules[1] != schedules[2]


def test_every_kind_comes_as_often_as_the_others():
    campaign = Campaign("/nowhere", seed=3, rounds=44)
    firsts = [one.faults[0][0] for one in campaign.schedule()]
    assert {firsts.count(kind) for kind in campaign.kinds} == {44 // len(campaign.kinds)}


def test_a_name_that_no_nemesis_has_is_refused():
    with pytest.raises(ValueError, match="no nemesis is called thunder"):
        Campaign("/nowhere", seed=1, rounds=1, only="kill,thunder")

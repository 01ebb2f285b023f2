"""Real clusters broken under load: a choice of `scenarios`, with short phases. scripts/chaos runs them all.

As root on a machine with iptables the network is cut too; elsewhere those are skipped, and pytest says why.
"""

import pytest

import chaos
from scenarios import NEED_NAMESPACES

PHASE_SECONDS = 2
CHOSEN = [
    "kill-leader", "freeze-leader", "rolling-restart", "power-off", "wipe-disk", "drain-during-kill-leader", "object-suite",
    "isolate-leader",
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CHOSEN)
def test_clients_see_one_store_through(name, tmp_path):
    obstacle = chaos.obstacle(name)
    if obstacle:
        pytest.skip(obstacle)
    outcome = chaos.run(name, PHASE_SECONDS, tmp_path / "cluster", loopback=name not in NEED_NAMESPACES)
    print(outcome.summary)
    assert not outcome.violations, "\n".join(outcome.violations[:20])

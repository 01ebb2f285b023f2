"""Runs one scenario against a cluster under load, and judges it by what its clients saw."""

import collections
import dataclasses
import pathlib
import shutil
import subprocess
import time

import history
from cluster import SDK_RETRIES, Cluster
from load import Load
from scenarios import FEW_CLIENTS, MAY_STOP, NEED_NAMESPACES, NONE_MAY_FAIL, SCENARIOS, Chaos

NODES, DISKS = 4, 4
GAP_SECONDS_MAX = 10
# Of a request through another node than the one whose trouble goes unnoticed: far more than a hedge, for a machine with
# more to do, and far less than calls between nodes may take.
UNNOTICED_SECONDS_MAX = 4


@dataclasses.dataclass
class Outcome:
    """What came of a run: one line of figures, and what was wrong."""

    summary: str
    violations: list


def obstacle(name):
    """Why a scenario cannot run on this machine, None if it can."""
    if name not in NEED_NAMESPACES:
        return None
    if not all(map(shutil.which, ("ip", "iptables"))):
        return "cutting the network needs ip and iptables"
    if "stonecrop" in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout:
        return "another cluster uses the network namespaces"
    made = subprocess.run(["ip", "netns", "add", "stonecrop-probe"], capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespaces here: {made.stderr.strip()}"
    probe = subprocess.run(["ip", "netns", "exec", "stonecrop-probe", "iptables", "-L", "-n"], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "delete", "stonecrop-probe"], check=True)
    return f"no iptables here: {probe.stderr.strip()}" if probe.returncode != 0 else None


def run(name, seconds, directory, loopback=False):
    """Starts a cluster, breaks it as the scenario says with phases of `seconds`, heals it, and reads everything.

    The cluster is left as it is when anything was wrong, with the history beside its directory.
    """
    cluster = Cluster(directory, loopback).up(NODES, DISKS)
    chaos = Chaos(cluster, seconds)
    clients = 4 if name in FEW_CLIENTS else 8
    load = Load(cluster, clients, **(SDK_RETRIES if name in NONE_MAY_FAIL else {})).start()
    violations = []
    chaos.phase("calm")
    try:
        SCENARIOS[name](chaos)
    except (AssertionError, RuntimeError) as error:
        violations.append(f"the scenario did not go through: {error}")
    chaos.phase("healed")
    load.stop()
    under_load = list(load.operations)
    healed = time.monotonic()
    try:
        cluster.wait_until_whole()
    except AssertionError as error:
        violations.append(str(error))
    whole_seconds = time.monotonic() - healed
    keys, unread = load.read_everything()
    violations += unread + history.check(list(load.operations)) + forbidden(name, under_load)
    violations += noticed(chaos.unnoticed, under_load)
    summary = describe(name, under_load, keys, whole_seconds, violations)
    if violations:
        kept = pathlib.Path(directory).with_suffix(".history")
        kept.write_text("".join(f"{operation}\n" for operation in load.operations))
        violations.append(f"history in {kept}, logs in {directory}/node*/log; end it with scripts/cluster down")
    else:
        cluster.run("down")
    return Outcome(summary, violations)


def forbidden(name, operations):
    """What no client may see in a scenario, whatever its history says."""
    # A client error that no client caused, such as a bucket not found; a node whose clock jumps tells clients so.
    refused = [operation for operation in operations if operation.outcome == history.FAILED and operation.note[:1] == "4"]
    allowed = "403 RequestTimeTooSkewed" if name == "clock-jumps" else "never"
    found = [f"refused: {operation}" for operation in refused if not operation.note.startswith(allowed)]
    if name in NONE_MAY_FAIL:
        # A retried conditional write may be refused because of its own first attempt, or of what became of that: answered,
        # and not failed.
        failed = [operation for operation in operations if operation.outcome in (history.FAILED, history.UNKNOWN)]
        answered = ("412", "404")
        found += [f"failed in spite of retries: {operation}" for operation in failed if operation.note[:3] not in answered]
    gap = history.longest_gap(operations, history.WRITES)
    if name not in MAY_STOP and GAP_SECONDS_MAX < gap:
        found.append(f"no write was acknowledged for {gap:.1f} s")
    return found


def noticed(node, operations):
    """Requests through other nodes than `node` that waited for it."""
    if node is None:
        return []
    waited = [operation for operation in operations if UNNOTICED_SECONDS_MAX < operation.end - operation.start]
    return [f"waited for node {node}: {operation}" for operation in waited if operation.node != node]


def describe(name, operations, keys, whole_seconds, violations):
    outcomes = collections.Counter(operation.outcome for operation in operations)
    return (
        f"{name}: {len(operations)} operations on {keys} keys, {outcomes[history.UNKNOWN]} unknown, "
        f"{outcomes[history.FAILED]} failed, longest gap of writes {history.longest_gap(operations, history.WRITES):.1f} s, "
        f"of reads {history.longest_gap(operations, ('get',)):.1f} s, whole after {whole_seconds:.0f} s, "
        f"{len(violations)} violations"
    )

"""What concurrent clients saw, and the offline check that one store, changing one operation at a time, explains it.

Each operation is recorded with the times at which it was sent and answered. Every written body is unique and names
itself, so that a read tells which write it saw. `check` returns the violations in words.
"""

import dataclasses
import math
from collections import defaultdict

ABSENT = "absent"
SPLICED = "spliced"
OK, REFUSED, FAILED, UNKNOWN = "ok", "refused", "failed", "unknown"
WRITES = ("put", "create", "swap", "delete")
STATES_MAX = 300_000


@dataclasses.dataclass(frozen=True)
class Operation:
    """One request and its outcome.

    `kind` is put, create (only if absent), swap (only over `expected`), delete, get or list. `value` is what was
    written or read; the names found, for a list of the prefix `key`. REFUSED: the condition did not hold. FAILED: it
    certainly had no effect. UNKNOWN: it may take effect at any time after `start`.
    """

    kind: str
    key: str
    value: object
    start: float
    end: float
    outcome: str = OK
    expected: str = ABSENT
    node: int = 0
    retried: bool = False
    note: str = ""

    @property
    def until(self):
        """The latest time at which it may have taken effect."""
        return math.inf if self.outcome == UNKNOWN else self.end


def render(value, size):
    """A body of about `size` bytes in which each piece says which value it belongs to."""
    head = f"{value} {size}\n".encode()
    return head + (f"{value}|".encode() * (size // (len(value) + 1) + 1))[:size]


def parse(content):
    """The value that a body names; SPLICED when any byte is not of that value's body."""
    head = content.split(b"\n", 1)[0].decode(errors="replace").split(" ")
    if len(head) != 2 or not head[1].isdigit() or render(head[0], int(head[1])) != content:
        return SPLICED
    return head[0]


def check(operations):
    """All violations of a history, in words."""
    keys, lists = defaultdict(list), []
    for operation in operations:
        if operation.kind == "list":
            lists.append(operation)
        else:
            keys[operation.key].append(operation)
    found = []
    for key, of_key in sorted(keys.items()):
        named = phantoms(of_key) + stale_reads(of_key) + lost_increments(of_key)
        if not named and not linearizable(of_key):
            named = [f"{key}: no order of its operations explains all answers"]
        found += named
    for listing in lists:
        if listing.outcome == OK:
            found += wrong_names(listing, keys)
    return found


def phantoms(operations):
    """Reads of what nobody wrote, of what was refused, of the future, and of mixtures of bodies."""
    written = {}
    for write in operations:
        if write.kind in WRITES and write.outcome in (OK, UNKNOWN):
            written[write.value] = write
    found = []
    for read in reads(operations):
        if read.value == SPLICED:
            found.append(f"{read.key}: spliced body: {read}")
        elif read.value != ABSENT and read.value not in written:
            found.append(f"{read.key}: phantom, nobody wrote it: {read}")
        elif read.value != ABSENT and read.end < written[read.value].start:
            found.append(f"{read.key}: read before it was written: {read}")
    return found


def stale_reads(operations):
    """Reads that began after a newer write was acknowledged; nothing at all found is a lost write."""
    writes = [write for write in operations if write.kind in WRITES and write.outcome in (OK, UNKNOWN)]
    found = []
    for read in reads(operations):
        before = [write for write in writes if write.outcome == OK and write.end < read.start]
        if not before:
            continue
        # What began last among the acknowledged: a write that certainly ended before it began is overwritten.
        newest = max(before, key=lambda write: write.start)
        sources = [write for write in writes if write.value == read.value]
        possible = any(write.start <= read.end and (write.until >= newest.start or write.retried) for write in sources)
        if not possible:
            name = "lost write" if read.value == ABSENT else "stale read"
            found.append(f"{read.key}: {name}: {read} after {newest}")
    return found


def lost_increments(operations):
    """A counter, whose values are COUNT.WRITER, must count each acknowledged increment once and no other twice."""
    increments = [write for write in operations if write.kind in ("create", "swap") and "." in str(write.value)]
    last = [read for read in reads(operations) if read.value not in (ABSENT, SPLICED) and "." in str(read.value)]
    if not increments or not last:
        return []
    read = max(last, key=lambda read: read.start)
    count = int(read.value.split(".")[0])
    least = sum(write.outcome == OK and write.end < read.start for write in increments)
    most = sum(write.outcome in (OK, UNKNOWN) and write.start < read.end for write in increments)
    return [] if least <= count <= most else [f"{read.key}: {least} to {most} increments, and yet {read}"]


def wrong_names(listing, keys):
    """Names that a list left out although they were there all the time, or showed although they never were."""
    found = []
    listed = set(listing.value)
    for key in listed - keys.keys():
        found.append(f"{key}: listed, and nobody wrote it: {listing.start}")
    for key, operations in keys.items():
        if not key.startswith(listing.key):
            continue
        writes = [write for write in operations if write.kind in WRITES and write.outcome in (OK, UNKNOWN)]
        puts = [write for write in writes if write.kind != "delete"]
        deletes = [write for write in writes if write.kind == "delete"]
        if key not in listed and certainly(puts, deletes, listing):
            found.append(f"{key}: missing in the list of node {listing.node} from {listing.start} to {listing.end}")
        started = any(put.start <= listing.end for put in puts)
        if key in listed and (not started or certainly(deletes, puts, listing)):
            found.append(f"{key}: listed by node {listing.node} from {listing.start} to {listing.end}, and absent")
    return found


def certainly(wanted, opposite, listing):
    """Whether one of `wanted` was in force during all of a list, whatever the order of those in flight."""
    before = [write for write in wanted if write.outcome == OK and write.end < listing.start]
    if not before:
        return False
    newest = max(before, key=lambda write: write.start)
    return not any(other.until >= newest.start and other.start <= listing.end for other in opposite)


def reads(operations):
    return [operation for operation in operations if operation.kind == "get" and operation.outcome == OK]


def apply(operation, state):
    """The state after an operation, or None if its answer contradicts the state before."""
    if operation.kind == "get":
        return state if operation.value == state else None
    if operation.kind in ("put", "delete"):
        return operation.value
    required = ABSENT if operation.kind == "create" else operation.expected
    if operation.outcome == REFUSED:
        return state if state != required else None
    return operation.value if state == required else None


def relevant(operations):
    """What a search must place: no failures, no unknown writes that nobody saw; a retried write may act twice.

    A condition that did not hold may have seen any write.
    """
    seen = {operation.value for operation in reads(operations)}
    seen |= {operation.expected for operation in operations if operation.kind == "swap"}
    seen_last = max((operation.end for operation in operations if operation.outcome == REFUSED), default=-math.inf)
    chosen = []
    for operation in operations:
        visible = operation.kind in WRITES and (operation.value in seen | {ABSENT} or operation.start <= seen_last)
        unseen = operation.outcome == UNKNOWN and not visible
        if operation.outcome == FAILED or unseen:
            continue
        chosen.append(operation)
        if operation.retried and operation.kind in WRITES and operation.outcome == OK:
            chosen.append(dataclasses.replace(operation, outcome=UNKNOWN))
    return sorted(chosen, key=lambda operation: operation.start)


def linearizable(operations):
    """Whether some order of the operations, each within its time, gives all the answers (Wing and Gong, 1993).

    What fits and changes nothing is placed at once, which loses no order. Gives up, answering no, after STATES_MAX states.
    """
    chosen = relevant(operations)
    required = sum(1 << index for index, operation in enumerate(chosen) if operation.outcome != UNKNOWN)
    seen, stack = set(), [(0, ABSENT)]
    while stack and len(seen) < STATES_MAX:
        done, state = stack.pop()
        if done & required == required:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        left = [(index, operation) for index, operation in enumerate(chosen) if not done >> index & 1]
        latest = min(operation.until for _, operation in left)
        branches = []
        for index, operation in left:
            if latest < operation.start:
                break
            after = apply(operation, state)
            if after is None:
                continue
            if operation.kind == "get" or operation.outcome == REFUSED:
                branches = [(done | 1 << index, state)]
                break
            branches.append((done | 1 << index, after))
        stack += reversed(branches)
    return False


def longest_gap(operations, kinds):
    """The longest time without an acknowledgement of these kinds, in seconds."""
    ends = sorted(operation.end for operation in operations if operation.kind in kinds and operation.outcome == OK)
    return max((after - before for before, after in zip(ends, ends[1:])), default=math.inf)

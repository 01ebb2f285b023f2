"""The checker of histories must accept what a correct store may do, and catch each way of being wrong."""

import random

import pytest

from history import ABSENT, FAILED, OK, REFUSED, SPLICED, UNKNOWN, Operation, check, parse, render


def put(value, start, end, outcome=OK, **more):
    return Operation("put", "k", value, start, end, outcome, **more)


def get(value, start, end, **more):
    return Operation("get", "k", value, start, end, **more)


def delete(start, end, outcome=OK):
    return Operation("delete", "k", ABSENT, start, end, outcome)


def create(value, start, end, outcome=OK):
    return Operation("create", "k", value, start, end, outcome)


def swap(expected, value, start, end, outcome=OK):
    return Operation("swap", "k", value, start, end, outcome, expected=expected)


def listing(names, start, end):
    return Operation("list", "", names, start, end)


GOOD = {
    "overlapping writes in either order": [put("a", 0, 5), put("b", 1, 4), get("a", 6, 7)],
    "a read during a write, old or new": [put("a", 0, 1), put("b", 2, 9), get("a", 3, 4), get("b", 5, 6)],
    "an unknown write that acts late": [put("a", 0, 1), put("b", 2, 3, UNKNOWN), get("a", 4, 5), get("b", 6, 7)],
    "an unknown write that never acts": [put("a", 0, 1), put("b", 2, 3, UNKNOWN), get("a", 4, 5)],
    "an unknown delete": [put("a", 0, 1), delete(2, 3, UNKNOWN), get(ABSENT, 4, 5)],
    "a failed write": [put("a", 0, 1, FAILED), get(ABSENT, 2, 3)],
    "one of two creates": [create("a", 0, 5), create("b", 0, 5, REFUSED), get("a", 6, 7)],
    "a counter": [create("1.x", 0, 1), swap("1.x", "2.y", 2, 3), swap("1.x", "2.z", 2, 3, REFUSED), get("2.y", 4, 5)],
    "a counter that an unknown increment moved": [create("1.x", 0, 1), swap("1.x", "2.y", 2, 3, UNKNOWN), get("2.y", 4, 5)],
    "a retried write that acts twice": [put("a", 0, 5, retried=True), put("b", 1, 2), get("a", 1, 1.5), get("b", 3, 3.5), get("a", 6, 7)],
    "a list during a write": [put("a", 0, 5), listing((), 1, 2), listing(("k",), 6, 7)],
    "a list after an unknown delete": [put("a", 0, 1), delete(2, 3, UNKNOWN), listing((), 4, 5)],
}

BAD = {
    "phantom": ([put("a", 0, 1), get("z", 2, 3)], "phantom"),
    "a failed write is seen": ([put("a", 0, 1, FAILED), get("a", 2, 3)], "phantom"),
    "a refused create is seen": ([create("a", 0, 1), create("b", 2, 3, REFUSED), get("b", 4, 5)], "phantom"),
    "the future": ([get("a", 0, 1), put("a", 2, 3)], "before it was written"),
    "splice": ([put("a", 0, 1), get(SPLICED, 2, 3)], "spliced"),
    "stale read": ([put("a", 0, 1), put("b", 2, 3), get("a", 4, 5)], "stale read"),
    "lost write": ([put("a", 0, 1), get(ABSENT, 2, 3)], "lost write"),
    "a deleted object comes back": ([put("a", 0, 1), delete(2, 3), get("a", 4, 5)], "stale read"),
    "reads go back in time": ([put("a", 0, 1), put("b", 2, 9), get("b", 3, 4), get("a", 5, 6)], "no order"),
    "an unknown write is undone": ([put("a", 0, 1), put("b", 2, 3, UNKNOWN), get("b", 4, 5), get("a", 6, 7)], "no order"),
    "two creates": ([create("a", 0, 5), create("b", 0, 5)], "no order"),
    "a create over an object": ([put("a", 0, 1), create("b", 2, 3)], "no order"),
    "two increments of one value": (
        [create("1.x", 0, 1), swap("1.x", "2.y", 2, 5), swap("1.x", "2.z", 2, 5), get("2.y", 6, 7)], "increments"),
    "a create refused without an object": ([create("a", 0, 1, REFUSED)], "no order"),
    "a name is missing": ([put("a", 0, 1), listing((), 2, 3)], "missing in the list"),
    "a deleted name is listed": ([put("a", 0, 1), delete(2, 3), listing(("k",), 4, 5)], "and absent"),
    "an unknown name is listed": ([listing(("z",), 0, 1)], "nobody wrote it"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_a_correct_store_may_do_passes(name):
    assert check(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_what_no_correct_store_does_is_caught(name):
    operations, word = BAD[name]
    found = check(operations)
    assert found and word in found[0], found


def simulated(seed, lie=None):
    """A history of three clients on one key of a perfect store; `lie` spoils the answer of a read late in it."""
    generator = random.Random(seed)
    state, clocks, operations = ABSENT, [0.0, 0.0, 0.0], []
    for number in range(120):
        client = min(range(3), key=clocks.__getitem__)
        moment = clocks[client] + generator.random()
        start, end = moment - generator.random() / 2, moment + generator.random() / 2
        kind = generator.choice(["put", "get", "delete", "create", "swap"])
        if kind == "put":
            operations.append(put(f"v{number}", start, end, generator.choice([OK, OK, OK, UNKNOWN])))
            state = f"v{number}"
        elif kind == "delete":
            operations.append(delete(start, end))
            state = ABSENT
        elif kind == "create":
            operations.append(create(f"v{number}", start, end, OK if state == ABSENT else REFUSED))
            state = f"v{number}" if state == ABSENT else state
        elif kind == "swap":
            operations.append(swap(state, f"v{number}", start, end))
            state = f"v{number}"
        else:
            operations.append(get(state, start, end))
        clocks = [max(clock, moment) for clock in clocks]
        clocks[client] = end
    final = get(lie(operations, state) if lie else state, max(clocks) + 10, max(clocks) + 11)
    return operations + [final]


@pytest.mark.parametrize("seed", range(20))
def test_seeded_histories_pass_and_fail_when_spoilt(seed):
    assert check(simulated(seed)) == []

    def older(operations, state):
        return next(write.value for write in operations if write.kind == "put" and write.outcome == OK and write.value != state)

    assert check(simulated(seed, older)) != []
    assert check(simulated(seed, lambda _, state: "v0" if state == ABSENT else ABSENT)) != []


def test_a_body_names_its_value_and_shows_any_mixture():
    one, other = render("a1", 50_000), render("b2", 50_000)
    assert parse(one) == "a1"
    assert parse(render("a1", 0)) == "a1"
    for mixture in (one[:25_000] + other[25_000:], one[:-1], one + b"x", other[:1] + one[1:], b""):
        assert parse(mixture) == SPLICED

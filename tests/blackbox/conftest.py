"""Fixtures: one shared server for the client suites, fresh servers for the tests that break things.

    pytest --cluster DIR             only the client suites, on the running cluster that scripts/cluster keeps in DIR
    pytest --cluster DIR --broken    while someone breaks that cluster: clients retry as SDKs do by default
"""

import itertools
import os

import pytest

from cluster import SDK_RETRIES, AllNodes, Cluster
from stonecrop import Server

_names = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--cluster", metavar="DIR", help="run the client suites on the running cluster of scripts/cluster in DIR")
    parser.addoption("--broken", action="store_true", help="the cluster is being broken: leave out what needs the first answer")


def pytest_configure(config):
    config.addinivalue_line("markers", "one_process: long, and the same whatever cluster the process belongs to")
    config.addinivalue_line("markers", "first_answer: looks at the first answer to a request, which a retry would hide or change")


def pytest_collection_modifyitems(config, items):
    """On a cluster, leaves the tests that use the shared server; on one that breaks, those of them that may retry."""

    def chosen(item):
        if not config.getoption("cluster"):
            return True
        retries_spoil_it = config.getoption("broken") and item.get_closest_marker("first_answer")
        return "server" in item.fixturenames and not item.get_closest_marker("one_process") and not retries_spoil_it

    left_out = [item for item in items if not chosen(item)]
    items[:] = [item for item in items if chosen(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def server(request, tmp_path_factory):
    """A six-disk 4+2 server that all client tests share, or all nodes of the cluster that was named."""
    directory = request.config.getoption("cluster")
    if directory:
        yield AllNodes(Cluster(directory).find(), **(SDK_RETRIES if request.config.getoption("broken") else {}))
        return
    shared = Server(tmp_path_factory.mktemp("shared"), disks=6, flags=["--domain", "s3.localhost"]).start()
    yield shared
    shared.stop()


@pytest.fixture(autouse=True)
def _another_node(request):
    """Each test asks another node of a cluster."""
    if "server" in request.fixturenames:
        request.getfixturevalue("server").turn()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Four nodes of four disks on loopback, for the tests of what is between nodes. A day of lifecycles lasts two seconds."""
    shared = Cluster(tmp_path_factory.mktemp("cluster") / "nodes", loopback=True, settings={"STONECROP_LIFECYCLE_DAY": "2"})
    try:
        shared.up(4, 4)
        yield shared
    finally:
        shared.run("down")


@pytest.fixture
def make_server(tmp_path):
    """Makes servers of its own for a test, and ends what is left of them."""
    made = []

    def make(disks=1, **options):
        made.append(Server(tmp_path / f"server{len(made)}", disks=disks, **options))
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def s3(server):
    return server.client()


@pytest.fixture
def bucket(s3):
    """A fresh, empty bucket."""
    name = f"bucket-{os.getpid()}-{next(_names)}"
    s3.create_bucket(Bucket=name)
    return name

"""How ``pytest -n 2`` divides the tests."""

import os

import pytest


@pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" not in os.environ, reason="in one process: no pytest -n 2"
)
def test_the_tests_of_a_file_run_in_one_process(request):
    """Else what a file builds for all of its tests, such as deploy/cpp, is built in each process."""
    assert request.node.nodeid.endswith("@docs/test_processes.py")

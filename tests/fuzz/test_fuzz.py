"""A fixed part of the fuzzer in every test run."""

import pytest

from .run import run_one


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_programs_agree(start):
    for seed in range(start, start + 50):
        failure, _ = run_one(seed, 16, None)
        assert failure is None, f"seed {seed}: {failure[0]}\n" + "\n".join(failure[1])


def test_programs_that_share_memory_with_numpy_agree():
    for seed in range(60):
        failure, _ = run_one(seed, 16, None, numpy_sharing=True)
        assert failure is None, f"seed {seed}: {failure[0]}\n" + "\n".join(failure[1])


@pytest.mark.parametrize("seed", [3378, 15123])
def test_programs_that_once_failed_agree(seed):
    failure, _ = run_one(seed, 16, None)
    assert failure is None, f"seed {seed}: {failure[0]}\n" + "\n".join(failure[1])

"""What steps free stays in the process: the next step does not fault its pages in again."""

import os
import subprocess
import sys

import pytest

from rushlight.engine.backends.cpu.heap import OWN, keep_freed

PROGRAM = """
import resource
import rushlight as torch
from rushlight.frontend import flush_segment

inputs = [torch.rand(100, 100) for _ in range(32)]

def step():
    made = [x.softmax(-1) for x in inputs]
    flush_segment()

def faults(steps):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults(10)
print(faults(50) / 50)
"""


def faults_a_step(**variables):
    environment = {k: v for k, v in os.environ.items() if k not in OWN} | variables
    run = [sys.executable, "-c", PROGRAM]
    return float(subprocess.run(run, env=environment, capture_output=True, check=True).stdout)


@pytest.mark.skipif(not keep_freed(), reason="only glibc is told (or the user has told it)")
def test_a_step_faults_no_pages_in():
    assert faults_a_step() < 32


def test_what_the_user_says_stays(monkeypatch):
    monkeypatch.setenv(OWN[0], "131072")
    assert not keep_freed()

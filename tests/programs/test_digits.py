"""examples/digits.py: it trains, logs, and goes on after a SIGKILL as if nothing had happened."""

import signal
import subprocess
import sys

import pytest

EPOCHS = 3


@pytest.fixture
def command(example):
    def build(out, *args):
        run = [sys.executable, "-m", "rushlight", "run", str(example), "--out", str(out)]
        return [*run, "--epochs", str(EPOCHS), *args]

    return build


@pytest.fixture
def finish(environment):
    def run(command):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_it_trains_and_logs(command, finish, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    lines = finish(command(tmp_path)).splitlines()
    assert len(lines) == EPOCHS + 1
    assert lines[-1].startswith("test accuracy ") and float(lines[-1].split()[-1]) > 0.9
    log = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    log.Reload()
    assert [event.step for event in log.Scalars("loss/step")] == list(range(1, 45 * EPOCHS + 1))
    assert [event.step for event in log.Scalars("accuracy/test")] == [45, 90, 135]
    assert log.Images("test/wrong")


def kill_after(command, epochs, environment):
    """Start the program and SIGKILL it as soon as it has reported `epochs` epochs."""
    program = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with program:
        for _ in range(epochs):
            assert program.stdout.readline().startswith("epoch")
        program.kill()
    assert program.returncode == -signal.SIGKILL


def test_killed_and_resumed_prints_the_same(command, finish, environment, tmp_path):
    expected = finish(command(tmp_path / "whole"))
    for epochs in range(1, EPOCHS):
        out = tmp_path / f"killed{epochs}"
        kill_after(command(out), epochs, environment)
        assert finish(command(out)) == expected
    # Twice in one run, and once more when it is done.
    out = tmp_path / "killed"
    for epochs in (1, 2):
        kill_after(command(out), epochs, environment)
    assert finish(command(out)) == expected == finish(command(out))


def test_a_checkpoint_of_another_run_is_refused(command, finish, environment, tmp_path):
    finish(command(tmp_path, "--batch-size", "400"))
    other = subprocess.run(
        command(tmp_path, "--seed", "1"), env=environment, capture_output=True, text=True
    )
    assert other.returncode == 1 and "belongs to a run with" in other.stderr
    assert finish(command(tmp_path, "--seed", "1", "--batch-size", "400", "--resume", "never"))

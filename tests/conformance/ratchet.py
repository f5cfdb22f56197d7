"""What passed stays passing: ``python tests/conformance/ratchet.py`` (PyTorch 2.13 beside rushlight).

passing.json lists, per family, the items that agree with PyTorch's own databases. Every one of them
is run again; one that fails fails the run. ``--update`` rewrites the file from everything that passes.
SAMPLES bounds the samples per operator and dtype (spread evenly over the database's), so that a run
fits two cores in about fifteen minutes; ``--all-samples`` lifts it.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
LIST = HERE / "passing.json"
FAMILIES = ("ops", "modules", "optims", "schedulers", "rng", "errors")
SAMPLES = {"ops": 4, "modules": 4}


def run(family, names, samples, jobs):
    """{item: passed} of one family, restricted to names where given."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.json"
        command = [
            sys.executable,
            str(HERE / "run.py"),
            "--candidate",
            "rushlight",
            family,
            "--json",
            str(out),
            "--jobs",
            str(jobs),
            "--show-failures",
            "0",
        ]
        if samples:
            command += ["--max-samples", str(samples)]
        if names is not None:
            command += ["--only", "^(" + "|".join(map(re.escape, names)) + ")$"]
        subprocess.run(command, check=False, stdout=sys.stderr)
        found = json.loads(out.read_text())["families"][family]
    return {name: item["status"] == "pass" for name, item in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--all-samples", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("families", nargs="*", default=FAMILIES)
    options = parser.parse_args()
    listed = json.loads(LIST.read_text()) if LIST.exists() else {}
    passed, failed = 0, []
    for family in options.families:
        names = None if options.update else listed.get(family, [])
        if names == []:
            continue
        samples = None if options.all_samples else SAMPLES.get(family)
        found = run(family, names, samples, options.jobs)
        good = sorted(n for n, ok in found.items() if ok)
        if options.update:
            listed[family] = good
        passed += len(good)
        failed += [f"{family} {n}" for n in (names or ()) if not found.get(n)]
    if options.update:
        LIST.write_text(json.dumps(listed, indent=1) + "\n")
    for name in failed:
        print(f"no longer passes: {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

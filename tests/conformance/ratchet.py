"""What passed stays passing: ``python tests/conformance/ratchet.py`` (PyTorch 2.13 beside rushlight).

passing.json lists, per family, the items that agree with PyTorch's own databases. Every one of them
is run again; one that fails fails the run. SAMPLES bounds the samples per item (per dtype, spread
evenly over the database's), so that CI's two cores need about fifteen minutes; `--all-samples` lifts
it. `--new` also runs what is not listed and names what could be; `--update` writes the list anew
from a run with all samples.
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
QUICK = ["--max-samples", "3", "--dtypes", "float32,int64,complex64"]


def run(family, names, extra, jobs):
    """{item: passed} of one family, restricted to names where given."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.json"
        command = [sys.executable, str(HERE / "run.py"), family, "--json", str(out), *extra]
        command += ["--jobs", str(jobs), "--show-failures", "0"]
        if names is not None:
            command += ["--only", "^(" + "|".join(map(re.escape, names)) + ")$"]
        subprocess.run(command, check=False, stdout=sys.stderr, cwd=HERE.parents[1])
        found = json.loads(out.read_text())["families"][family]
    return {name: item["status"] for name, item in found.items()}


def extra_options(family, options):
    """How much of each item is run."""
    if options.quick:
        return QUICK
    if options.all_samples or options.update or family not in SAMPLES:
        return []
    return ["--max-samples", str(SAMPLES[family])]


def judge(family, listed, options):
    """(items that pass, listed ones that do not any more)."""
    if not listed and not options.update and not options.new:
        return [], []
    everything = options.update or options.new
    found = run(
        family, None if everything else listed, extra_options(family, options), options.jobs
    )
    passing = sorted(name for name, status in found.items() if status == "pass")
    # without a sample under the chosen dtypes nothing is said about an item
    unjudged = {name for name, status in found.items() if status in ("no samples", "unmapped")}
    return passing, [f"{family} {n}" for n in listed if n not in passing and n not in unjudged]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write passing.json anew")
    parser.add_argument("--new", action="store_true", help="name passing items that are not listed")
    parser.add_argument("--quick", action="store_true", help="3 samples of 3 dtypes per item")
    parser.add_argument("--all-samples", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("families", nargs="*", default=FAMILIES, metavar="FAMILY")
    options = parser.parse_args()
    known = json.loads(LIST.read_text()) if LIST.exists() else {}
    passed, failed = 0, []
    for family in options.families:
        listed = known.get(family, [])
        passing, lost = judge(family, listed, options)
        for name in sorted(set(passing) - set(listed)) if options.new else ():
            print(f"passes, not listed: {family} {name}")
        known[family] = passing if options.update else listed
        passed, failed = passed + len(passing), failed + lost
    if options.update:
        LIST.write_text(json.dumps(known, indent=1) + "\n")
    for name in failed:
        print(f"no longer passes: {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed and not options.update else 0


if __name__ == "__main__":
    raise SystemExit(main())

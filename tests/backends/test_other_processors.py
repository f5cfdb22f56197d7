"""Kernels compiled for processors other than this one: LLVM ends the process where it cannot."""

import subprocess
import sys

import pytest

pytest.importorskip("llvmlite.binding")

PROGRAM = """
import itertools
import re

import llvmlite.binding as llvm

import rushlight as torch
from rushlight.engine.backends.cpu import pool
from rushlight.engine.backends.cpu.jit import Jit

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
MACHINES = [  # triple, processor, features, preferred vector width
    (X86, "haswell", "+avx2,+fma,+f16c", 256),
    (X86, "skylake-avx512", "", 256),
    (X86, "znver4", "", 512),
    (ARM, "neoverse-n1", "", 128),
]
here, compiled = Jit._compile, 0

def everywhere(self, text, optimize):
    global compiled
    for triple, cpu, features, width in MACHINES:
        target = llvm.Target.from_triple(triple)
        machine = target.create_target_machine(cpu=cpu, features=features, opt=3)
        ours = text
        for x86 in (True, False):
            pause = f"call void {pool.PAUSE[triple == X86]}"
            ours = ours.replace(f"call void {pool.PAUSE[x86]}", pause)
        module = llvm.parse_assembly(re.sub('(?<="prefer-vector-width"=")[0-9]+', str(width), ours))
        module.triple = triple
        tuning = llvm.create_pipeline_tuning_options(3)
        tuning.loop_vectorization = True
        passes = llvm.create_pass_builder(machine, tuning)
        passes.getModulePassManager().run(module, passes)
        assert machine.emit_object(module)
        compiled += 1
    return here(self, text, optimize)

Jit._compile = everywhere
names = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()
for source, target in itertools.product(names, names):
    t = torch.tensor([0, 1, 1, 0]).to(getattr(torch, source)).to(getattr(torch, target))
    assert t.tolist() == [0, 1, 1, 0], (source, target)
for name in ("float16", "bfloat16", "float32", "float64"):
    x = torch.rand(3, 40, dtype=torch.float64).to(getattr(torch, name))
    for f in (torch.exp, torch.sin, torch.tanh, torch.erf, torch.log1p, torch.sum, torch.var):
        f(x).tolist()
    torch.softmax(x, 0).tolist(), torch.softmax(x, 1).tolist(), x.max(1).values.tolist()
    torch.nn.functional.layer_norm(x, (40,)).tolist()
print("fine" if compiled > 100 else compiled)
"""


def test_kernels_compile_for_them(tmp_path, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_CACHE_DIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr[-2000:]

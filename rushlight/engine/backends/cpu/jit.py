"""LLVM: text in, function addresses out; objects come from the disk cache where they can.

llvmlite is imported here, on the first compilation of a process.
"""

import ctypes
import threading

from ...runtime import cache
from .vmath import module_text

METADATA = """
attributes #0 = {{ nounwind "prefer-vector-width"="{width}" }}
!0 = !{{}}
!1 = distinct !{{!1, !3}}
!2 = distinct !{{}}
!3 = !{{!"llvm.loop.parallel_accesses", !2}}
"""
# The table interpreter: code = [count, (function, arguments) ..].
RUNNER = """
@staged = internal global [2 x ptr] zeroinitializer
define ptr @{name}_stage() {{
  ret ptr @staged
}}
define void @{name}() {{
entry:
  %code = load ptr, ptr @staged
  %second = getelementptr ptr, ptr @staged, i64 1
  %tab = load ptr, ptr %second
  %count = load i64, ptr %code
  %first = getelementptr i64, ptr %code, i64 1
  br label %next
next:
  %i = phi i64 [0, %entry], [%n, %next]
  %at = mul i64 %i, 2
  %p = getelementptr i64, ptr %first, i64 %at
  %f = load ptr, ptr %p
  %q = getelementptr i64, ptr %p, i64 1
  %a = load ptr, ptr %q
  call void %f(ptr %tab, ptr %a)
  %n = add i64 %i, 1
  %more = icmp ult i64 %n, %count
  br i1 %more, label %next, label %done
done:
  ret void
}}
"""


class Jit:
    """One process's compiler; made on first use."""

    def __init__(self):
        import llvmlite.binding as llvm

        self.llvm = llvm
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.cpu = llvm.get_host_cpu_name()
        features = llvm.get_host_cpu_features()
        self.features = features.flatten()
        self.width = 512 if features.get("avx512f") else 256 if features.get("avx2") else 128
        self.machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=self.cpu, features=self.features, opt=3, jit=True
        )
        empty = llvm.parse_assembly("")
        self.engine = llvm.create_mcjit_compiler(
            empty,
            llvm.Target.from_default_triple().create_target_machine(
                cpu=self.cpu, features=self.features, opt=3, jit=True
            ),
        )
        self.addresses = {}
        self._make_runner()

    def _make_runner(self):
        address = self.function(RUNNER, {"name": "rl_run"})
        self.run = ctypes.CFUNCTYPE(None)(address)
        self.run_holding_gil = ctypes.PYFUNCTYPE(None)(address)
        stage = ctypes.CFUNCTYPE(ctypes.c_void_p)(
            self.engine.get_function_address(self.names[RUNNER] + "_stage")
        )()
        self.staged = (ctypes.c_int64 * 2).from_address(stage)

    names: dict = {}

    def function(self, text, fields=None):
        """The address of the function `text` defines under the name {name}."""
        found = self.addresses.get(text)
        if found is None:
            found = self.addresses[text] = self._load(text)
        return found

    def _load(self, text):
        key = cache.key_of(text, self.cpu, self.features, self.llvm.llvm_version_info.__repr__())
        name = self.names[text] = "k" + key
        code = cache.load(key)
        if code is None or not self._add(code, name):
            code = self._compile(text.format(name=name))
            cache.counters["compiled"] += 1
            cache.store(key, code)
            self._add(code, name)
        return self.engine.get_function_address(name)

    def _add(self, code, name):
        try:
            self.engine.add_object_file(self.llvm.ObjectFileRef.from_data(code))
        except (RuntimeError, ValueError):
            return False
        self.engine.finalize_object()
        return bool(self.engine.get_function_address(name))

    def _compile(self, text):
        llvm = self.llvm
        module = llvm.parse_assembly(text)
        module.verify()
        tuning = llvm.create_pipeline_tuning_options(3)
        tuning.loop_vectorization = True
        passes = llvm.create_pass_builder(self.machine, tuning)
        passes.getModulePassManager().run(module, passes)
        return self.machine.emit_object(module)

    def kernel_text(self, function, declarations, math):
        """A whole module around one kernel; its name stays {name} until it is compiled."""
        math_text = module_text(math) if math else ""
        known = set(math_text.splitlines())
        extra = "\n".join(d for d in declarations if d not in known)
        body = "\n".join((extra, math_text)).replace("{", "{{").replace("}", "}}")
        return (
            body
            + function
            + METADATA.format(width=self.width).replace("{", "{{").replace("}", "}}")
        )


_lock = threading.Lock()
_made: list = []


def jit():
    """The process's Jit."""
    with _lock:
        if not _made:
            _made.append(Jit())
        return _made[0]

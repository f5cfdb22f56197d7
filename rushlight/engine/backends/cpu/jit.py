"""LLVM: text in, function addresses out; objects come from the disk cache where they can.

llvmlite is imported here, on the first compilation of a process.
"""

import ctypes
import platform
import threading

from ...runtime import cache
from . import pool
from .address import DATA, ITEMS, READABLE
from .expressions import FIRST_LOOP
from .vmath import module_text

METADATA = """
attributes #0 = {{ nounwind "prefer-vector-width"="{width}" }}
!0 = !{{}}
!2 = distinct !{{}}
!3 = !{{!"llvm.loop.parallel_accesses", !2}}
"""
# How native code finds the arrays it is handed: in the items of a list, each an array's object, or
# in a table of addresses.
_ITEMS = f"""%items.at = getelementptr i8, ptr %given, i64 {ITEMS}
  %items = load ptr, ptr %items.at"""
_DATA = f"""%data.at = getelementptr i8, ptr %item, i64 {DATA}
  %data = load ptr, ptr %data.at"""
_SAME = "%{0} = getelementptr i8, ptr %{1}, i64 0"
# The table interpreter: code = [table, number of arrays, count, then of each kernel: its address,
# its arguments', tasks, work].  First the address of every array goes into the table, entry 1 and
# on.  It stops where a check failed (cell 0 of table entry 0).
RUNNER = """
@staged = internal global [2 x ptr] zeroinitializer
define ptr @NAME_stage() {
  ret ptr @staged
}
define void @NAME() {
entry:
  %code = load ptr, ptr @staged
  %second = getelementptr ptr, ptr @staged, i64 1
  %given = load ptr, ptr %second
  ITEMS
  %tab = load ptr, ptr %code
  %size.at = getelementptr i64, ptr %code, i64 1
  %size = load i64, ptr %size.at
  br label %read
read:
  %k = phi i64 [0, %entry], [%k.next, %read]
  %item.at = getelementptr ptr, ptr %items, i64 %k
  %item = load ptr, ptr %item.at
  DATA
  %k.next = add i64 %k, 1
  %slot = getelementptr ptr, ptr %tab, i64 %k.next
  store ptr %data, ptr %slot
  %unread = icmp ult i64 %k.next, %size
  br i1 %unread, label %read, label %ready
ready:
  %cells = load ptr, ptr %tab
  %count.at = getelementptr i64, ptr %code, i64 2
  %count = load i64, ptr %count.at
  %first = getelementptr i64, ptr %code, i64 3
  br label %next
next:
  %i = phi i64 [0, %ready], [%n, %ran]
  %at = mul i64 %i, 4
  %p = getelementptr i64, ptr %first, i64 %at
  %f = load ptr, ptr %p
  %q = getelementptr i64, ptr %p, i64 1
  %a = load ptr, ptr %q
  %r = getelementptr i64, ptr %p, i64 2
  %tasks = load i64, ptr %r
  %several = icmp ugt i64 %tasks, 1
  br i1 %several, label %threads, label %alone
threads:
  %s = getelementptr i64, ptr %p, i64 3
  %work = load i64, ptr %s
  call void @region(ptr %f, ptr %tab, ptr %a, i64 %tasks, i64 %work)
  br label %ran
alone:
  %scratch = load ptr, ptr @scratch
  call void %f(ptr %tab, ptr %a, i64 -1, ptr %scratch)
  br label %ran
ran:
  %failed = load i64, ptr %cells
  %fine = icmp eq i64 %failed, 0
  %n = add i64 %i, 1
  %more = icmp ult i64 %n, %count
  %on = and i1 %fine, %more
  br i1 %on, label %next, label %done
done:
  ret void
}
"""
RUNNER = RUNNER.replace("ITEMS", _ITEMS if READABLE else _SAME.format("items", "given")).replace(
    "DATA", _DATA if READABLE else _SAME.format("data", "item")
)
RUNNER += pool.text()


class Jit:
    """One process's compiler; made on first use.

    A kernel's text calls its function @NAME; what is compiled is named after the hash of text, CPU
    and versions, which is also its name in the disk cache.
    """

    def __init__(self):
        import llvmlite
        import llvmlite.binding as llvm

        self.llvm = llvm
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.cpu = llvm.get_host_cpu_name()
        features = llvm.get_host_cpu_features()
        self.features = features.flatten()
        # Elsewhere LLVM would call libraries for fma and half types that no one links here.
        self.usable = not _is_x86() or bool(features.get("fma") and features.get("f16c"))
        self.width = 512 if features.get("avx512f") else 256 if features.get("avx2") else 128
        self.version = f"{llvmlite.__version__} {llvm.llvm_version_info}"
        self.machine = self._machine()
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), self._machine())
        self.addresses = {}  # name -> address
        pool.add_symbols(llvm)
        self._make_runner()

    def _machine(self):
        return self.llvm.Target.from_default_triple().create_target_machine(
            cpu=self.cpu, features=self.features, opt=3, jit=True
        )

    def _make_runner(self):
        (address,) = self.functions([RUNNER])
        self.run = ctypes.CFUNCTYPE(None)(address)
        self.run_holding_gil = ctypes.PYFUNCTYPE(None)(address)
        place = ctypes.CFUNCTYPE(ctypes.c_void_p)(self._of_runner("stage"))()
        self.staged = memoryview((ctypes.c_int64 * 2).from_address(place)).cast("B").cast("q")

        self.pool = pool.Pool(self._of_runner)

    def _of_runner(self, name):
        return self.engine.get_function_address(f"{self._name(RUNNER)}_{name}")

    def _name(self, text):
        return "k" + cache.key_of(text, self.cpu, self.features, self.version)

    def functions(self, texts, optimize=True):
        """The addresses of the functions these texts define, from the disk cache where they are;
        `optimize`: by LLVM's passes, which loops of scalar code need to become vectors."""
        names = [self._name(text) for text in texts]
        with _compiling:
            wanted = {n: t for n, t in zip(names, texts, strict=True) if n not in self.addresses}
            for name, text in wanted.items():
                code = cache.load(name)
                if code is None or not self._add(code):
                    code = self._compile(text.replace("@NAME", f"@{name}"), optimize)
                    cache.counters["compiled"] += 1
                    cache.store(name, code)
                    self._add(code)
            if wanted:
                self.engine.finalize_object()
            for name in wanted:
                self.addresses[name] = self.engine.get_function_address(name)
        return [self.addresses[name] for name in names]

    def _add(self, code):
        try:
            self.engine.add_object_file(self.llvm.ObjectFileRef.from_data(code))
        except (RuntimeError, ValueError):
            return False
        return True

    def _compile(self, text, optimize):
        llvm = self.llvm
        module = llvm.parse_assembly(text)
        if optimize:
            tuning = llvm.create_pipeline_tuning_options(3)
            tuning.loop_vectorization = True
            passes = llvm.create_pass_builder(self.machine, tuning)
            passes.getModulePassManager().run(module, passes)
        return self.machine.emit_object(module)

    def kernel_text(self, function, declarations, math, loops, narrow):
        """A whole module around one kernel; `narrow`: with 256-bit vectors."""
        math_text = module_text(math) if math else ""
        known = set(math_text.splitlines())
        extra = "\n".join(d for d in declarations if d not in known)
        width = min(self.width, 256) if narrow else self.width
        nodes = range(FIRST_LOOP + 1, FIRST_LOOP + 1 + loops)
        metadata = "\n".join(f"!{n} = distinct !{{!{n}, !3}}" for n in nodes)
        return "\n".join((extra, math_text, function, METADATA.format(width=width), metadata))


def _is_x86():
    return platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")


_compiling = threading.RLock()
_lock = threading.Lock()
_made: list = []


def jit():
    """The process's Jit."""
    with _lock:
        if not _made:
            _made.append(Jit())
        return _made[0]

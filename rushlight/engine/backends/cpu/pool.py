"""Threads that run the tasks of one kernel side by side.

A helper is a Python thread inside one native call. The thread that runs a plan (the caller)
publishes a kernel with a number of tasks; caller and helpers claim tasks from a counter, and the
caller waits until all are done. Finished tasks are counted, not threads, so a helper that the
system does not run delays nobody unless it holds a task. A claimed task keeps its job from ending,
so what is read after a claim belongs to it.

Waiting is first a bounded spin, then a wait on the address of a word, which Linux, macOS and
Windows offer alike. Where threads do not pay there is one: while helpers sleep and there is little
to do; where a helper would run on the caller's own processor; and for some time after threads
took longer than the caller would have, as beside other busy processes.

A task's result does not depend on who runs it, so results are the same for any number of threads.
"""

import atexit
import ctypes
import os
import platform
import sys
import threading

import numpy as np

from ...runtime import threads
from .address import address, aligned_empty

MOST_THREADS = 256
SPIN = 200_000  # nanoseconds a helper looks for work before it sleeps
JOIN = 20_000  # the same of a caller for tasks that others still run
WAKE = 200_000  # of work done alone that sleeping helpers are worth waking for
LOSS, CREDIT = 20_000, 4_000_000  # lost by threads before they rest; gained, that counts
REST, LONGEST_REST = 500_000, 32_000_000

X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
FUTEX = {True: "202", False: "98"}  # the system call's number on x86-64 or elsewhere
PAUSE = {True: "@llvm.x86.sse2.pause()", False: "@llvm.aarch64.hint(i32 1)"}
# What a system offers: wait while a word is as it was seen, wake those who do, the time in
# nanoseconds, and the processor we are on (-1: it does not say).
LINUX = """
declare i64 @syscall(i64, ...)
declare i32 @clock_gettime(i32, ptr)
declare i32 @sched_getcpu()
define internal void @wait(ptr %word, i32 %seen) {
  %r = call i64 (i64, ...) @syscall(i64 FUTEX, ptr %word, i64 128, i32 %seen, ptr null)
  ret void
}
define internal void @wake(ptr %word) {
  %r = call i64 (i64, ...) @syscall(i64 FUTEX, ptr %word, i64 129, i32 2147483647)
  ret void
}
define internal i64 @now() {
  %at = alloca [2 x i64]
  %r = call i32 @clock_gettime(i32 1, ptr %at)
  %s = load i64, ptr %at
  %n.at = getelementptr i64, ptr %at, i64 1
  %n = load i64, ptr %n.at
  %b = mul i64 %s, 1000000000
  %t = add i64 %b, %n
  ret i64 %t
}
define internal i32 @here() {
  %c = call i32 @sched_getcpu()
  ret i32 %c
}
"""
MACOS = """
declare i32 @__ulock_wait(i32, ptr, i64, i32)
declare i32 @__ulock_wake(i32, ptr, i64)
declare i64 @clock_gettime_nsec_np(i32)
define internal void @wait(ptr %word, i32 %seen) {
  %v = zext i32 %seen to i64
  %r = call i32 @__ulock_wait(i32 1, ptr %word, i64 %v, i32 0)
  ret void
}
define internal void @wake(ptr %word) {
  %r = call i32 @__ulock_wake(i32 257, ptr %word, i64 0)
  ret void
}
define internal i64 @now() {
  %t = call i64 @clock_gettime_nsec_np(i32 8)
  ret i64 %t
}
define internal i32 @here() {
  ret i32 -1
}
"""
WINDOWS = """
declare i32 @WaitOnAddress(ptr, ptr, i64, i32)
declare void @WakeByAddressAll(ptr)
declare void @GetSystemTimePreciseAsFileTime(ptr)
define internal void @wait(ptr %word, i32 %seen) {
  %at = alloca i32
  store i32 %seen, ptr %at
  %r = call i32 @WaitOnAddress(ptr %word, ptr %at, i64 4, i32 -1)
  ret void
}
define internal void @wake(ptr %word) {
  call void @WakeByAddressAll(ptr %word)
  ret void
}
define internal i64 @now() {
  %at = alloca i64
  call void @GetSystemTimePreciseAsFileTime(ptr %at)
  %t = load i64, ptr %at
  %n = mul i64 %t, 100
  ret i64 %n
}
define internal i32 @here() {
  ret i32 -1
}
"""
UNKNOWN = """
define internal void @wait(ptr %word, i32 %seen) {
  ret void
}
define internal void @wake(ptr %word) {
  ret void
}
define internal i64 @now() {
  ret i64 0
}
define internal i32 @here() {
  ret i32 -1
}
"""  # where no helper is ever started
SYSTEMS = {"linux": LINUX, "darwin": MACOS, "win32": WINDOWS}
LIBRARIES = {  # functions the process does not find by name
    "win32": {
        "api-ms-win-core-synch-l1-2-0": ("WaitOnAddress", "WakeByAddressAll"),
        "kernel32": ("GetSystemTimePreciseAsFileTime",),
    }
}

# Words that several threads write have a cache line each. `next` counts up from 2**31 - tasks to
# 2**31, whose sign says that none is left.
POOL = f"""
declare void @llvm.x86.sse2.pause()
declare void @llvm.aarch64.hint(i32)
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
@number = internal global [16 x i32] zeroinitializer, align 64 ; of jobs published
@next = internal global [16 x i32] [i32 -2147483648, {", ".join(["i32 0"] * 15)}], align 64
@done = internal global [16 x i32] zeroinitializer, align 64
@sleepers = internal global [16 x i32] zeroinitializer, align 64
@waits = internal global [16 x i32] zeroinitializer, align 64 ; does the caller sleep?
@place = internal global [16 x i32] zeroinitializer, align 64 ; the caller's processor
@helper = internal global [16 x i32] zeroinitializer, align 64 ; that of the last helper to look
@quit = internal global [16 x i32] zeroinitializer, align 64
@threads = internal global [16 x i32] zeroinitializer, align 64
@job = internal global [8 x i64] zeroinitializer, align 64 ; kernel, table, arguments, tasks
@until = internal global [8 x i64] zeroinitializer, align 64 ; when to try threads again
@rest = internal global i64 0
@credit = internal global i64 0
@alone = internal global i64 0 ; work done while helpers sleep
@scratch = internal global [{MOST_THREADS} x ptr] zeroinitializer, align 64

define internal i1 @stacked() {{ ; is this helper on the caller's processor?
  %me = call i32 @here()
  store atomic i32 %me, ptr @helper monotonic, align 4
  %caller = load atomic i32, ptr @place monotonic, align 4
  %known = icmp sge i32 %me, 0
  %same = icmp eq i32 %me, %caller
  %both = and i1 %known, %same
  ret i1 %both
}}

define internal i64 @tasks(i64 %thread) {{ ; run tasks until none is left; how many it were
entry:
  %scratch.at = getelementptr ptr, ptr @scratch, i64 %thread
  %scratch = load ptr, ptr %scratch.at
  %helps = icmp ne i64 %thread, 0
  br label %again
again:
  %own = phi i64 [0, %entry], [%more, %counted]
  br i1 %helps, label %look, label %claim
look:
  %stacked = call i1 @stacked()
  br i1 %stacked, label %out, label %claim
claim:
  %c = atomicrmw add ptr @next, i32 1 acq_rel
  %ok = icmp sge i32 %c, 0
  br i1 %ok, label %run, label %out
run:
  %kernel = load ptr, ptr @job
  %tab = load ptr, ptr getelementptr (i64, ptr @job, i64 1)
  %args = load ptr, ptr getelementptr (i64, ptr @job, i64 2)
  %count = load i32, ptr getelementptr (i64, ptr @job, i64 3)
  %left = sub i32 2147483647, %c
  %task = zext i32 %left to i64
  call void %kernel(ptr %tab, ptr %args, i64 %task, ptr %scratch)
  %more = add i64 %own, 1
  %before = atomicrmw add ptr @done, i32 1 seq_cst
  %after = add i32 %before, 1
  %last = icmp eq i32 %after, %count
  br i1 %last, label %finish, label %counted
finish:
  %waits = load atomic i32, ptr @waits seq_cst, align 4
  %asleep = icmp ne i32 %waits, 0
  br i1 %asleep, label %tell, label %counted
tell:
  call void @wake(ptr @done)
  br label %counted
counted:
  br label %again
out:
  ret i64 %own
}}

define void @NAME_help(i64 %thread) {{ ; what a helper does all its life
entry:
  %first = load atomic i32, ptr @number acquire, align 4
  br label %begin
begin:
  %seen = phi i32 [%first, %entry], [%number, %worked], [%seen, %sleep]
  %since = call i64 @now()
  br label %poll
poll:
  %spins = phi i32 [0, %begin], [%spun, %spin.on]
  %number = load atomic i32, ptr @number acquire, align 4
  %new = icmp ne i32 %number, %seen
  br i1 %new, label %go, label %spin
spin:
  call void PAUSE
  %spun = add i32 %spins, 1
  %some = and i32 %spun, 31
  %look = icmp eq i32 %some, 1
  br i1 %look, label %judge, label %spin.on
judge:
  %stacked = call i1 @stacked()
  br i1 %stacked, label %sleep, label %timed
timed:
  %t = call i64 @now()
  %spent = sub i64 %t, %since
  %tired = icmp sgt i64 %spent, {SPIN}
  br i1 %tired, label %sleep, label %spin.on
spin.on:
  br label %poll
sleep:
  %b = atomicrmw add ptr @sleepers, i32 1 seq_cst
  call void @wait(ptr @number, i32 %seen)
  %a = atomicrmw sub ptr @sleepers, i32 1 seq_cst
  br label %begin
go:
  %quit = load atomic i32, ptr @quit acquire, align 4
  %ends = icmp ne i32 %quit, 0
  br i1 %ends, label %out, label %asked
asked:
  %threads = load atomic i32, ptr @threads monotonic, align 4
  %most = zext i32 %threads to i64
  %mine = icmp ult i64 %thread, %most
  br i1 %mine, label %work, label %worked
work:
  %own = call i64 @tasks(i64 %thread)
  br label %worked
worked:
  br label %begin
out:
  ret void
}}

; One kernel, of so many tasks and about so many nanoseconds of work.
define internal void @region(ptr %kernel, ptr %tab, ptr %args, i64 %count, i64 %work) {{
entry:
  %threads = load atomic i32, ptr @threads monotonic, align 4
  %one = icmp slt i32 %threads, 2
  br i1 %one, label %alone, label %many
many:
  %start = call i64 @now()
  %until = load i64, ptr @until
  %resting = icmp slt i64 %start, %until
  br i1 %resting, label %alone, label %rested
rested:
  %here = call i32 @here()
  store atomic i32 %here, ptr @place monotonic, align 4
  %sleepers = load atomic i32, ptr @sleepers seq_cst, align 4
  %helpers = sub i32 %threads, 1
  %asleep = icmp sge i32 %sleepers, %helpers
  br i1 %asleep, label %count.up, label %awake
count.up:
  %so.far = load i64, ptr @alone
  %sum = add i64 %so.far, %work
  %enough = icmp sge i64 %sum, {WAKE}
  %kept = select i1 %enough, i64 0, i64 %sum
  store i64 %kept, ptr @alone
  br i1 %enough, label %publish, label %alone
awake:
  store i64 0, ptr @alone
  %single = icmp eq i32 %helpers, 1
  %known = icmp sge i32 %here, 0
  %other = load atomic i32, ptr @helper monotonic, align 4
  %same = icmp eq i32 %here, %other
  %s1 = and i1 %single, %known
  %stacked = and i1 %s1, %same
  br i1 %stacked, label %alone, label %publish
alone:
  %scratch = load ptr, ptr @scratch
  call void %kernel(ptr %tab, ptr %args, i64 -1, ptr %scratch)
  ret void
publish:
  %n = trunc i64 %count to i32
  store ptr %kernel, ptr @job
  store ptr %tab, ptr getelementptr (i64, ptr @job, i64 1)
  store ptr %args, ptr getelementptr (i64, ptr @job, i64 2)
  store i32 %n, ptr getelementptr (i64, ptr @job, i64 3)
  store atomic i32 0, ptr @waits monotonic, align 4
  store atomic i32 0, ptr @done monotonic, align 4
  %from = sub i32 -2147483648, %n
  store atomic i32 %from, ptr @next release, align 4
  %g = atomicrmw add ptr @number, i32 1 seq_cst
  %sleep = load atomic i32, ptr @sleepers seq_cst, align 4
  %any = icmp ne i32 %sleep, 0
  br i1 %any, label %rouse, label %begin
rouse:
  call void @wake(ptr @number)
  br label %begin
begin:
  %own = call i64 @tasks(i64 0)
  %mine = call i64 @now()
  br label %join
join:
  %d = load atomic i32, ptr @done acquire, align 4
  %all = icmp eq i32 %d, %n
  br i1 %all, label %joined, label %linger
linger:
  call void PAUSE
  %t = call i64 @now()
  %waited = sub i64 %t, %mine
  %long = icmp sgt i64 %waited, {JOIN}
  br i1 %long, label %doze, label %join
doze:
  store atomic i32 1, ptr @waits seq_cst, align 4
  %d2 = load atomic i32, ptr @done seq_cst, align 4
  %all2 = icmp eq i32 %d2, %n
  br i1 %all2, label %joined, label %sleeps
sleeps:
  call void @wait(ptr @done, i32 %d2)
  br label %join
joined:
  %end = call i64 @now()
  %some = icmp sgt i64 %own, 0
  br i1 %some, label %judge, label %out
judge: ; against what the tasks would have taken the caller alone
  %busy = sub i64 %mine, %start
  %scaled = mul i64 %busy, %count
  %expected = udiv i64 %scaled, %own
  %took = sub i64 %end, %start
  %raw = sub i64 %expected, %took
  %won = call i64 @llvm.smax.i64(i64 %raw, i64 0)
  %gain = select i1 %any, i64 %won, i64 %raw ; waking is no loss
  %credit = load i64, ptr @credit
  %c1 = add i64 %credit, %gain
  %c2 = call i64 @llvm.smin.i64(i64 %c1, i64 {CREDIT})
  %rest = load i64, ptr @rest
  %lost = icmp slt i64 %c2, -{LOSS}
  br i1 %lost, label %retire, label %go.on
retire:
  %twice = mul i64 %rest, 2
  %longer = add i64 %twice, {REST}
  %bounded = call i64 @llvm.smin.i64(i64 %longer, i64 {LONGEST_REST})
  %back = add i64 %end, %bounded
  store i64 %back, ptr @until
  store i64 %bounded, ptr @rest
  store i64 0, ptr @credit
  ret void
go.on:
  %quarter = sdiv i64 %won, 4
  %less = sub i64 %rest, %quarter
  %shorter = call i64 @llvm.smax.i64(i64 %less, i64 0)
  store i64 %shorter, ptr @rest
  store i64 %c2, ptr @credit
  ret void
out:
  ret void
}}

define void @NAME_set(i32 %threads) {{
  store atomic i32 %threads, ptr @threads seq_cst, align 4
  ret void
}}
define void @NAME_scratch(i64 %thread, ptr %memory) {{
  %at = getelementptr ptr, ptr @scratch, i64 %thread
  store ptr %memory, ptr %at
  ret void
}}
define void @NAME_forked() {{ ; the process a fork makes has no helpers
  store i32 0, ptr @sleepers
  store i32 0, ptr @quit
  store i32 -2147483648, ptr @next
  store i64 0, ptr @until
  ret void
}}
define void @NAME_stop() {{
  store atomic i32 1, ptr @quit seq_cst, align 4
  %g = atomicrmw add ptr @number, i32 1 seq_cst
  call void @wake(ptr @number)
  ret void
}}
"""


def text(system=sys.platform, x86=X86):
    """LLVM text of the pool: ``@region``, which the table interpreter calls, and what Pool does."""
    found = SYSTEMS.get(system, UNKNOWN).replace("FUTEX", FUTEX[x86])
    return found + POOL.replace("PAUSE", PAUSE[x86])


class Pool:
    """The helpers of a process, started when they are first needed.

    Args:
        entry: name of a function of the pool -> its address.
    """

    def __init__(self, entry):
        def function(name, *kinds):
            return ctypes.PYFUNCTYPE(None, *kinds)(entry(name))

        self.entry = entry  # the code lives as long as the handlers below
        self.set = function("set", ctypes.c_int32)
        self.place_scratch = function("scratch", ctypes.c_int64, ctypes.c_void_p)
        self.forked, self.stop = function("forked"), function("stop")
        self.help = ctypes.CFUNCTYPE(None, ctypes.c_int64)(entry("help"))
        self.scratch, self.bytes, self.started = [], 0, 1
        self.reserve(1 << 12)
        threads.on_change(self.start)
        atexit.register(self.stop)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def wanted(self):
        """As many threads as `set_num_threads` allows."""
        return min(threads.get_num_threads(), MOST_THREADS) if sys.platform in SYSTEMS else 1

    def start(self):
        """Let so many threads work."""
        wanted = self.wanted()
        self.reserve(self.bytes)
        for number in range(self.started, wanted):
            threading.Thread(target=self.help, args=(number,), daemon=True).start()
        self.started = max(self.started, wanted)
        self.set(wanted)

    def ready(self):
        """Start them, where a fork has left none."""
        if self.started == 1:
            self.start()

    def reserve(self, nbytes):
        """Give every thread at least so much memory for one kernel's use."""
        self.bytes = max(self.bytes, nbytes)
        for number in range(max(self.wanted(), len(self.scratch))):
            if number == len(self.scratch):
                self.scratch.append(np.empty(0, np.uint8))
            if self.scratch[number].size < self.bytes:
                self.scratch[number] = aligned_empty(self.bytes, np.dtype(np.uint8))
                self.place_scratch(number, address(self.scratch[number]))

    def _after_fork(self):
        self.started = 1
        self.set(1)
        self.forked()


def add_symbols(llvm):
    """Tell LLVM where functions of the system are that it would not find."""
    for library, names in LIBRARIES.get(sys.platform, {}).items():
        found = ctypes.WinDLL(library)
        for name in names:
            llvm.add_symbol(name, ctypes.cast(getattr(found, name), ctypes.c_void_p).value)

"""A function of LLVM IR as text, with loops that carry values.

Values are LLVM names or Python ints; `i64` is the type of everything counted.
"""

# What every kernel takes: buffers, arguments, which task of several (-1: all of them), memory of
# the thread.
KERNEL = ("ptr noalias %tab", "ptr noalias %args", "i64 %task", "ptr noalias %scratch")
ATTRIBUTES = 'attributes #0 = { nounwind "prefer-vector-width"="512" }'


def module(functions, globals=()):
    """The text of a module of Functions."""
    declarations = dict.fromkeys(d for f in functions for d in f.declarations)
    return "\n".join([*declarations, *globals, *(f.text() for f in functions), ATTRIBUTES])


class Function:
    """One function under construction.

    Args:
        name: with its sigil, e.g. "@NAME".
        parameters: "type %name" each.
    """

    def __init__(self, name, parameters, linkage=""):
        self.head = f"define {linkage} void {name}({', '.join(parameters)}) #0 {{"
        self.lines = ["entry:"]
        self.count = 0
        self.declarations = {}

    def text(self):
        """The whole definition."""
        return "\n".join([self.head, *self.lines, "  ret void", "}", ""])

    def line(self, text):
        self.lines.append(f"  {text}")

    def new(self, text):
        """A fresh name bound to an instruction."""
        self.count += 1
        self.line(f"%v{self.count} = {text}")
        return f"%v{self.count}"

    def label(self):
        self.count += 1
        return f"L{self.count}"

    def begin(self, label):
        """A block starts here."""
        self.lines.append(f"{label}:")

    def call(self, kind, name, arguments):
        """An intrinsic's value; `arguments` are (type, value)."""
        types = ", ".join(t for t, _ in arguments)
        self.declarations[f"declare {kind} @llvm.{name}({types})"] = None
        return self.new(f"call {kind} @llvm.{name}({', '.join(f'{t} {v}' for t, v in arguments)})")

    def call_own(self, name, parameters, values):
        """Call a function of the same module; `parameters` are its own."""
        typed = ", ".join(f"{p.split()[0]} {v}" for p, v in zip(parameters, values, strict=True))
        self.line(f"call void @{name}({typed})")

    # ------------------------------------------------------------------------------- numbers
    def add(self, a, b):
        return self.new(f"add nsw i64 {a}, {b}")

    def mul(self, a, b):
        return self.new(f"mul nsw i64 {a}, {b}")

    def at(self, pointer, offset, kind="i8"):
        """The address `offset` elements of a type beyond a pointer."""
        return self.new(f"getelementptr inbounds {kind}, ptr {pointer}, i64 {offset}")

    def word(self, pointer, index=0, kind="i64"):
        """A word of a table."""
        return self.new(f"load {kind}, ptr {self.at(pointer, index, 'i64')}, align 8")

    def choose(self, condition, kind, a, b):
        return self.new(f"select i1 {condition}, {kind} {a}, {kind} {b}")

    def smaller(self, a, b):
        return self.call("i64", "smin.i64", [("i64", a), ("i64", b)])

    def larger(self, a, b):
        return self.call("i64", "smax.i64", [("i64", a), ("i64", b)])

    def divided(self, x, y):
        """Quotient and remainder."""
        return self.new(f"udiv i64 {x}, {y}"), self.new(f"urem i64 {x}, {y}")

    # ------------------------------------------------------------------------------- control
    def units(self, given, body):
        """Run ``body(u)`` for the units of work of a kernel's task: `given["units"]` are all of
        them, `given["each"]` those of one task."""
        total, each = given["units"], given["each"]
        whole = self.new("icmp slt i64 %task, 0")
        first = self.choose(whole, "i64", "0", self.mul("%task", each))
        left = self.new(f"sub i64 {total}, {first}")
        count = self.choose(whole, "i64", total, self.smaller(left, each))
        self.loop(count, lambda u, _: body(self.add(u, first)))

    def loop(self, count, body, carried=(), step=1):
        """Run ``body(i, values)`` for i = 0, step, .. below count; it returns the next values.

        Args:
            carried: (type, first value) each.

        Returns: the values after the last round (the first ones where there is none).
        """
        before, head, tail, after = (self.label() for _ in range(4))
        self.line(f"br label %{before}")
        self.begin(before)
        self.line(f"%g{before} = icmp sgt i64 {count}, 0")
        self.line(f"br i1 %g{before}, label %{head}, label %{after}")
        self.begin(head)
        names = [f"%c{head}.{n}" for n in range(len(carried))]
        at = len(self.lines)
        following = body(f"%i{head}", names) or ()
        self.line(f"br label %{tail}")
        self.begin(tail)
        phis = [f"  %i{head} = phi i64 [0, %{before}], [%n{head}, %{tail}]"]
        for name, (kind, first), value in zip(names, carried, following, strict=True):
            phis.append(f"  {name} = phi {kind} [{first}, %{before}], [{value}, %{tail}]")
        self.lines[at:at] = phis
        self.line(f"%n{head} = add nuw nsw i64 %i{head}, {step}")
        self.line(f"%m{head} = icmp slt i64 %n{head}, {count}")
        self.line(f"br i1 %m{head}, label %{head}, label %{after}")
        self.begin(after)
        results = []
        for n, ((kind, first), value) in enumerate(zip(carried, following, strict=True)):
            self.line(f"%r{after}.{n} = phi {kind} [{first}, %{before}], [{value}, %{tail}]")
            results.append(f"%r{after}.{n}")
        return results

    def branch(self, condition, then, otherwise=lambda: None):
        """Run one of two pieces."""
        yes, no, after = self.label(), self.label(), self.label()
        self.line(f"br i1 {condition}, label %{yes}, label %{no}")
        for label, piece in ((yes, then), (no, otherwise)):
            self.begin(label)
            piece()
            self.line(f"br label %{after}")
        self.begin(after)

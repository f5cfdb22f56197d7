"""Memory-bound kernels at 1e4 and 1e6 elements against PyTorch, on one thread.

Each is timed with a read after every result, the worst case for a program that is recorded before
it is run, and in steps of several results with one read at their end.
"""

import interleave

STEPS = ((10_000, 1), (10_000, 32), (1_000_000, 1), (1_000_000, 4))  # (elements, results a read)


def _chain(torch, x, y):
    return ((x * y + 1).tanh() - y.sigmoid() * 0.5).abs().sqrt() * x.exp() - y


def cases(torch, size):
    """{name: function of no arguments} on float32 data of `size` elements."""
    functional = torch.nn.functional
    rows = size // 100
    torch.manual_seed(0)
    x, y = torch.randn(rows, 100), torch.randn(rows, 100)
    weight, bias = torch.randn(100), torch.randn(100)
    cube = x.reshape(10, rows // 10, 100)
    return {
        "softmax, last axis": lambda: torch.softmax(x, -1),
        "softmax, first axis": lambda: torch.softmax(x, 0),
        "log_softmax": lambda: torch.log_softmax(x, -1),
        "layer_norm": lambda: functional.layer_norm(x, (100,), weight, bias),
        "gelu": lambda: functional.gelu(x),
        "gelu, tanh": lambda: functional.gelu(x, approximate="tanh"),
        "chain of 10": lambda: _chain(torch, x, y),
        "sum": lambda: x.sum(),
        "sum over axis 0 of 3": lambda: cube.sum(0),
        "sum over axis 1 of 3": lambda: cube.sum(1),
        "sum over axis 2 of 3": lambda: cube.sum(2),
    }


def adam_case(torch, size):
    """One step of Adam over 60 tensors of `size` elements in all."""
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(size // 60)) for _ in range(60)]
    for p in parameters:
        p.grad = torch.randn(size // 60)
    return torch.optim.Adam(parameters, lr=1e-3).step


def programs(torch, size, results):
    """{case: function that makes so many results}, each from operands of its own."""
    sets = [cases(torch, size) for _ in range(results)]
    if results == 1:
        return {**sets[0], "Adam over 60 tensors": adam_case(torch, size)}
    return {name: _together([s[name] for s in sets]) for name in sets[0]}


def _together(functions):
    return lambda: [f() for f in functions]


def contest(size, results, peers):
    """{case: {contestant: function}}; a contestant's function ends with its results in memory."""
    import rushlight

    flush = rushlight.frontend.flush_segment

    def finished(function):
        def run():
            made = function()
            flush()
            return made

        return run

    found = {
        name: {"rushlight": finished(f)} for name, f in programs(rushlight, size, results).items()
    }
    for peer, wrap in peers.items():
        import torch

        for name, f in programs(torch, size, results).items():
            found[name][peer] = wrap(f)
    return found


def main():
    given = interleave.options(__doc__, compile="also against torch.compile")
    import torch

    torch.set_num_threads(1)
    peers = {"torch": lambda f: f}
    if given.compile:
        peers["torch.compile"] = torch.compile
    results = {}
    print("peer's time / rushlight's: median [quartiles]; above 1 rushlight is faster")
    for size, count in STEPS:
        wanted = peers if count == 1 else {"torch": peers["torch"]}  # steps compile for minutes
        for name, contestants in contest(size, count, wanted).items():
            if given.only in name:
                found = interleave.race(contestants, given.rounds)
                label = f"{name}, {count} x {size:.0e}"
                print(interleave.line(label, found), flush=True)
                results[label] = interleave.ratios(found)
    interleave.keep(given.json, results)


if __name__ == "__main__":
    main()

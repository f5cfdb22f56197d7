"""Convolutions in all three passes against PyTorch, with the rate over the peak that the machine
reached in the same round: the layers of ResNet-18 at batch 8 and of a small net at batch 64.

Rates count the direct algorithm's multiplications: Winograd's way does fewer and may pass the peak.
"""

import os
import statistics

import interleave

# channels, outputs, size, kernel, stride, padding, how often, batch
RESNET = (
    (3, 64, 224, 7, 2, 3, 1, 8),
    (64, 64, 56, 3, 1, 1, 4, 8),
    (64, 128, 56, 3, 2, 1, 1, 8),
    (128, 128, 28, 3, 1, 1, 3, 8),
    (64, 128, 56, 1, 2, 0, 1, 8),
    (128, 256, 28, 3, 2, 1, 1, 8),
    (256, 256, 14, 3, 1, 1, 3, 8),
    (128, 256, 28, 1, 2, 0, 1, 8),
    (256, 512, 14, 3, 2, 1, 1, 8),
    (512, 512, 7, 3, 1, 1, 3, 8),
    (256, 512, 14, 1, 2, 0, 1, 8),
)
SMALL = ((3, 32, 32, 5, 1, 2, 1, 64), (32, 32, 16, 5, 1, 2, 1, 64), (32, 64, 8, 5, 1, 2, 1, 64))


def passes(module, layer):
    """{pass: function that runs it}."""
    channels, outputs, size, kernel, stride, padding, _, batch = layer
    out = (size + 2 * padding - kernel) // stride + 1
    x = module.randn(batch, channels, size, size)
    w = module.randn(outputs, channels, kernel, kernel)
    g = module.randn(batch, outputs, out, out)
    convolve = module.nn.functional.conv2d

    def forward():
        return convolve(x, w, None, stride, padding).data_ptr()

    def gradient(of):
        leaf = of.clone().requires_grad_()
        y = convolve(*((leaf, w) if of is x else (x, leaf)), None, stride, padding)
        y.data_ptr()
        return lambda: module.autograd.grad(y, leaf, g, retain_graph=True)[0].data_ptr()

    found = {"forward": forward, "weights": gradient(w)}
    return found if channels == 3 else {**found, "input": gradient(x)}


def flops(layer):
    channels, outputs, size, kernel, stride, padding, _, batch = layer
    out = (size + 2 * padding - kernel) // stride + 1
    return 2 * batch * out * out * outputs * channels * kernel * kernel


def main():
    given = interleave.options(__doc__, two="on two threads")
    threads = 2 if given.two else 1
    for name in interleave.THREADS:
        os.environ[name] = str(threads)
    import torch

    import rushlight
    from rushlight.engine.explain import measure

    torch.set_num_threads(threads)
    rushlight.set_num_threads(threads)
    peak = threads * measure().fma_gflops
    results, totals = {}, {}
    print(f"{threads} thread(s), peak {peak:.0f} GF/s")
    print("peer's time / rushlight's: median [quartiles]; rate, share of the peak")
    for layer in (*RESNET, *SMALL):
        ours, theirs = passes(rushlight, layer), passes(torch, layer)
        for name in ours:
            label = f"{'x'.join(map(str, layer[:6]))} {name}"
            if given.only not in label:
                continue
            found = {"rushlight": ours[name], "torch": theirs[name]}
            found = interleave.race(found, given.rounds)
            rate = flops(layer) / statistics.median(found["rushlight"]) / 1e9
            line = interleave.line(label, found)
            print(f"{line}  {rate:6.1f} GF/s {rate / peak:5.2f}", flush=True)
            results[label] = interleave.ratios(found)
            if layer in RESNET:
                total = totals.setdefault(name, [0.0, 0.0])
                for i, times in enumerate((found["torch"], found["rushlight"])):
                    total[i] += layer[6] * statistics.median(times)
    for name, (peer, own) in totals.items():
        print(f"ResNet-18, {name}: {own * 1e3:.1f} ms, torch {peer / own:.2f}")
    if totals:
        both = [sum(column) for column in zip(*totals.values(), strict=True)]
        print(f"ResNet-18, all: torch {both[0] / both[1]:.2f}")
    interleave.keep(given.json, results)


if __name__ == "__main__":
    main()

"""Training steps and inference of whole models against PyTorch eager, channels_last and
torch.compile, interleaved in one run: loss, backward and optimizer, then a read of the loss.

Models: a small MLP at batch 4 and 64, a convolutional net for 32 x 32 images, ResNet-18 at
224 x 224, a Transformer encoder, an LSTM.
"""

import os
import statistics

import interleave


def mlp(torch, batch):
    """784-256-10, Adam."""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    data = torch.rand(batch, 784), torch.arange(batch) % 10
    return model, torch.optim.Adam(model.parameters(), 1e-3), data


def cifar(torch, batch):
    """Three 5 x 5 convolutions with max pooling, SGD with momentum."""
    nn = torch.nn
    layers = []
    for before, after in ((3, 32), (32, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10)]
    model = nn.Sequential(*layers, *head)
    data = torch.rand(batch, 3, 32, 32), torch.arange(batch) % 10
    return model, torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9), data


def resnet(torch, batch):
    """ResNet-18 (He et al. 2015), SGD with momentum."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, before, after, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(after)
            self.down = nn.Identity()
            if stride != 1 or before != after:
                once = nn.Conv2d(before, after, 1, stride, bias=False)
                self.down = nn.Sequential(once, nn.BatchNorm2d(after))

        def forward(self, x):
            y = torch.relu(self.bn1(self.conv1(x)))
            return torch.relu(self.bn2(self.conv2(y)) + self.down(x))

    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    sizes = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
    for before, after, stride in sizes:
        layers += [Block(before, after, stride), Block(after, after, 1)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)]
    model = nn.Sequential(*layers)
    data = torch.rand(batch, 3, 224, 224), torch.arange(batch)
    return model, torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9), data


def transformer(torch, batch):
    """Four encoder layers, 256 wide, 128 tokens, Adam."""
    nn = torch.nn
    layer = nn.TransformerEncoderLayer(256, 4, 1024, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.head = encoder, nn.Linear(256, 10)

        def forward(self, x):
            return self.head(self.encoder(x).mean(1))

    model = Classifier()
    data = torch.rand(batch, 128, 256), torch.arange(batch)
    return model, torch.optim.Adam(model.parameters(), 1e-4), data


def lstm(torch, batch):
    """Two layers, 256 wide, 64 steps, Adam."""
    nn = torch.nn

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(256, 256, 2, batch_first=True)
            self.head = nn.Linear(256, 10)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    model = Classifier()
    data = torch.rand(batch, 64, 256), torch.arange(batch) % 10
    return model, torch.optim.Adam(model.parameters(), 1e-3), data


CASES = {
    "MLP 4": (mlp, 4),
    "MLP 64": (mlp, 64),
    "CIFAR net 64": (cifar, 64),
    "ResNet-18 8": (resnet, 8),
    "Transformer 8": (transformer, 8),
    "LSTM 32": (lstm, 32),
}
IMAGES = (cifar, resnet)


def training(torch, case, change=lambda model, x: (model, x)):
    """A function that takes a step and reads the loss."""
    make, batch = case
    torch.manual_seed(0)
    model, optimizer, (x, y) = make(torch, batch)
    model, x = change(model, x)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def inference(torch, case, change=lambda model, x: (model, x)):
    """A function that evaluates the model and reads a result."""
    make, batch = case
    torch.manual_seed(0)
    model, _, (x, _) = make(torch, batch)
    model, x = change(model.eval(), x)

    def evaluate():
        with torch.no_grad():
            return model(x).sum().item()

    return evaluate


def contestants(torch, rushlight, case, kind, all_peers):
    """{name: function}."""
    found = {"rushlight": kind(rushlight, case), "torch": kind(torch, case)}
    if all_peers:
        if case[0] in IMAGES:
            last = {"memory_format": torch.channels_last}
            found["channels_last"] = kind(torch, case, lambda m, x: (m.to(**last), x.to(**last)))
        found["compile"] = kind(torch, case, lambda m, x: (torch.compile(m), x))
    return found


def main():
    given = interleave.options(
        __doc__, peers="also channels_last and torch.compile", two="on two threads"
    )
    threads = 2 if given.two else 1
    for name in interleave.THREADS:
        os.environ[name] = str(threads)
    import torch

    import rushlight

    torch.set_num_threads(threads)
    rushlight.set_num_threads(threads)
    results = {}
    print(f"{threads} thread(s); peer's time / rushlight's: median [quartiles]")
    for kind in (training, inference):
        middle = []
        for name, case in CASES.items():
            label = f"{kind.__name__} {name}"
            if given.only not in label:
                continue
            found = contestants(torch, rushlight, case, kind, given.peers)
            found = interleave.race(found, given.rounds, 0.1)
            print(interleave.line(label, found), flush=True)
            results[label] = interleave.ratios(found)
            middle.append(results[label]["torch"][1])
        if middle:
            print(f"{kind.__name__}: geometric mean {statistics.geometric_mean(middle):.2f}")
    interleave.keep(given.json, results)


if __name__ == "__main__":
    main()

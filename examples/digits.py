"""Train a small convolutional net on handwritten digits. An ordinary PyTorch program.

    rushlight run examples/digits.py      # on rushlight
    python examples/digits.py             # on PyTorch

Every epoch ends with a checkpoint in --out. A run that was stopped or killed goes on from there
when it is started again, and prints what it would have printed. Curves and images:
``tensorboard --logdir runs/digits``.
"""

import argparse
import os
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

try:
    # rushlight's vision package answers to the name torchvision, and ships the digits.
    from torchvision.datasets import Digits
except ImportError:
    import numpy as np

    class Digits(Dataset):
        """The same data set for PyTorch, read from the file in this repository."""

        def __init__(self, train=True):
            here = Path(__file__).resolve().parent
            stored = np.load(here.parent / "rushlight" / "vision" / "datasets" / "digits.npz")
            is_test = np.arange(len(stored["labels"])) % 5 == 0
            self.data = stored["images"][is_test != train]
            self.targets = stored["labels"][is_test != train].tolist()

        def __getitem__(self, index):
            pixels = self.data[index][None].astype(np.float32) / 16
            return torch.tensor(pixels), self.targets[index]

        def __len__(self):
            return len(self.data)


class Net(nn.Module):
    """Two convolutions with pooling, then one linear layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.linear = nn.Linear(32 * 2 * 2, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.linear(torch.flatten(x, 1))


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--out", type=Path, help="default: runs/digits/seed<seed>")
    parser.add_argument(
        "--resume",
        choices=("auto", "never"),
        default="auto",
        help="auto: go on from the checkpoint in --out, if there is one (default)",
    )
    args = parser.parse_args()
    args.out = args.out or Path("runs", "digits", f"seed{args.seed}")
    return args


class Trainer:
    """Everything a checkpoint has to hold, and the loops over it."""

    def __init__(self, args):
        torch.manual_seed(args.seed)
        self.args = args
        self.run = {name: getattr(args, name) for name in ("seed", "batch_size", "lr", "epochs")}
        self.model = Net()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=args.lr)
        self.order = torch.Generator().manual_seed(args.seed)
        self.train_data = DataLoader(
            Digits(train=True), args.batch_size, shuffle=True, generator=self.order
        )
        self.test_data = DataLoader(Digits(train=False), args.batch_size)
        self.step = 0
        self.results = []  # of each epoch: train loss, test loss, test accuracy
        self.checkpoint = args.out / "checkpoint.pt"

    def save(self):
        """Write the checkpoint under another name first: a kill leaves the old one or the new."""
        state = {
            "run": self.run,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "order": self.order.get_state(),
            "step": self.step,
            "results": self.results,
        }
        unfinished = self.checkpoint.with_suffix(".tmp")
        torch.save(state, unfinished)
        os.replace(unfinished, self.checkpoint)

    def load(self):
        state = torch.load(self.checkpoint)
        if state["run"] != self.run:
            raise SystemExit(
                f"{self.checkpoint} belongs to a run with {state['run']}, this one has {self.run}: "
                "choose another --out, or --resume never"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        self.order.set_state(state["order"])
        self.step = state["step"]
        self.results = state["results"]

    def train_step(self, images, labels):
        loss = F.cross_entropy(self.model(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def train_epoch(self, writer):
        """One pass over the training set; returns the mean loss."""
        epoch, total = len(self.results), 0.0
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.args.lr * (1 - epoch / self.args.epochs)
        progress = tqdm(self.train_data, desc=f"epoch {epoch + 1}", leave=False)
        for images, labels in progress:
            loss = self.train_step(images, labels).item()
            total += loss * len(labels)
            self.step += 1
            writer.add_scalar("loss/step", loss, self.step)
            progress.set_postfix(loss=f"{loss:.4f}", refresh=False)
        return total / len(self.train_data.dataset)

    @torch.no_grad()
    def test(self):
        """Mean loss and accuracy on the test set, and the images it got wrong."""
        self.model.eval()
        total, correct, wrong = 0.0, 0, []
        for images, labels in self.test_data:
            scores = self.model(images)
            hits = scores.argmax(1) == labels
            total += F.cross_entropy(scores, labels, reduction="sum").item()
            correct += int(hits.sum())
            wrong.append(images[~hits])
        size = len(self.test_data.dataset)
        return total / size, correct / size, torch.cat(wrong)

    def run_epoch(self, writer):
        """Train, test, log and save."""
        train_loss = self.train_epoch(writer)
        test_loss, accuracy, wrong = self.test()
        self.results.append((train_loss, test_loss, accuracy))
        writer.add_scalar("loss/train", train_loss, self.step)
        writer.add_scalar("loss/test", test_loss, self.step)
        writer.add_scalar("accuracy/test", accuracy, self.step)
        if len(wrong):
            writer.add_images("test/wrong", wrong[:16], self.step)
        writer.flush()
        self.save()

    def report(self, epoch):
        train_loss, test_loss, accuracy = self.results[epoch]
        print(
            f"epoch {epoch + 1:2d}  train loss {train_loss:.6f}  test loss {test_loss:.6f}  "
            f"test accuracy {accuracy:.4f}",
            flush=True,
        )


def main():
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(args)
    if args.resume == "auto" and trainer.checkpoint.exists():
        trainer.load()
        print(f"resumed from {trainer.checkpoint}", file=sys.stderr)
    for epoch in range(len(trainer.results)):
        trainer.report(epoch)
    # An epoch that was cut short is trained again: hide what it logged.
    with SummaryWriter(args.out, purge_step=trainer.step + 1) as writer:
        for epoch in range(len(trainer.results), args.epochs):
            trainer.run_epoch(writer)
            trainer.report(epoch)
    print(f"test accuracy {trainer.results[-1][2]:.4f}")


if __name__ == "__main__":
    main()

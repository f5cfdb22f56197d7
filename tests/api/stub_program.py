"""A PyTorch program for type checkers; tests/api/test_stubs.py checks it with mypy."""

import rushlight as torch
import rushlight.nn.functional as F
from rushlight import nn
from rushlight.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    """Two layers."""

    def __init__(self, hidden: int = 8) -> None:
        super().__init__()
        self.one = nn.Linear(4, hidden)
        self.two = nn.Linear(hidden, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = F.relu(self.one(x)).flatten(1)
        out: torch.Tensor = self.two(hidden)
        return out


def train(steps: int) -> float:
    """The last loss."""
    torch.manual_seed(0)
    model = Net()
    data = TensorDataset(torch.randn(32, 4), torch.randint(0, 3, (32,)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = torch.zeros(())
    for _ in range(steps):
        for x, y in DataLoader(data, batch_size=8):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
    return float(loss)


x: torch.Tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3)
values, indices = x.max(dim=1)
best: torch.Tensor = x.max(dim=1).values
total: torch.Tensor = (2 * x + 1 - x[0]).sum() / x.numel()
same: torch.Tensor = x == x
shape: tuple[int, ...] = x.permute(1, 0).shape
where: str = x.device.type
equal: bool = torch.equal(x, x)
x.requires_grad = True
with torch.no_grad():
    x.add_(1).clamp_(min=0.0)
u, s, v = torch.linalg.svd(x.detach())
losses: list[float] = [train(1)]

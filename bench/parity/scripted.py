"""A small TorchScript backbone, and what PyTorch makes of it."""

import sys
from pathlib import Path

import torch
from formula import images, rounded, tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from torchscript_backbone import with_buffers_as_parameters

SIDE, N = 16, 4


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 8, 3, stride=2, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(8)
        self.conv2 = torch.nn.Conv2d(8, 12, 3)
        self.bn2 = torch.nn.BatchNorm2d(12)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x))).mean((2, 3))


def net():
    made = Net()
    state = made.state_dict()
    for idx, (name, values) in enumerate(state.items()):
        if values.dim() > 1:
            values.copy_(tensor(idx, values.shape, -0.3, 0.3))
    return made


def write(folder):
    """Writes `backbone.pt`, `plain.pt` (which has buffers of its own) and gives the numbers of the first."""
    torch.jit.script(net()).save(str(folder / "plain.pt"))
    made = with_buffers_as_parameters(net())
    torch.jit.script(made).save(str(folder / "backbone.pt"))
    batch = images(9, N, SIDE).float()
    with torch.no_grad():
        evaluated = made.eval()(batch)
    trained = made.train()(batch)
    trained.square().sum().backward()
    return {
        "side": SIDE,
        "n": N,
        "eval": rounded(evaluated.flatten().tolist(), 8),
        "train": rounded(trained.flatten().tolist(), 8),
        "conv1_grad": rounded(made.conv1.weight.grad.flatten().tolist(), 8),
        "running_mean": rounded(made.bn2.running_mean.tolist(), 8),
    }

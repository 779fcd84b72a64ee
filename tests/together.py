"""A small training that one process and several must take alike; run by `test_parallel.py` in each of the processes.

    python tests/together.py FOLDER
"""

import sys
from pathlib import Path

import torch
from checkpoints import tiny_data
from torch import nn

from playground.models.vae import VAE, VAELearner
from playground.training import Recipe, Run
from playground.training.parallel import assemble

BATCH, STEPS = 16, 6


class Mixture:
    """A network whose clipped gradients come from a backward pass, and weights whose gradient is written by hand."""

    def __init__(self, device):
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, 5), nn.Linear(5, 784)).to(device)
        self.own = nn.ParameterDict({"mean": nn.Parameter(torch.zeros(784, device=device))})
        self.modules = {"net": self.net, "own": self.own}
        self.optimizers = {
            "net": torch.optim.Adam(self.net.parameters(), 1e-2),
            "own": torch.optim.SGD(self.own.parameters(), 0.1),
        }

    def step(self, batch):
        x = batch.x + 0.5 * batch.normal(*batch.x.shape)
        loss = (self.net(x) - batch.x.flatten(1)).square().mean()
        self.optimizers["net"].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 0.01)  # bites: averaged after clipping would be another step
        self.optimizers["net"].step()
        self.own["mean"].grad = self.own["mean"].detach() - batch.x.flatten(1).mean(0)
        self.optimizers["own"].step()
        return {"loss": loss.item(), "batch": len(batch.x)}


def recipes():
    """The two trainings, by name."""
    words = {"family": "vae", "data": "mnist", "images": STEPS * BATCH, "batch": BATCH, "title": "", "summary": ""}
    makers = {"mixture": Mixture, "vae": lambda device: VAELearner(VAE(latent_size=2, widths=(16,)), device)}
    return [Recipe(name=name, learner=make, year=2020, paper="", **words) for name, make in makers.items()]


def train(recipe, folder, team=None):
    """All steps in float32, the state saved; (weights (W,), losses of the last step)."""
    with Run(recipe, state=folder, dataset=tiny_data("mnist", 40), device="cpu", precision="fp32", team=team) as run:
        while run.done < 1:
            now = run.step()
        run.save()
    learned = [p.detach().flatten() for module in run.learner.modules.values() for p in module.parameters()]
    return torch.cat(learned), now.losses


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with assemble("cpu") as team:
        for recipe in recipes():
            torch.save(train(recipe, folder / recipe.name, team), folder / f"{recipe.name}-{team.rank}.pt")

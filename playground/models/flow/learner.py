"""Learning a flow: descent on −log p, nothing else. One network, one loss, no balance to keep.

What is kept in the end is the average of the weights along the way.
"""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from playground.data import densities
from playground.models import hub
from playground.models.flow.base import Flow
from playground.training.ema import average
from playground.training.precision import mixed
from playground.training.recipe import Batch


class FlowLearner:
    """Bits per dimension of dequantised pictures, fresh noise every time.

    Args:
        decay: of the average of the weights. clip: largest length of the gradient.
    """

    def __init__(
        self, model: Flow, device: torch.device, lr: float = 1e-3, decay: float = 0.999, clip: float = 1.0
    ) -> None:
        self.model, self.decay, self.clip = model.to(device), decay, clip
        self.average = deepcopy(self.model).eval().requires_grad_(False)
        self.modules: dict[str, nn.Module] = {"model": self.model, "average": self.average}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "model": torch.optim.Adam(model.parameters(), lr, (0.9, 0.98))
        }

    def step(self, batch: Batch) -> dict[str, float]:
        loss = self.objective(batch)
        optimizer = self.optimizers["model"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        length = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        optimizer.step()
        average(self.average, self.model, self.decay, batch.seen)
        return {"loss": loss.item(), "gradient": length.item()}

    def objective(self, batch: Batch) -> Tensor:
        """Bits per dimension of the batch; networks in bfloat16, the invertible algebra itself in float32."""
        x = self.model.dequantise(batch.x, batch.uniform(*batch.x.shape))
        with mixed(x.device):
            log_p = self.model.log_density(x)
        return math.log2(2**self.model.bits - 1) - log_p.mean() / (x[0].numel() * math.log(2))

    def save(self, folder: Path) -> None:
        """Writes the averaged network: config.json and model.safetensors."""
        hub.save(self.average, folder)


class PlaneLearner(FlowLearner):
    """Nats of points of the plane. The densities are known, so new points are drawn at every step, evenly of each.

    Args:
        each: points of a density and step.
    """

    def __init__(self, model: Flow, device: torch.device, lr: float, decay: float = 0.995, each: int = 64) -> None:
        super().__init__(model, device, lr, decay)
        self.each = each

    def objective(self, batch: Batch) -> Tensor:
        """−log p of the new points; of the batch only its random stream is used."""
        drawn = [densities.sample(name, self.each, batch.noise) for name in densities.NAMES]
        labels = torch.arange(len(drawn)).repeat_interleave(self.each)
        return -self.model.log_density(torch.cat(drawn).to(batch.x.device), labels.to(batch.x.device)).mean()

"""Several processes, or several GPUs, that train one network together.

Every process holds all the weights and sees its share of every batch; after each backward pass gradients are averaged
over the processes, so that all take the same step. The processes are started by `accelerate launch` or `torchrun` and
talk through Hugging Face Accelerate.

What is equal. All processes draw from the same random stream: noise for the whole batch, of which each takes its
share. In float32 a run of N processes therefore takes the steps of a run of one process with the same batch, up to
rounding, for every learner whose loss is a mean over pictures and that draws its noise with `Batch.normal` and
`Batch.uniform`. A state saved by N processes can be resumed by any other number.

What is not. A learner that looks at its batch as a whole looks at its share (the minibatch deviation of a GAN's
discriminator, the stratified times of a diffusion model); points drawn inside a learner are the same in every process;
and buffers that follow the batch (a mean style, Markov chains) are saved from the first process, the only one that
writes files. Weights that a learner sets from its batch (the first biases of a Boltzmann machine) are levelled after
the first update, and all weights again every `LEVEL` updates.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from playground.api import PlaygroundError
from playground.training.recipe import Learner

if TYPE_CHECKING:
    from accelerate import Accelerator

LEVEL = 100  # updates


class Team:
    """The processes of one training, seen from one of them. As it stands: a process on its own.

    Attributes:
        rank: which one this is, from 0; size: how many there are; main: whether this is the one that writes files.
        device: where this one computes, None if that is not settled by whoever started it.
    """

    rank = 0
    size = 1
    device: torch.device | None = None

    @property
    def main(self) -> bool:
        """Whether this process writes files and says where the run stands."""
        return self.rank == 0

    def link(self, learner: Learner) -> None:
        """All start from the first process's weights, and all gradients are averaged from now on."""

    def level(self, learner: Learner) -> None:
        """All take over the first process's weights."""

    def mean(self, losses: Mapping[str, float]) -> dict[str, float]:
        """The losses, averaged over the processes."""
        return dict(losses)

    def agreed(self, value: float) -> float:
        """The first process's value."""
        return value

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        """Takes leave of the others."""


class Together(Team):
    """One of several processes.

    Args:
        accelerator: Accelerate's view of the processes.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.rank, self.size, self.device = accelerator.process_index, accelerator.num_processes, accelerator.device
        self._weights: list[Tensor] = []
        self._arrived: set[int] = set()  # ids of weights that got a gradient in the present backward pass
        self._averaged: set[int] = set()  # ids of weights whose present gradient is an average

    def link(self, learner: Learner) -> None:
        """All start from the first process's weights, and all gradients are averaged from now on."""
        self.level(learner)
        groups = [group for optimizer in learner.optimizers.values() for group in optimizer.param_groups]
        self._weights = list({id(w): w for group in groups for w in group["params"]}.values())
        for weight in self._weights:
            learns = weight.requires_grad
            weight.requires_grad_(True).register_post_accumulate_grad_hook(self._note)
            weight.requires_grad_(learns)
        for optimizer in learner.optimizers.values():
            optimizer.register_step_pre_hook(self._before_step)

    @torch.no_grad()
    def level(self, learner: Learner) -> None:
        """All take over the first process's weights."""
        from accelerate.utils import broadcast

        for module in learner.modules.values():
            for weight in module.parameters():
                weight.copy_(broadcast(weight.detach().clone()))

    def mean(self, losses: Mapping[str, float]) -> dict[str, float]:
        """The losses, averaged over the processes, which must all have the same ones."""
        values = torch.tensor([losses[name] for name in sorted(losses)], dtype=torch.float32, device=self.device)
        return dict(zip(sorted(losses), self.accelerator.reduce(values, "mean").tolist()))

    def agreed(self, value: float) -> float:
        """The first process's value."""
        from accelerate.utils import broadcast

        return broadcast(torch.tensor([value], dtype=torch.float64, device=self.device)).item()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Takes leave of the others."""
        if kind is None:  # after an error they may wait for something else
            self.accelerator.end_training()

    def _note(self, weight: Tensor) -> None:
        """A gradient has come: at the end of this backward pass, before anybody clips them, all are averaged."""
        if not self._arrived:
            torch.autograd.Variable._execution_engine.queue_callback(self._after_backward)  # as torch's own DDP does
        self._arrived.add(id(weight))

    def _after_backward(self) -> None:
        self._average(self._weights, self._arrived)
        self._arrived = set()

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Gradients written by hand (Boltzmann machines) come from no backward pass and are averaged here."""
        own = [w for group in optimizer.param_groups for w in group["params"]]
        by_hand = [w for w in own if w.grad is not None and id(w) not in self._averaged]
        if by_hand:
            self._average(by_hand, {id(w) for w in by_hand})
        self._averaged -= {id(w) for w in own}

    @torch.no_grad()
    def _average(self, weights: Sequence[Tensor], mine: set[int]) -> None:
        """Gradients ← their mean over the processes, of all weights that have one in any; where there is none it is 0.

        Args:
            mine: ids of those that have one here.
        """
        there = torch.tensor([float(id(w) in mine) for w in weights], device=self.device)
        there = self.accelerator.reduce(there, "sum").tolist()
        having = [w for w, count in zip(weights, there) if count]
        for w in having:
            w.grad = torch.zeros_like(w) if id(w) not in mine else w.grad
        flat = self.accelerator.reduce(torch.cat([w.grad.flatten() for w in having]), "mean")
        for w, mean in zip(having, flat.split([w.numel() for w in having])):
            w.grad.copy_(mean.view(w.shape))
        self._averaged |= {id(w) for w in having}


def assemble(device: str = "auto") -> Team:
    """The team this process was started into: by `accelerate launch` or `torchrun`, or nobody's.

    Raises:
        PlaygroundError: there are several processes and Accelerate is not installed, or no GPUs where they were asked.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Team()
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise PlaygroundError(
            "Training with several processes needs Hugging Face Accelerate. Install it: pip install accelerate."
        ) from error
    team = Together(Accelerator(cpu=device == "cpu"))
    if device not in ("auto", team.device.type):
        raise PlaygroundError(
            f"The processes were given {team.device.type}, but --device was {device}. Leave --device out."
        )
    return team


def check_share(batch: int, processes: int) -> None:
    """Raises a `PlaygroundError` unless a batch of so many pictures can be shared evenly."""
    if batch % processes:
        raise PlaygroundError(
            f"A batch of {batch} pictures cannot be shared evenly by {processes} processes. Use a number that divides "
            f"{batch}, for instance {next(n for n in (2, 3, 5, batch) if batch % n == 0)}."
        )

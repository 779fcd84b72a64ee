"""Starts the processes of one training on this machine, each told its number as `torchrun` and `accelerate launch` do.

`accelerate launch --multi_gpu --num_processes 2 -m playground train …` works as well, on several machines too. Its
`--cpu` starts one process only, whatever the number; `train --processes 2 --device cpu` starts two.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

import torch

from playground.api import PlaygroundError
from playground.engine import pick_device
from playground.training.parallel import check_share


def launched() -> bool:
    """Whether this process is already one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def run(command: Sequence[str], processes: int, device: str, batch: int) -> None:
    """Runs `python COMMAND` as so many processes of one training and waits for them.

    Args:
        command: for instance ["-m", "playground", "train", …]. device: "auto", "cpu" or "cuda".
        batch: pictures a step, of which each process gets its share.

    Raises:
        PlaygroundError: the batch cannot be shared evenly, GPUs or Accelerate are missing, or a process failed.
    """
    check_share(batch, processes)
    where = pick_device(device)
    if where.type == "cuda" and torch.cuda.device_count() < processes:
        raise PlaygroundError(
            f"{processes} processes need as many GPUs; {torch.cuda.device_count()} are here. Ask for fewer, or use "
            "--device cpu."
        )
    if importlib.util.find_spec("accelerate") is None:
        raise PlaygroundError(
            "Training with several processes needs Hugging Face Accelerate. Install it: pip install accelerate."
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    shared |= {"ACCELERATE_USE_CPU": "true"} if where.type == "cpu" else {}
    shared |= {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // processes)))}
    team = [
        subprocess.Popen([sys.executable, *command], env=os.environ | shared | {"RANK": str(k), "LOCAL_RANK": str(k)})
        for k in range(processes)
    ]
    before = signal.signal(signal.SIGTERM, lambda number, _: [process.send_signal(number) for process in team])
    try:
        codes = _wait(team)
    finally:
        signal.signal(signal.SIGTERM, before)
    if 130 in codes:
        raise KeyboardInterrupt
    if any(codes):
        raise PlaygroundError("The training stopped: one of its processes ended with the message above.")


def _wait(team: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    """Exit codes. When one fails or somebody interrupts, the others are asked to end: alone they would wait forever."""
    try:
        while any(process.poll() is None for process in team):
            if any(process.poll() not in (None, 0, 130) for process in team):
                break
            time.sleep(0.1)
    except KeyboardInterrupt:
        for process in team:  # they were told as well; the first one saves the state
            process.wait()
        return [130]
    codes = [process.poll() for process in team]
    for process, code in zip(team, codes):
        if code is None:
            process.kill()
            process.wait()
    return [code or 0 for code in codes]

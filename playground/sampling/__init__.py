"""Mathematics that two or more families use: noise from seeds, ways between two latents."""

from playground.sampling.noise import generators, lattice, normal
from playground.sampling.paths import lerp, slerp

__all__ = ["generators", "lattice", "lerp", "normal", "slerp"]

"""The studio: small networks of pictures that a visitor trains, from a plan to a checkpoint folder.

`plan.py` says what can be asked for, `data.py` and `nets.py` what it is made of, `grow.py` how a network grows,
`watch.py` and `record.py` what is seen of it, `job.py` runs one training and `jobs.py` those of all visitors.
"""

from playground.training.studio.data import examples
from playground.training.studio.jobs import Jobs, jobs_folder
from playground.training.studio.plan import Plan

__all__ = ["Jobs", "Plan", "examples", "jobs_folder"]

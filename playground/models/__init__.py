"""One family, one module: networks, loss, sampling, and the recipes that trained them.

A module that defines `load(folder)` is a family; `RECIPES` lists how its checkpoints are made.
"""

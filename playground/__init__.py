"""The playground's engine: models, samplers, metrics and training, without any user interface.

>>> from playground import Engine
>>> engine = Engine()
>>> frame = engine.run("gan-faces", seeds=[1, 2])
"""

from playground.api import Field, Frame, ModelCard, PlaygroundError
from playground.engine import Engine

__version__ = "0.7.0"
__all__ = ["Engine", "Field", "Frame", "ModelCard", "PlaygroundError", "__version__"]

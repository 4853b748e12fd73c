"""How several losses become one gradient: rules that fill ``.grad``, and what they are made of.

The names below are what most people need; every rule is also found in the module that it is written in:

* ``weighted_sum``, ``resolve``, ``shared_features``, ``dot``, ``learned``: the rules, each a ``Combine``;
* ``decompose``, ``target``, ``projector``, ``published``: how gradients that conflict are merged, for ``resolve`` and
  ``shared_features``;
* ``granularity``: what counts as one gradient, the whole network or each of its parts.
"""

from tutelage.combine.base import Combine, Parameters
from tutelage.combine.projector import exact_projector, project_on_dual_cone
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum

__all__ = [
    "Combine",
    "Parameters",
    "ResolveConflicts",
    "WeightedSum",
    "exact_projector",
    "project_on_dual_cone",
]

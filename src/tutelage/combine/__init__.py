"""One gradient of several losses: rules that fill ``.grad``, and their parts.

* ``weighted_sum``, ``resolve``, ``shared_features``, ``dot``, ``learned``: the rules, each a ``Combine``; ``by_name``
  finds them;
* ``decompose``, ``target``, ``projector``, ``published``: ways to merge gradients that conflict, for ``resolve`` and
  ``shared_features``;
* ``granularity``: what counts as one gradient, the whole network or each of its parts.
"""

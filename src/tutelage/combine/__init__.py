"""How several losses become one gradient: rules that fill ``.grad``, and what they are made of.

* ``weighted_sum``, ``resolve``, ``shared_features``, ``dot``, ``learned``: the rules, each a ``Combine``; ``by_name``
  finds them;
* ``decompose``, ``target``, ``projector``, ``published``: how gradients that conflict are merged, for ``resolve`` and
  ``shared_features``;
* ``granularity``: what counts as one gradient, the whole network or each of its parts.
"""

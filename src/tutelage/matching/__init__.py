"""A loss on one pair of layers becomes a loss on layers of other shapes, or on lists of them: modules with the weights.

A file has classes whose ``forward`` is typed ``(student, teacher, …) -> scalar``, with a tensor or a sequence of
tensors on each side. Their weights train with the student and are saved with its training, but they are no part of the
student: an objective owns them. The class method ``example(loss, pairs)`` builds one that leaves every activation as it
is, by which the contract test finds and checks the members of this family. ``ORDERED = True`` says that the order
of the pairs matters.
"""

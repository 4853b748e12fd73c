"""What counts as one gradient: the whole network's, or that of each of its parts, for ``ResolveConflicts(per=…)``.

A choice of another algorithm, not a detail. Over the whole vector, two losses conflict or they do not, and a projection
moves every weight by the same share. Part by part, each decides for itself: there are more conflicts (parts of two
gradients oppose each other although the whole ones do not), more is taken away, and the merged gradient is no longer a
weighted sum of the losses' gradients, so it may not descend on any weighting of them. What a rule promises about its
rows holds in every part and so, added up, for the whole.

Wang, Tsvetkov, Firat & Cao, "Gradient vaccine", 2021, arXiv:2010.05874, compare such choices for translation models;
their ``whole_model``, ``all_layer`` and ``all_matrix`` are the first three below. Yu et al. (PCGrad) take the whole.
"""


def whole_network(_name: str) -> str:
    """All shared weights are one vector: what the papers of the rules mean, and the default."""
    return ""


def each_layer(name: str) -> str:
    """The weights of one module, such as a convolution's kernel and bias, are one vector.

    >>> each_layer("student.layer1.conv.weight")
    'student.layer1.conv'
    """
    return name.rpartition(".")[0]


def each_tensor(name: str) -> str:
    """Every tensor of weights is a vector of its own."""
    return name


def each_stage(name: str) -> str:
    """The weights of one of the network's outermost children, such as a stage of blocks, are one vector.

    >>> each_stage("student.layer1.conv.weight")
    'student.layer1'
    """
    return ".".join(name.split(".")[:2])

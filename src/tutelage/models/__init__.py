"""Plain ``nn.Module``s with readable layer names, made by functions such as ``tutelage.models.mlp.mlp``.

The arguments of such a function are plain numbers, so that a model can be named in a file and made again; all have
defaults, and ``example_inputs`` of the same module gives inputs for the default model.
"""

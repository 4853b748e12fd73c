"""Plain ``nn.Module``s with readable layer names, made by functions such as ``tutelage.models.mlp.mlp``.

The arguments of such a function are plain numbers, so that a model can be named in a file and made again; all have
defaults, and ``example_inputs`` of the same module gives inputs for the default model. Positional are the numbers of a
network's printed name, in their order, and then the number of classes: ``wide_resnet(16, 2)`` is WRN-16-2,
``resnet(20)`` is ResNet-20, ``resnet8(10)`` and ``mobilenet_v2(10)`` have ten classes. Everything else goes by keyword,
such as ``num_channels``: how many channels the pictures have, 3 but for ``lenet5``.
"""

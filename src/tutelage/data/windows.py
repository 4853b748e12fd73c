"""Windows cut out of pictures, many at once, and perhaps mirrored."""

import torch
from torch import Tensor


def windows(padded: Tensor, which: Tensor, row: Tensor, column: Tensor, size: torch.Size) -> Tensor:
    """The window of ``size`` (H, W) at (row, column) of image ``which`` of ``padded``, in one gather of whole windows.

    All windows of all images are one overlapping view of the memory, numbered by the place of their first pixel:
    selecting rows of it copies whole windows and needs no index for each pixel.
    """
    device = padded.device
    _, channels, height, width = padded.shape
    image, plane = channels * height * width, height * width
    last = padded.numel() - (channels - 1) * plane - (size[0] - 1) * width - (size[1] - 1)
    windows = padded.as_strided((last, channels, *size), (1, plane, width, 1))
    begin = which.to(device) * image + row.to(device) * width + column.to(device)
    return windows.index_select(0, begin)


def mirrored_where(turned: Tensor, images: Tensor) -> Tensor:
    """``images`` (N, C, H, W), of which those are mirrored where ``turned`` (bool) holds: on a CPU mostly in place."""
    if images.device.type != "cpu" or images.requires_grad or images.stride(3) != 1:
        return torch.where(turned[:, None, None, None], images.flip(3), images)
    which = turned.nonzero().squeeze(1)
    mirrored = images.index_select(0, which).flip(3)
    images.view(torch.uint8).numpy()[which.numpy()] = mirrored.view(torch.uint8).numpy()  # numpy copies a row at once
    return images

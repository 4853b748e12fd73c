"""How a picture becomes what a network sees, in numbers that a file can hold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preprocessing:
    """Scaled so that the shorter side is ``resize`` (0: as it is); of that the middle ``size`` (H, W), from 0 to 1 a
    channel; less ``mean``, over ``std``. ``channels`` are 3 (RGB) or 1 (grey: 0.299 R + 0.587 G + 0.114 B, ITU-R 601).

    >>> Preprocessing(channels=1, size=(28, 28), mean=(0.5,), std=(0.5,)).as_json()["size"]
    [28, 28]
    """

    channels: int
    size: tuple[int, int]
    resize: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def as_json(self) -> dict[str, object]:
        """For ``student.json``, a model card, and the script that runs the student."""
        return {
            "channels": self.channels,
            "size": list(self.size),
            "resize": self.resize,
            "mean": list(self.mean),
            "std": list(self.std),
        }

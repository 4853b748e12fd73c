"""What is asked of a teacher that is trained already, said once for every command: fields are flags. No torch here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tutelage.study.bounds import Above, AtLeast, AtMost, Within


@dataclass(frozen=True, kw_only=True)
class OwnTeacherSettings:
    """A teacher that is trained already, and the pictures that it was made for."""

    teacher: str
    """the trained network: my_lab.nets:Net(width=3), resnet56, timm:resnet18, hf:folder, a .pt2 or .onnx file, or a
    table of its answers"""
    weights: Path | None = None
    """its weights: safetensors, or what torch.save wrote; left out where the network comes with them"""
    teacher_size: Annotated[int, AtLeast(0), AtMost(4096)] = 0
    """pixels a side of its own pictures; 0 takes the data's"""
    teacher_mean: tuple[Annotated[float, Within(-1000, 1000)], ...] = ()
    """means of the channels with which its own pictures were normalised (0 to 1); the data's if not given"""
    teacher_std: tuple[Annotated[float, Above(0), AtMost(1000)], ...] = ()
    """their deviations, likewise"""
    teacher_answers: Literal["auto", "logits", "softmax", "sigmoid"] = "auto"
    """what it answers with: logits, or the probabilities of a softmax or of sigmoids; auto finds out"""
    expect: Annotated[float, AtLeast(0), AtMost(100)] = 0.0
    """the accuracy that it is known to have, 0.93 or 93; if it has clearly less, the run stops and says why"""

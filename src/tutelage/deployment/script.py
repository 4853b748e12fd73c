"""``predict.py``: the few lines that ask the ONNX file about a picture, with onnxruntime, numpy and pillow alone."""

from collections.abc import Sequence
from pprint import pformat

from tutelage.deployment.about import About
from tutelage.printable import printable

SCRIPT = "predict.py"

_HEAD = '''\
"""Written by tutelage. What {model} says of a picture: python {script} PICTURE; needs onnxruntime, numpy, pillow.\
{kind}"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

'''
_OPENED = """\
if len(sys.argv) < 2:
    sys.exit(__doc__)
picture = Image.open(sys.argv[1])
"""
_DRAFTED = """\
picture.draft("{mode}", ({resize}, {resize}))  # a JPEG no larger than is needed
"""
_PICTURE = """\
picture = ImageOps.exif_transpose(picture)
if picture.mode.startswith("I"):  # 16 bits a pixel
    picture = Image.fromarray(((np.asarray(picture).astype(np.int64) + 128) // 257).astype(np.uint8))
picture = picture.convert("{mode}")
"""
_CROPPED = """\
lengths = [{resize} * side // min(picture.size) for side in picture.size]  # once the shorter one is {resize}
starts = [(length - {resize}) // 2 for length in lengths]
ends = [start + {resize} for start in starts]
box = [place * side / length for places in (starts, ends)
       for place, side, length in zip(places, picture.size, lengths, strict=True)]
picture = picture.resize(({resize}, {resize}), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
left, top = ({resize} - {width}) // 2, ({resize} - {height}) // 2
picture = picture.crop((left, top, left + {width}, top + {height}))
"""
_RESIZED = """\
if picture.size != ({width}, {height}):
    picture = picture.resize(({width}, {height}), Image.Resampling.BILINEAR)
"""
_ASKED = """\
pixels = np.asarray(picture).reshape(1, {height}, {width}, {channels}).transpose(0, 3, 1, 2)
model = onnxruntime.InferenceSession(Path(__file__).with_name("{model}"), providers=["CPUExecutionProvider"])
answer = np.atleast_1d(model.run(None, {{"input": pixels}})[0][0].astype(np.float64))
"""
SAID = {
    "classification": """\
share = np.exp(answer - answer.max()) / np.exp(answer - answer.max()).sum()
for place in np.argsort(-share)[:3]:
    print(f"{share[place]:6.1%}  {CLASSES[place]}")
""",
    "one logit": """\
share = 1 / (1 + np.exp(-answer[0]))
for place, part in sorted(enumerate([1 - share, share]), key=lambda pair: -pair[1]):
    print(f"{part:6.1%}  {CLASSES[place]}")
""",
    "multi-label": """\
share = 1 / (1 + np.exp(-answer))
for place in np.argsort(-share):
    print(f"{share[place]:6.1%}  {'yes' if share[place] >= 0.5 else 'no ':3}  {CLASSES[place]}")
""",
    "regression": """\
for name, value in zip(CLASSES, answer, strict=True):
    print(f"{name}: {value:g}")
""",
    "segmentation": """\
mask = answer.argmax(0).astype(np.uint8)
for place in np.unique(mask):
    print(f"{(mask == place).mean():6.1%}  {CLASSES[place]}")
file = Path(sys.argv[1]).with_suffix(".predicted.png")
Image.fromarray(mask).save(file)
print(f"{file}: {mask.shape[1]} x {mask.shape[0]} pixels of what the network sees, grey levels are classes from 0 on")
""",
}
"""What a script says of an ``answer``, by the task: of a picture, and of a text."""


def script(about: About, outputs: int, model: str = "student.onnx", name: str = SCRIPT, precision: str = "") -> str:
    """The source of ``predict.py`` for a file ``model`` beside it that takes pixels and gives ``outputs`` a picture.

    The script is called ``name``, and its first lines say the ``precision`` of the file where that is worth a word.

    Pictures are read to the bit as ours are: turned as their EXIF orientation says, in ``channels``, their shorter side
    scaled to ``resize`` (antialiased bilinear), the middle cut out; where that is 0, scaled to the size as a whole if
    they have another. A mask goes into ``PICTURE.predicted.png``.
    Raises ``ValueError`` for a student whose inputs are no pictures; for texts there is ``text_script``.
    """
    how = about.preprocessing
    if how is None:
        raise ValueError(
            "predict.py is about pictures, and what this network sees is none; the card says how to call it."
        )
    height, width = how.size
    named = {"model": model, "script": name, "kind": f"\n\nIt computes in {precision}.\n" if precision else ""}
    facts = {**named, "mode": "L" if how.channels == 1 else "RGB", "channels": how.channels, "height": height}
    sized = (_OPENED, _DRAFTED, _PICTURE, _CROPPED) if how.resize else (_OPENED, _PICTURE, _RESIZED)
    lines = [part.format(**facts, width=width, resize=how.resize) for part in (_HEAD, *sized, _ASKED)]
    classes, said = said_of(about, outputs)
    return "".join([lines[0], classes, *lines[1:], said])


def said_of(about: About, outputs: int) -> tuple[str, str]:
    """The line of a script that names the classes, and those that say what ``outputs`` numbers mean."""
    binary = about.is_of_one_logit(outputs)
    said = SAID["one logit" if binary else about.task]
    return f"CLASSES = {class_list(about.classes, 2 if binary else outputs)}\n", said


def class_list(classes: Sequence[str], outputs: int) -> str:
    """The names of ``outputs`` as a Python list; numbers where there are not as many names.

    They are texts whatever stands in them, each on one line of a terminal and without what would move its cursor.
    """
    names = (
        [printable(" ".join(name.splitlines())) for name in classes]
        if len(classes) == outputs
        else [str(n) for n in range(outputs)]
    )
    return pformat(names, width=118, compact=True)

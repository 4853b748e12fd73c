"""Fills a cache without end, a batch a line, until it is killed."""

import sys
from itertools import count
from pathlib import Path

import torch

from tutelage.teachers.cached import cached
from tutelage.teachers.stores import in_folder


def ask(scene, _wanted):
    return {"output": scene["batch"]["index"][:, None].expand(-1, 64) + 1.0}


if __name__ == "__main__":
    key = {"weights": "a" * 64, "data": "digits", "transform": "crop_flip"}
    fill = cached(ask, samples=4096, views=1, place=in_folder(Path(sys.argv[1]), key))
    order = torch.randperm(4096)
    for step in count():
        index = order[step * 16 % 4096 :][:16]
        fill({"batch": {"input": index, "index": index, "view": index * 0}}, frozenset({"output"}))
        print("kept", flush=True)

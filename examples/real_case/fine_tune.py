"""Fine-tunes a network with ImageNet's weights on folders of pictures: the network that a person comes with.

    python fine_tune.py efficientnet-lite0.pth pictures/photos --out lite0.safetensors --epochs 3

Plain torch, as anybody's script: AdamW, a rate of 0.001 for the body and 0.005 for the new head, one cycle, labels
smoothed by 0.1, pictures mirrored and moved by a few pixels, 64 pixels a side.
"""

import argparse
import time
from pathlib import Path

import torch
from my_lab import EfficientNetLite0
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

BATCH = 64


def pixels(file: Path) -> Tensor:
    """The picture (3, H, W) in a file."""
    with Image.open(file) as picture:
        wide, high = picture.size
        levels = torch.frombuffer(bytearray(picture.convert("RGB").tobytes()), dtype=torch.uint8)
    return levels.view(high, wide, 3).permute(2, 0, 1)


def read(folder: Path) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, H, W) and classes (N) of the folders within, in the order of their names."""
    classes = sorted(x.name for x in folder.iterdir() if x.is_dir())
    files = [(file, place) for place, name in enumerate(classes) for file in sorted((folder / name).iterdir())]
    return torch.stack([pixels(file) for file, _ in files]), torch.tensor([place for _, place in files])


def shown(pictures: Tensor, size: int) -> Tensor:
    """As the network wants them: ``size`` pixels a side, (x - 127) / 128."""
    x = (pictures.float() - 127) / 128
    return F.interpolate(x, (size, size), mode="bilinear", align_corners=False)


def changed(pictures: Tensor) -> Tensor:
    """Half of them mirrored, the batch moved by up to 4 pixels each way."""
    mirror = torch.rand(len(pictures)) < 0.5
    pictures = torch.where(mirror[:, None, None, None], pictures.flip(3), pictures)
    down, right = torch.randint(9, (2,)).tolist()
    side = pictures.shape[-1]
    return F.pad(pictures, (4, 4, 4, 4))[:, :, down : down + side, right : right + side]


def right_share(model: torch.nn.Module, pictures: Tensor, targets: Tensor, size: int) -> float:
    model.eval()
    with torch.inference_mode():
        answers = torch.cat([model(shown(x, size)).argmax(1) for x in pictures.split(250)])
    return (answers == targets).float().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights", type=Path, help="ImageNet's weights, a state dict")
    parser.add_argument("photos", type=Path, help="a folder with train/ and val/")
    parser.add_argument("--out", type=Path, default=Path("lite0.safetensors"))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    torch.manual_seed(0)
    (pictures, targets), validation = read(words.photos / "train"), read(words.photos / "val")
    model = EfficientNetLite0()
    model.load_state_dict(torch.load(words.weights, weights_only=True))
    model._fc = torch.nn.Linear(1280, int(targets.max()) + 1)
    head = list(model._fc.parameters())
    body = [x for name, x in model.named_parameters() if not name.startswith("_fc")]
    optimizer = torch.optim.AdamW([{"params": body}, {"params": head}], lr=1e-3, weight_decay=0.01)
    steps = words.epochs * -(-len(pictures) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [1e-3, 5e-3], total_steps=steps)
    begun = time.perf_counter()
    for epoch in range(words.epochs):
        model.train()
        for rows in torch.randperm(len(pictures)).split(BATCH):
            answers = model(shown(changed(pictures[rows]), words.size))
            loss = F.cross_entropy(answers, targets[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        right = right_share(model, *validation, words.size)
        minutes = (time.perf_counter() - begun) / 60
        print(f"epoch {epoch + 1}: {right:.1%} right of the validation pictures, {minutes:.0f} minutes", flush=True)
        save_file(model.state_dict(), words.out)


if __name__ == "__main__":
    main()

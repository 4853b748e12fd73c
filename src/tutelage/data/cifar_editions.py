"""The names of CIFAR-10 and CIFAR-100, and the layout of their official archives."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from tutelage.data.labelled import Labelled, labelled


@dataclass(frozen=True)
class Edition:
    """What one of the two sets is called, and where things are in its official archive."""

    name: str
    classes: tuple[str, ...]
    column: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: bytes
    url: str
    md5: str

    @property
    def archive(self) -> str:
        """The name of the archive's file."""
        return self.url.rpartition("/")[2]


_TEN = "airplane automobile bird cat deer dog frog horse ship truck"
_FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""

CIFAR10 = Edition(
    name="cifar10",
    classes=tuple(_TEN.split()),
    column="label",
    folder="cifar-10-batches-py",
    train=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    test=("test_batch",),
    labels=b"labels",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
)
CIFAR100 = Edition(
    name="cifar100",
    classes=tuple(_FINE.split()),
    column="fine_label",
    folder="cifar-100-python",
    train=("train",),
    test=("test",),
    labels=b"fine_labels",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
)


def of_edition(name: str, images: Tensor, targets: Tensor, edition: Edition, where: Path) -> Labelled:
    """A part of that edition, read from ``where``. Raises ``ValueError`` for other sizes and targets."""
    if images.shape[2:] != (32, 32):
        size = " x ".join(map(str, images.shape[:1:-1]))
        raise ValueError(f"{where} holds images of {size} pixels; those of {edition.name} have 32 x 32.")
    return labelled(name, images, targets, edition.classes)

"""A streamed folder shows the same pictures to the bit, whoever decodes them, wherever an epoch is entered."""

import io
import math
import multiprocessing
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tutelage.data import crops, decoding, pictures, streamed
from tutelage.data.crops import centre_crop, random_crop
from tutelage.data.draws import uniform
from tutelage.data.folder import image_folder
from tutelage.data.image_files import image_files
from tutelage.data.randaugment import randaugment
from tutelage.data.split import held_out
from tutelage.data.streamed import MEAN, STD, centred, cropped
from tutelage.data.views import normalised, plain
from tutelage.keys import described
from tutelage.measures.errors import errors
from tutelage.measures.predict import predict_batches
from tutelage.teachers.cached import cached
from tutelage.teachers.frozen import frozen

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # Python 3.12, at a fork
    pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes:UserWarning"),  # on one core
]
SIZES = {"cat": [(40, 30), (24, 60), (33, 33), (90, 20)], "dog": [(50, 41), (30, 30), (64, 48)], "eel": [(21, 80)] * 4}


def photograph(seed, width, height):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 4, 4, generator=generator) * 255
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 255)
    return Image.fromarray(smooth[0].permute(1, 2, 0).to(torch.uint8).numpy())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eleven photographs of three classes, PNG and JPEG, one grey and one in a folder of its own; and other files."""
    root = tmp_path_factory.mktemp("set") / "train"
    for home, sizes in SIZES.items():
        (root / home / "more").mkdir(parents=True)
        for n, (width, height) in enumerate(sizes):
            picture = photograph(len(home) + n, width, height)
            if n == 1:
                picture = picture.convert("L")
            picture.save(root / home / ("more" if n == 2 else "") / f"{n}.{'png' if n % 2 else 'JPEG'}")
        (root / home / "notes.txt").write_text("nothing to see")
        (root / home / ".hidden.png").write_bytes(b"not an image")
    (root / "README.md").write_text("three classes")
    return root


@pytest.fixture(scope="module")
def files(folder):
    return image_files(folder, "pets/train")


def equal(left, right):
    return len(left) == len(right) and all(
        x.keys() == y.keys() and all(torch.equal(x[key], y[key]) for key in x) for x, y in zip(left, right, strict=True)
    )


def taught(files, **more):
    return cropped(files, batch_size=4, size=16, **more)


class TestFiles:
    def test_are_those_of_the_folder_by_class_and_by_name(self, files):
        assert files.classes == ("cat", "dog", "eel") and len(files) == 11
        assert files.paths[:4] == ("cat/0.JPEG", "cat/1.png", "cat/3.png", "cat/more/2.JPEG")
        assert files.targets.tolist() == [0] * 4 + [1] * 3 + [2] * 4 and files.index.tolist() == list(range(11))

    def test_are_numbered_as_the_same_folder_in_memory(self, tmp_path):
        for n, path in enumerate(["a/x-1/1.png", "a/x/2.png", "a/x.png", "b/B.png", "b/a.png"]):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            photograph(n, 8, 8).save(tmp_path / path)
        source = centred(image_files(tmp_path, "set"), batch_size=5, size=8, resize=8)
        assert torch.equal(next(iter(source(0, 0)))["input"], image_folder(tmp_path, "set").inputs / 255)

    def test_have_a_checksum_that_names_sizes_and_places_change(self, files, folder, tmp_path):
        assert files.checksum == image_files(folder, "pets/train").checksum
        assert files.checksum != image_files(folder, "other").checksum
        assert files.checksum != files[torch.arange(10)].checksum
        assert described(files) == {"data": files.checksum}
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "x.png").write_bytes(b"12")
        before = image_files(tmp_path, "set").checksum
        (tmp_path / "a" / "x.png").write_bytes(b"123")
        assert image_files(tmp_path, "set").checksum != before

    def test_a_subset_keeps_its_numbers_and_looks_as_in_the_whole_set(self, files):
        rest, validation = held_out(files, 4, seed=1)
        assert sorted([*rest.index.tolist(), *validation.index.tolist()]) == list(range(11))
        assert all(files.paths[i] == path for i, path in zip(rest.index.tolist(), rest.paths, strict=True))

        def looks(part):
            return {
                int(i): x for batch in taught(part)(3, 0) for i, x in zip(batch["index"], batch["input"], strict=True)
            }

        whole = looks(files)
        assert all(torch.equal(whole[i], x) for i, x in looks(rest).items())


class TestBatches:
    def test_every_sample_comes_once_an_epoch_in_another_order_and_another_crop(self, files):
        first, second = (list(taught(files)(epoch, 0)) for epoch in (0, 1))
        assert [len(batch["input"]) for batch in first] == [4, 4, 3]
        orders = [torch.cat([batch["index"] for batch in epoch]) for epoch in (first, second)]
        assert sorted(orders[0].tolist()) == list(range(11)) and not torch.equal(*orders)
        looks = [torch.cat([batch["input"] for batch in epoch])[order.argsort()]
                 for epoch, order in zip((first, second), orders, strict=True)]  # fmt: skip
        assert (looks[0] != looks[1]).flatten(1).any(1).all()
        targets = torch.cat([batch["target"] for batch in first])
        assert torch.equal(targets, files.targets[orders[0]])

    def test_inputs_are_fractions_of_one_size(self, files):
        batch = next(iter(taught(files)(0, 0)))
        assert sorted(batch) == ["index", "input", "target"]
        assert batch["input"].shape == (4, 3, 16, 16) and batch["input"].dtype == torch.float32
        assert 0 <= batch["input"].min() < batch["input"].max() <= 1

    @pytest.mark.parametrize("workers", [0, 2])
    def test_entered_in_the_middle_an_epoch_goes_on_to_the_bit(self, files, workers):
        for source in (taught(files, workers=workers, seed=7), centred(files, batch_size=4, size=9, resize=12)):
            whole = list(source(2, 0))
            for first in (1, 3) if workers else range(4):
                assert equal(whole[first:], list(source(2, first)))

    def test_nothing_that_came_before_is_decoded(self, files, monkeypatch):
        seen, read = [], decoding.decoded
        monkeypatch.setattr(decoding, "decoded", lambda path: seen.append(path) or read(path))
        batches = list(taught(files)(0, 2))
        expected = [files.folder / files.paths[i] for i in batches[0]["index"].tolist()]
        assert seen == expected and len(seen) == 3

    def test_workers_change_nothing_and_draw_nothing_from_the_global_generator(self, files):
        transform = normalised(randaugment, MEAN, STD)
        alone = list(taught(files, transform=transform)(5, 0))
        before = torch.get_rng_state()
        assert equal(alone, list(taught(files, transform=transform, workers=2)(5, 0)))
        assert torch.equal(before, torch.get_rng_state())

    def test_workers_may_be_spawned(self, files):
        """The whole of what is sent to a worker goes through pickle, and so does what comes back."""
        decoder = decoding.Decoder(partial(random_crop, size=16))
        job = streamed._job(files, torch.tensor([3, 1]), (0, 0))
        there, what = pickle.loads(pickle.dumps((decoder, job)))
        back = pickle.loads(pickle.dumps(there[what]))
        assert torch.equal(back, decoder[job]) and back.shape == (2, 3, 16, 16)

    def test_who_stops_early_leaves_no_process_behind(self, files):
        batches = iter(taught(files, workers=2)(0, 0))
        next(batches)
        assert multiprocessing.active_children()
        batches.close()
        assert not multiprocessing.active_children()

    def test_a_cache_refuses_crops(self, files):
        batch = next(iter(taught(files)(0, 0)))
        with pytest.raises(ValueError, match=r"which view of which sample it sees; the batch lacks \['view'\]"):
            cached(frozen(nn.Flatten()), samples=11, views=1)({"batch": batch}, frozenset({"output"}))

    def test_each_crop_has_a_view_number_of_its_own_for_what_is_done_to_it(self, files):
        numbers = []

        def noted(images, view):
            numbers.append(view)
            return images

        for epoch in range(2):
            list(taught(files, transform=noted)(epoch, 0))
        assert len(torch.cat(numbers).unique()) == 22


class TestMeasuring:
    def test_logits_come_in_the_order_of_the_files(self, files):
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 3))
        source = centred(files, batch_size=4, size=8, resize=10, transform=normalised(plain, MEAN, STD))
        logits = predict_batches(model, source(0, 0))
        assert logits.shape == (11, 3) and 0 <= errors(logits, files.targets) <= 11
        one = predict_batches(model, centred(files[torch.tensor([5])], batch_size=1, size=8, resize=10,
                                             transform=normalised(plain, MEAN, STD))(0, 0))  # fmt: skip
        assert (logits[5] - one[0]).norm() <= 1e-4 * one[0].norm()

    @pytest.mark.parametrize(("width", "height"), [(40, 30), (30, 61), (16, 16), (17, 90)])
    def test_the_middle_is_pillows_to_two_grey_levels(self, width, height):
        """Both scale by a triangle as wide as a new pixel; pillow rounds after rows and columns each."""
        picture = photograph(0, width, height)
        size = (20 * width // min(width, height), 20 * height // min(width, height))
        left, top = ((side - 16) // 2 if side % 2 == 0 else round((side - 16) / 2) for side in size)
        scaled = picture.resize(size, Image.Resampling.BILINEAR)
        theirs = torch.from_numpy(np.array(scaled.crop((left, top, left + 16, top + 16)))).permute(2, 0, 1)
        image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        ours = centre_crop(image, size=16, resize=20)
        assert ours.dtype == torch.uint8 and (ours.int() - theirs.int()).abs().max() <= 2


class TestRandomCrop:
    def test_boxes_lie_inside_and_have_the_shares_and_the_proportions_that_they_should(self):
        shares, proportions = [], []
        for n in range(1500):
            chances = uniform(0, n, torch.arange(41)).tolist()
            top, left, tall, wide = crops._box(300, 300, chances, (0.08, 1.0), (3 / 4, 4 / 3))
            assert 0 <= top <= top + tall <= 300 and 0 <= left <= left + wide <= 300
            shares.append(tall * wide / 90_000)
            proportions.append(math.log(wide / tall))
        assert 0.079 < min(shares) < 0.1 < 0.95 < max(shares) <= 1
        assert abs(sum(proportions) / 1500) < 0.02 and max(map(abs, proportions)) < math.log(4 / 3) + 0.02

    def test_all_of_a_square_picture_is_the_picture_or_its_mirror(self):
        image = torch.randint(256, (3, 12, 12), dtype=torch.uint8)
        seen = [random_crop(image, (0, 0, n), size=12, scale=(1, 1), ratio=(1, 1)) for n in range(200)]
        mirrored = sum(torch.equal(x, image.flip(2)) for x in seen)
        assert sum(torch.equal(x, image) for x in seen) + mirrored == 200 and 70 < mirrored < 130

    @pytest.mark.parametrize(("height", "width", "box"), [(10, 400, (0, 193, 10, 13)), (400, 12, (192, 0, 16, 12))])
    def test_of_a_picture_too_long_for_any_box_it_is_the_middle(self, height, width, box):
        chances = [1.0] * 41  # the whole area, which never fits
        assert crops._box(height, width, chances, (0.08, 1.0), (3 / 4, 4 / 3)) == box


class TestRefusals:
    def test_a_corrupt_image_is_named_by_its_path_whoever_decodes_it(self, tmp_path):
        content = io.BytesIO()
        photograph(0, 32, 32).save(content, "PNG")
        for name, broken in (("x.png", b"no image"), ("y.jpg", content.getvalue()[:-40])):
            home = tmp_path / name / "cat"
            home.mkdir(parents=True)
            (home / name).write_bytes(broken)
            for workers in (0, 1):
                source = centred(image_files(home.parent, "set"), batch_size=1, workers=workers)
                with pytest.raises(ValueError, match=rf"^{home / name} is not a sound image \(.*; restore it"):
                    list(source(0, 0))

    def test_a_file_that_is_gone_is_named_by_its_path(self, tmp_path):
        (tmp_path / "cat").mkdir()
        photograph(0, 32, 32).save(tmp_path / "cat" / "x.png")
        source = centred(image_files(tmp_path, "set"), batch_size=1)
        (tmp_path / "cat" / "x.png").unlink()
        with pytest.raises(FileNotFoundError, match=r"cat/x\.png"):
            list(source(0, 0))

    def test_a_folder_that_is_none_of_classes_with_images_is_refused_in_one_sentence(self, tmp_path):
        for refuses in (image_files, image_folder):
            with pytest.raises(FileNotFoundError, match=r"There is no folder .*typo; name one"):
                refuses(tmp_path / "typo", "set")
            with pytest.raises(FileNotFoundError, match=r"has no folders; it needs one for each class"):
                refuses(tmp_path, "set")
        (tmp_path / "cat").mkdir()
        (tmp_path / "cat" / "notes.txt").write_text("no image")
        for refuses in (image_files, image_folder):
            with pytest.raises(FileNotFoundError, match=rf"{tmp_path}/cat holds no image \(\.png.*; fill it or remove"):
                refuses(tmp_path, "set")

    @pytest.mark.parametrize(
        ("call", "sentence"),
        [
            (lambda files: cropped(files, batch_size=0), "got batch_size=0, size=224, workers=0"),
            (lambda files: cropped(files, batch_size=4, workers=-1), "0 workers or more"),
            (lambda files: cropped(files, batch_size=4, scale=(0.0, 1.0)), r"scale is \(0.0, 1.0\)"),
            (lambda files: cropped(files, batch_size=4, scale=(0.5, 0.2)), r"scale is \(0.5, 0.2\)"),
            (lambda files: cropped(files, batch_size=4, seed=-1), "A seed is a whole number"),
            (lambda files: centred(files, batch_size=4, size=300), "scaled to 256 pixels has no middle of 300"),
            (lambda files: centred(files[:0], batch_size=4), "'pets/train' is empty"),
        ],
    )
    def test_nonsense_is_refused_at_once(self, files, call, sentence):
        with pytest.raises(ValueError, match=sentence):
            call(files)

    def test_without_pillow_it_says_what_to_install_at_once(self, files, monkeypatch):
        def missing(name):
            raise ImportError(name)

        monkeypatch.setattr(pictures, "import_module", missing)
        for make in (cropped, centred):
            with pytest.raises(ImportError, match=r"needs pillow: pip install 'tutelage\[images\]'"):
                make(files, batch_size=4)

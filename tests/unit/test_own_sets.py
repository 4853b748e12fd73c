"""Sets of a person's own data: split with care, decoded to one size whoever decodes, what was assumed is said."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from own_pictures import class_folders, picture
from tutelage.data.views import views
from tutelage.files import UNFINISHED
from tutelage.integrity import findings
from tutelage.measures.predict import predict
from tutelage.own_data import store
from tutelage.own_data.decode import decode_into
from tutelage.own_data.geometry import Geometry, geometry, middle_box
from tutelage.own_data.prepared import How, decoded_parts
from tutelage.own_data.read import read
from tutelage.own_data.split import set_apart
from tutelage.own_data.twins import twins
from tutelage.study.own.normalisation import moments
from tutelage.study.own.sets import own_sets
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.views import own_views
from unit.test_picture_forms import encoded

pytestmark = pytest.mark.slow

STORED = {
    "int64": lambda x: x.astype(np.int64),
    "16 bits": lambda x: x.astype(np.uint16) * 257,
    "whole floats": lambda x: x.astype(np.float64),
    "fractions": lambda x: (x / 255).astype(np.float32),
    "halves": lambda x: (x / 255).astype(np.float16),
    "channels first": lambda x: x.transpose(0, 3, 1, 2).astype(np.int32),
    "with alpha": lambda x: np.concatenate([x, x[..., :1]], 3) / 255,
    "grey, whole": lambda x: x[..., 0].astype(np.int32),
    "grey, fractions": lambda x: x[..., 0] / 255,
}


def sets(where, root=None, **settings):
    notes = []
    return own_sets("cpu", where, DataSettings(**settings), notes.append, root), " | ".join(notes)


class TestSplits:
    def test_what_the_data_lack_is_set_apart_each_class_its_share(self, tmp_path):
        found, notes = sets(class_folders(tmp_path, ("ant", "bee"), each=20))
        assert [len(x) for x in (found.train, found.validation, found.test)] == [32, 4, 4]
        assert found.test.targets.bincount().tolist() == [2, 2] == found.validation.targets.bincount().tolist()
        assert "of 40 training samples, each class its share, 4 samples were set apart for test" in notes

    def test_parts_that_are_there_are_taken(self, tmp_path):
        for part, each in (("train", 10), ("val", 3), ("test", 2)):
            class_folders(tmp_path, part=part, each=each)
        found, notes = sets(tmp_path)
        assert [len(x) for x in (found.train, found.validation, found.test)] == [20, 6, 4] and "apart" not in notes

    def test_samples_are_numbered_over_all_parts_and_named(self, tmp_path):
        found, _ = sets(class_folders(tmp_path, each=10))
        index = torch.cat([x.index for x in (found.train, found.validation, found.test)])
        assert len(index.unique()) == 20 == len(found.names)
        pixel = {name: Image.open(tmp_path / name) for name in found.names}
        for part in (found.train, found.validation, found.test):
            for i, x in zip(part.index.tolist(), part.inputs, strict=True):
                assert np.array_equal(np.array(pixel[found.names[i]]).transpose(2, 0, 1), x.numpy())

    def test_the_seed_says_which_and_nothing_else_does(self, tmp_path):
        class_folders(tmp_path, each=20)
        first, again, other = (sets(tmp_path, split_seed=seed)[0] for seed in (0, 0, 1))
        assert first.train.checksum == again.train.checksum != other.train.checksum
        assert first.train.checksum == sets(tmp_path, workers=3)[0].train.checksum

    def test_without_a_test_part_the_validation_part_is_measured_and_it_is_said(self, tmp_path):
        found, notes = sets(class_folders(tmp_path, each=10), test=0.0)
        assert found.test is found.validation and "there is no test part" in notes
        with pytest.raises(ValueError, match="There is nothing to measure on"):
            sets(tmp_path, test=0.0, validation=0.0)

    def test_a_class_of_one_picture_stays_in_training(self, tmp_path):
        class_folders(tmp_path, ("ant", "bee"), each=20)
        class_folders(tmp_path, ("cat",), each=1)
        found, _ = sets(tmp_path)
        assert 2 in found.train.targets

    def test_too_few_samples_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="cannot be set apart for"):
            sets(class_folders(tmp_path, each=1))


class TestSizes:
    def test_pictures_of_one_size_stay_as_they_are(self, tmp_path):
        found, notes = sets(class_folders(tmp_path, each=10))
        assert found.preprocessing.size == (10, 12) and found.preprocessing.resize == 0
        assert "all pictures have 12 x 10 pixels and stay as they are" in notes and found.example.shape == (
            2,
            3,
            10,
            12,
        )

    def test_pictures_of_several_sizes_are_kept_a_little_larger_than_seen(self, tmp_path):
        class_folders(tmp_path, ("ant",), each=10, width=30, height=20)
        class_folders(tmp_path, ("bee",), each=10, width=25, height=40)
        found, notes = sets(tmp_path, size=14)
        assert found.train.inputs.shape[1:] == (3, 16, 16) and found.preprocessing.resize == 16
        assert found.example.shape == (2, 3, 14, 14) and "shorter side has 16 pixels" in notes
        assert geometry([(1, 2), (3, 4)])[0] == Geometry((224, 224), (256, 256), 256)
        assert "--size 2 would be faster" in geometry([(1, 2), (3, 4), (2, 9)])[1]

    def test_one_size_and_another_that_is_asked_for_is_scaled_whole(self):
        assert geometry([(28, 28)] * 3, 32)[0] == Geometry((32, 32), (32, 32), 32)
        assert geometry([(28, 28)] * 3, 28)[0].resize == 0
        assert geometry([(20, 28)] * 3, 28)[0] == Geometry((28, 28), (32, 32), 32)

    @pytest.mark.parametrize("size", range(1, 400, 7))
    def test_the_margin_is_even_so_that_middles_agree(self, size):
        kept = geometry([(1, 2), (3, 4)], size)[0]
        assert (kept.resize - size) % 2 == 0 and kept.resize >= size

    @pytest.mark.parametrize(("width", "height"), [(40, 30), (31, 77), (64, 64), (500, 9), (9, 500)])
    def test_the_middle_is_that_of_the_scaled_picture(self, width, height):
        image = picture(0, width, height)
        shorter = min(width, height)
        whole = image.resize((16 * width // shorter, 16 * height // shorter), Image.Resampling.BILINEAR)
        left, top = ((side - 16) // 2 for side in whole.size)
        expected = np.array(whole.crop((left, top, left + 16, top + 16))).astype(int)
        out = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
        decode_into(out, [encoded(image)], Geometry((14, 14), (16, 16), 16))
        found = out[0].permute(1, 2, 0).numpy().astype(int)
        assert np.abs(found - expected).mean() < 2 and middle_box(16, 16, 16) == (0, 0, 16, 16)

    def test_a_reduced_jpeg_looks_as_a_whole_one_that_is_scaled(self):
        smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8))
        smooth = smooth.resize((800, 600), Image.Resampling.BICUBIC)
        out = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
        decode_into(out, [encoded(smooth, "JPEG", quality=95), encoded(smooth)], Geometry((56, 56), (64, 64), 64))
        assert (out[0].int() - out[1].int()).abs().float().mean() < 2

    @pytest.mark.parametrize("channels", [0, 1, 3])
    def test_channels_are_those_of_the_pictures_unless_said(self, tmp_path, channels):
        for n in range(20):
            (tmp_path / "ab"[n % 2]).mkdir(exist_ok=True)
            picture(n).convert("L").save(tmp_path / "ab"[n % 2] / f"{n}.png")
        found, notes = sets(tmp_path, channels=channels)
        assert found.train.inputs.shape[1] == (channels or 1) == found.preprocessing.channels
        assert ("all pictures are grey: 1 channel" in notes) == (channels == 0)

    def test_turned_pictures_are_counted(self, tmp_path):
        class_folders(tmp_path, each=10, width=16, height=16)
        exif = Image.Exif()
        exif[0x0112] = 6
        picture(9, 16, 16).save(tmp_path / "ant" / "9.png", exif=exif)
        assert "1 picture was turned upright, as their EXIF data say" in sets(tmp_path)[1]


class TestNormalisation:
    def test_moments_are_those_of_the_training_pictures(self, tmp_path):
        found, notes = sets(class_folders(tmp_path, each=10))
        levels = found.train.inputs.double() / 255
        assert np.allclose(found.preprocessing.mean, levels.mean((0, 2, 3)), atol=1e-4)
        assert np.allclose(found.preprocessing.std, levels.transpose(0, 1).flatten(1).std(1, correction=0), atol=1e-4)
        assert "means and deviations of the training pictures were measured" in notes
        shown = found.test_transform(found.train.inputs, found.train.index * 0)
        assert shown.mean((0, 2, 3)).abs().max() < 1e-2 and (shown.std((0, 2, 3)) - 1).abs().max() < 1e-2

    def test_what_is_given_is_taken(self, tmp_path):
        found, notes = sets(class_folders(tmp_path, each=10), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))
        assert found.normalisation == ((0.5, 0.4, 0.3), (0.2, 0.2, 0.2)) and "measured" not in notes
        with pytest.raises(ValueError, match="--mean takes 3 numbers, one for each channel; got 1"):
            sets(tmp_path, mean=(0.5,))

    def test_pictures_that_are_all_alike_are_not_divided_by_nothing(self):
        assert moments(torch.full((3, 1, 4, 4), 51, dtype=torch.uint8)) == ((0.2,), (1.0,))


class TestBroken:
    @pytest.fixture
    def folder(self, tmp_path):
        class_folders(tmp_path, each=10)
        (tmp_path / "ant" / "3.png").write_bytes(b"no picture")
        whole = (tmp_path / "bee" / "4.png").read_bytes()
        (tmp_path / "bee" / "4.png").write_bytes(whole[: len(whole) // 2])
        return tmp_path

    def test_broken_pictures_are_left_out_by_name(self, folder):
        found, notes = sets(folder)
        assert sum(map(len, (found.train, found.validation, found.test))) == 18
        assert f"{folder}/ant/3.png is not a sound image (it is none of" in notes and "bee/4.png" in notes
        assert {*found.names}.isdisjoint({"ant/3.png", "bee/4.png"})

    def test_strictly_they_are_refused(self, folder):
        with pytest.raises(
            ValueError, match=r"^.*(3|4)\.png is not a sound image .*; restore them, or leave out --strict"
        ):
            sets(folder, strict=True)

    def test_where_none_is_left_there_are_no_data(self, tmp_path):
        class_folders(tmp_path, each=4)
        for file in tmp_path.glob("*/*.png"):
            file.write_bytes(b"x")
        with pytest.raises(ValueError, match=r"is not a sound image .* nor is any other of the .* part"):
            sets(tmp_path)

    def test_the_rows_of_others_do_not_move(self, folder):
        source = read(folder)
        ready = decoded_parts(source, How()).parts["train"]
        for name, x in zip(ready.names, ready.inputs, strict=True):
            assert np.array_equal(np.array(Image.open(folder / name)).transpose(2, 0, 1), x.numpy())
        assert len(ready.targets) == 18


class TestTwins:
    def test_the_same_picture_in_two_parts_is_counted_and_named(self, tmp_path):
        class_folders(tmp_path, part="train")
        class_folders(tmp_path, part="val")
        (tmp_path / "val" / "bee" / "1.png").write_bytes((tmp_path / "train" / "ant" / "2.png").read_bytes())
        assert (
            "1 picture of the validation part is in the train part as well: val/bee/1.png = train/ant/2.png"
            in (sets(tmp_path)[1])
        )

    def test_none_are_none(self):
        assert twins({"train": ["a"], "test": ["b"]}, {"train": [b"1"], "test": [b"2"]}) == []


class TestFiles:
    """What does not fit the memory is decoded into a file once."""

    @pytest.fixture(autouse=True)
    def small_memory(self, monkeypatch):
        monkeypatch.setattr("tutelage.own_data.prepared.memory_limit", lambda: 1000)

    def test_decoded_once_and_found_again(self, tmp_path, monkeypatch):
        class_folders(tmp_path / "set", each=10)
        (tmp_path / "set" / "ant" / "3.png").write_bytes(b"no picture")
        (tmp_path / "runs").mkdir()
        first, notes = sets(tmp_path / "set", tmp_path / "runs")
        assert f"in files of {tmp_path / 'runs' / 'decoded'}" in notes and first.train.sum_of_inputs
        monkeypatch.delattr("tutelage.own_data.decode.sound_image")  # nothing can be decoded any more
        again, _ = sets(tmp_path / "set", tmp_path / "runs")
        assert torch.equal(first.train.inputs, again.train.inputs) and first.train.checksum == again.train.checksum
        assert first.names == again.names and len(first.train) + len(first.validation) + len(first.test) == 19

    def test_the_same_pixels_as_in_memory(self, tmp_path, monkeypatch):
        class_folders(tmp_path / "set", each=10)
        (tmp_path / "runs").mkdir()
        mapped = sets(tmp_path / "set", tmp_path / "runs")[0]
        monkeypatch.setattr("tutelage.own_data.prepared.memory_limit", lambda: None)
        kept = sets(tmp_path / "set")[0]
        assert torch.equal(mapped.train.inputs, kept.train.inputs) and mapped.preprocessing == kept.preprocessing
        assert mapped.train[torch.arange(3)].checksum == kept.train[torch.arange(3)].checksum

    @pytest.mark.parametrize("damage", ["cut", "bit", "json", "digests", "gone", "changed"])
    def test_what_is_not_whole_or_not_the_same_is_made_anew(self, tmp_path, damage):
        class_folders(tmp_path / "set", each=10)
        (tmp_path / "runs").mkdir()
        first = sets(tmp_path / "set", tmp_path / "runs")[0].train.inputs.clone()
        for file in (tmp_path / "runs" / "decoded").iterdir():
            if damage in ("cut", "bit") and file.suffix == ".uint8":
                content = file.read_bytes()
                file.write_bytes(content[:-1] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
            if damage == "json" and file.suffix == ".json":
                file.write_text("{}")
            if damage == "digests" and file.suffix == ".json":
                said = json.loads(file.read_text())
                file.write_text(json.dumps({**said, "digests": said["digests"][::-1]}))
            if damage == "gone" and file.suffix == ".json":
                file.unlink()
        if damage == "changed":
            for file in (tmp_path / "set").glob("*/*.png"):
                picture(500 + int(file.stem) + len(file.parent.name[0]) * ord(file.parent.name[0])).save(file)
        again, notes = sets(tmp_path / "set", tmp_path / "runs")
        assert torch.equal(first, again.train.inputs) == (damage != "changed")
        assert ("its pictures were decoded anew" in notes) == (damage in ("cut", "bit", "json", "digests"))
        assert "decoded anew" not in sets(tmp_path / "set", tmp_path / "runs")[1]

    def test_verify_finds_a_bit_that_changed_and_removing_the_file_helps(self, tmp_path):
        class_folders(tmp_path / "set", each=10)
        (tmp_path / "runs").mkdir()
        first = sets(tmp_path / "set", tmp_path / "runs")[0].train.inputs.clone()
        assert [(x.kind, x.verdict) for x in findings(tmp_path)] == [("decoded pictures", "whole")]
        file = max((tmp_path / "runs" / "decoded").glob("*.uint8"), key=lambda x: x.stat().st_size)
        file.write_bytes(bytes([file.read_bytes()[0] ^ 128]) + file.read_bytes()[1:])
        (found,) = findings(tmp_path)
        assert found.verdict == "damaged" and found.problems[0].startswith(f"{file} is damaged, or was changed: remove")
        file.unlink()
        again, notes = sets(tmp_path / "set", tmp_path / "runs")
        assert torch.equal(first, again.train.inputs) and "anew" not in notes
        file.with_suffix(".json").unlink()
        assert [x.verdict for x in findings(tmp_path)] == ["unfinished"]

    def test_what_a_kill_left_in_the_middle_is_taken_away(self, tmp_path):
        class_folders(tmp_path / "set", each=10)
        left = tmp_path / "runs" / "decoded" / f"{UNFINISHED}x" / "decoded-0.uint8"
        left.parent.mkdir(parents=True)
        left.write_bytes(bytes(100))
        sets(tmp_path / "set", tmp_path / "runs")
        assert not left.parent.exists()

    def test_a_full_disk_is_a_sentence_and_leaves_nothing(self, tmp_path, monkeypatch):
        class_folders(tmp_path / "set", each=10)
        (tmp_path / "runs").mkdir()
        usage = type("Usage", (), {"free": 10})
        monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage)
        with pytest.raises(
            OSError, match=r"has room for 0\.0 GB, and decoded pictures take .* choose a smaller --size"
        ):
            sets(tmp_path / "set", tmp_path / "runs")
        assert [x.name for x in (tmp_path / "runs" / "decoded").iterdir()] == ["lock"]

    def test_without_a_place_for_files_it_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="once decoded, which the memory lacks; choose a smaller --size"):
            sets(class_folders(tmp_path, each=10))


class TestOtherTasks:
    def masks(self, folder, values=(0, 1, 2), width=14):
        for n in range(12):
            for home in ("images", "masks"):
                (folder / home).mkdir(exist_ok=True)
            picture(n, 14, 12).save(folder / "images" / f"{n}.png")
            mask = np.array(values, np.uint8)[np.random.default_rng(n).integers(0, len(values), (12, width))]
            Image.fromarray(mask).save(folder / "masks" / f"{n}.png")
        return folder

    def test_masks_are_scaled_with_their_pictures_by_the_nearest_pixel(self, tmp_path):
        ready = decoded_parts(read(self.masks(tmp_path)), How(size=8))
        part = ready.parts["train"]
        assert part.inputs.shape == (12, 3, *ready.geometry.kept) and part.targets.shape == (12, *ready.geometry.kept)
        assert part.targets.dtype == torch.uint8 and {*part.targets.unique().tolist()} == {0, 1, 2}

    def test_a_palette_is_not_looked_up(self, tmp_path):
        self.masks(tmp_path)
        for file in (tmp_path / "masks").iterdir():
            mask = Image.open(file)
            mask.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
            mask.save(file)
        assert {*decoded_parts(read(tmp_path), How()).parts["train"].targets.unique().tolist()} == {0, 1, 2}

    def test_masks_of_another_size_or_in_colour_are_refused_by_name(self, tmp_path):
        self.masks(tmp_path, width=13)
        with pytest.raises(
            ValueError, match=r"0\.png is no mask of its picture \(it has 13 x 12 pixels, and its picture 14"
        ):
            decoded_parts(read(tmp_path), How())
        picture(0, 14, 12).save(tmp_path / "masks" / "0.png")
        with pytest.raises(ValueError, match=r"it is in colour, and masks are grey"):
            decoded_parts(read(tmp_path), How())

    def test_masks_that_are_jpegs_are_refused_and_numbers_with_gaps_are_said(self, tmp_path):
        _, notes = sets(self.masks(tmp_path, values=(0, 100, 200)))
        assert "masks hold the numbers 0, 100, 200 alone, and are taken for numbers of 201 classes" in notes
        for file in sorted((tmp_path / "masks").iterdir()):
            Image.open(file).save(file.with_suffix(".jpg"))
            file.unlink()
        with pytest.raises(ValueError, match=r"0\.jpg is no mask of its picture \(it is a JPEG.*save masks as PNG"):
            sets(tmp_path)

    def test_vectors_pass_as_they_are(self, tmp_path):
        x = np.random.default_rng(0).normal(5, 3, (40, 7)).astype(np.float32)
        np.savez(tmp_path / "d.npz", x=x, y=x[:, :1])
        found, notes = sets(tmp_path / "d.npz")
        assert found.preprocessing is None and found.task.deciding.name == "mean squared error"
        assert "numbers stay as they are" in notes and found.train.classes == ("0",)
        rows = torch.cat([found.train.inputs, found.validation.inputs, found.test.inputs])
        assert {*map(tuple, rows.tolist())} == {*map(tuple, x.tolist())}

    @pytest.mark.parametrize("stored", STORED)
    def test_grey_levels_are_the_same_however_they_are_stored(self, tmp_path, stored):
        x = np.random.default_rng(0).integers(0, 256, (30, 9, 9, 3), dtype=np.uint8)
        x[24:] //= 4  # of dark pictures alone nobody could tell
        parts = {"train": x[:24], "test": x[24:]}
        np.savez(tmp_path / "levels.npz", **{f"x_{k}": v for k, v in parts.items()}, y_train=np.arange(24) % 3,
                 y_test=np.arange(6) % 3)  # fmt: skip
        np.savez(tmp_path / "d.npz", **{f"x_{k}": STORED[stored](v) for k, v in parts.items()},
                 y_train=np.arange(24) % 3, y_test=np.arange(6) % 3)  # fmt: skip
        wanted, found = (sets(tmp_path / name)[0] for name in ("levels.npz", "d.npz"))
        grey = found.train.inputs.shape[1] == 1  # of one channel, without an axis for it
        for own, like in ((found.train, wanted.train), (found.test, wanted.test)):
            assert torch.equal(own.inputs, like.inputs[:, :1] if grey else like.inputs)
        assert found.preprocessing.mean == wanted.preprocessing.mean[: 1 if grey else 3]

    @pytest.mark.parametrize(("white", "least"), [(1, 0), (255, 0), (1, -1)], ids=["to 1", "to 255", "below 0"])
    def test_other_numbers_are_what_a_network_sees_unless_a_mean_is_given(self, tmp_path, white, least):
        x = np.random.default_rng(0).uniform(least, white, (30, 3, 8, 8)).astype(np.float32)
        np.savez(tmp_path / "d.npz", x=x, y=np.arange(30) % 3)
        mean, std = (0.5, 0.25, 0.125), (0.25, 0.5, 1.0)
        plainly, notes = sets(tmp_path / "d.npz")
        normally, _ = sets(tmp_path / "d.npz", mean=mean, std=std)
        assert "numbers stay as they are" in notes and plainly.preprocessing is None is normally.preprocessing
        m, s = (torch.tensor(numbers)[:, None, None] for numbers in (mean, std))
        torch.testing.assert_close(normally.example, (plainly.example / white - m) / s)
        assert {*map(float, plainly.train.inputs[:, 0, 0, 0])} < {*map(float, x[:, 0, 0, 0])}
        for found in (plainly, normally):  # from 0 to 1 a picture is the same, whatever was done
            m, s = (torch.tensor(numbers)[:, None, None] for numbers in found.normalisation)
            torch.testing.assert_close(found.example * s + m, plainly.example / white)
        show, count, words = own_views(plainly, "light")
        seen = next(iter(views(plainly.train, show, num_views=count, batch_size=24)(0, 0)))["input"]
        assert count > 1 and "mirrored" in words and seen.max() <= x.max()

    def test_numbers_with_three_axes_are_grey_pictures_where_channels_are_asked_for(self, tmp_path):
        np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).normal(size=(30, 6, 5)), y=np.arange(30) % 3)
        shapes = [tuple(sets(tmp_path / "d.npz", channels=n)[0].train.inputs.shape[1:]) for n in (0, 1, 3)]
        assert shapes == [(6, 5), (1, 6, 5), (3, 6, 5)]

    @pytest.mark.parametrize("form", [np.float32, lambda y: y[..., None], lambda y: y[:, None], np.uint8])
    def test_masks_of_any_layout_are_numbers_of_classes(self, tmp_path, form):
        y = np.random.default_rng(0).integers(0, 3, (30, 8, 8))
        np.savez(tmp_path / "d.npz", images=np.zeros((30, 8, 8, 3), np.uint8), masks=form(y))
        found, _ = sets(tmp_path / "d.npz")
        assert {*map(tuple, found.train.targets.flatten(1).tolist())} < {*map(tuple, y.reshape(30, -1).tolist())}

    @pytest.mark.parametrize("wrong", [lambda y: y - 1, lambda y: y + 0.5, lambda y: y + 254])
    def test_masks_of_other_numbers_are_refused_with_these(self, tmp_path, wrong):
        y = wrong(np.tile(np.arange(3), (30, 9, 3)))
        np.savez(tmp_path / "d.npz", images=np.zeros((30, 9, 9, 3), np.uint8), masks=y)
        with pytest.raises(ValueError, match=rf"masks of numbers from {y.min():g} to {y.max():g}; they are whole"):
            sets(tmp_path / "d.npz")

    def test_arrays_of_pictures_take_the_size_and_channels_that_are_asked_for(self, tmp_path):
        x = np.random.default_rng(0).integers(0, 256, (30, 9, 9), dtype=np.uint8)
        np.savez(tmp_path / "d.npz", images=x, labels=np.arange(30) % 3)
        found, _ = sets(tmp_path / "d.npz", size=12, channels=3)
        assert found.train.inputs.shape[1:] == (3, 12, 12) and found.train.inputs.dtype == torch.uint8
        assert found.train.classes == ("0", "1", "2")

    def test_unlabelled_pictures_stand_beside(self, tmp_path):
        class_folders(tmp_path / "set", each=10)
        class_folders(tmp_path / "more", each=3)
        found, notes = sets(tmp_path / "set", unlabelled=str(tmp_path / "more"))
        assert len(found.unlabelled) == 6 and not found.unlabelled.has_targets
        assert found.unlabelled.index.min() > found.test.index.min() and "6 pictures without labels taken from" in notes

    def test_a_network_is_measured_on_them(self, tmp_path):
        found, _ = sets(class_folders(tmp_path, each=10))
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 120, 2))
        answers = predict(model, found.test, transform=found.test_transform)
        assert 0 <= found.task.score(answers, found.test)["errors"].value <= len(found.test)


def test_a_source_that_is_split_keeps_every_sample_once(tmp_path):
    source = read(class_folders(tmp_path, each=15))
    split = set_apart(source, {"test": 0.2, "validation": 0.2}, 3)
    names = [name for part in split.parts.values() for name in part.names]
    assert sorted(names) == sorted(source.parts["train"].names)
    for part in split.parts.values():
        assert [("ant", "bee")[t] for t in part.targets.tolist()] == [name.split("/")[0] for name in part.names]

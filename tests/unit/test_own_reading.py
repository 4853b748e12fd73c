"""Data in every form that people have end in one kind of source; what is in doubt is asked for, nothing is guessed."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.utils.data import DataLoader, TensorDataset

from own_pictures import class_folders, picture
from tutelage.data.synthetic import digits
from tutelage.own_data.decode import decode_into
from tutelage.own_data.function import source_of
from tutelage.own_data.geometry import Geometry
from tutelage.own_data.prepared import How, decoded_parts
from tutelage.own_data.read import read
from tutelage.own_data.source import Source
from tutelage.own_data.wanted import Wanted
from unit.test_picture_forms import encoded


def pictures(folder, names):
    for n, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(n).save(folder / name)


def table(folder, text, name="data.csv"):
    (folder / name).write_text(text)
    return folder / name


class TestFolders:
    def test_a_tree_of_classes_is_one_part(self, tmp_path):
        source = read(class_folders(tmp_path / "pets", each=3))
        assert (source.task, source.classes, list(source.parts)) == ("classification", ("ant", "bee"), ["train"])
        assert source.parts["train"].targets.tolist() == [0] * 3 + [1] * 3
        assert source.parts["train"].names[0] == "ant/0.png" and source.name == "pets"

    @pytest.mark.parametrize(
        "names", [("train", "val", "test"), ("Train", "VALID", "Test"), ("training", "validation")]
    )
    def test_parts_have_any_of_their_usual_names(self, tmp_path, names):
        for name in names:
            class_folders(tmp_path, part=name)
        assert list(read(tmp_path).parts) == ["train", "validation", "test"][: len(names)]

    def test_parts_are_joined_by_the_names_of_classes(self, tmp_path):
        class_folders(tmp_path, ("ant", "bee", "cat"), part="train")
        class_folders(tmp_path, ("ant", "cat"), part="val")
        source = read(tmp_path)
        assert source.parts["validation"].targets.tolist() == [0] * 6 + [2] * 6
        assert any("the validation part has no sample of bee" in note for note in source.notes)

    def test_classes_that_are_whole_numbers_stand_in_their_order_and_it_is_said(self, tmp_path):
        source = read(class_folders(tmp_path, ("1", "10", "11", "2")))
        assert source.classes == ("1", "2", "10", "11")
        assert any("whole numbers and stand in their order: 1, 2, 10, 11" in note for note in source.notes)

    def test_a_class_of_one_picture_and_other_files_are_said(self, tmp_path):
        class_folders(tmp_path, ("ant", "bee"))
        class_folders(tmp_path, ("cat",), each=1)
        (tmp_path / "ant" / "notes.txt").write_text("x")
        notes = " ".join(read(tmp_path).notes)
        assert "one training sample alone is of cat" in notes and "passed over: 1 .txt" in notes

    def test_pictures_that_are_in_no_class_are_said(self, tmp_path):
        pictures(class_folders(tmp_path / "pets"), ["a.png", "b.JPG"])
        assert any(note.startswith("2 pictures lie in pets itself") for note in read(tmp_path / "pets").notes)

    def test_pictures_beside_masks_are_segmentation(self, tmp_path):
        pictures(tmp_path, ["images/a.png", "images/b.png", "images/c.png", "masks/a.png", "masks/b_mask.png"])
        source = read(tmp_path)
        assert source.task == "segmentation" and source.parts["train"].names == ("images/a.png", "images/b.png")
        assert [x.name for x in source.parts["train"].targets] == ["a.png", "b_mask.png"]
        assert any("in the train part 1 picture was left out, without a mask" in note for note in source.notes)

    @pytest.mark.parametrize(
        ("make", "sentence"),
        [
            (lambda x: class_folders(x, ("ant",)), "has only the class 'ant' to train on"),
            (lambda x: (class_folders(x), (x / "cat").mkdir()), r"cat holds no picture \(\.png.*fill it or remove it"),
            (lambda x: (x / "a.png").write_bytes(b""), "has no folders; it needs one for each class"),
            (lambda x: (pictures(x, ["a.png"]), table(x, "a")), r"or name a table, such as .*data\.csv"),
            (lambda x: class_folders(x, ("Ant", "ant")), "differ in capital letters alone, Ant and ant; rename one"),
            (lambda x: class_folders(x, part="test"), r"has parts \(test\) and none called train; add it"),
            (
                lambda x: (class_folders(x, part="train"), class_folders(x, ("ant", "cow"), part="val")),
                "has the class 'cow' in its validation part and not in its training part",
            ),
            (
                lambda x: (class_folders(x, part="train"), class_folders(x, part="val"), class_folders(x, part="dev")),
                "has two validation parts, dev and val; rename one",
            ),
            (lambda x: class_folders(x / "archive"), r"has nothing but the folder archive; name .* such as .*archive"),
            (
                lambda x: (class_folders(x / "seg_train"), class_folders(x / "seg_test")),
                "has the folders seg_test, seg_train, with folders in each; if these are parts, call them train",
            ),
            (lambda x: (class_folders(x), os.mkdir(os.fsencode(x) + b"/caf\xe9")), "has a name that is no UTF-8"),
        ],
    )
    def test_what_cannot_be_learnt_from_is_refused_in_a_sentence(self, tmp_path, make, sentence):
        make(tmp_path)
        with pytest.raises((ValueError, FileNotFoundError), match=sentence) as refusal:
            read(tmp_path)
        assert str(refusal.value).startswith(str(tmp_path))


class TestTables:
    @pytest.fixture
    def folder(self, tmp_path):
        pictures(tmp_path, [f"img/{n}.png" for n in range(8)])
        return tmp_path

    def rows(self, values, header="file,label"):
        return "\n".join([header, *(f"img/{n}.png,{x}" for n, x in enumerate(values))])

    @pytest.mark.parametrize(
        ("values", "task", "classes"),
        [
            ("ababab", "classification", ("a", "b")),
            ((0, 1, 0, 1, 2, 2), "classification", ("0", "1", "2")),
            ((0.5, 1.25, 3.0, 2.0), "regression", ("label",)),
            (("a|b", "b", "a", "c|a", "b|c", "a|b"), "multi-label", ("a", "b", "c")),
            (("a;b", "b", "a", "b"), "multi-label", ("a", "b")),
            (("ant;red", "bee;red", "cat;red"), "multi-label", ("ant", "bee", "cat", "red")),
            (("1;ant", "2;bee", "3;cat") * 2, "classification", ("1;ant", "2;bee", "3;cat")),
            (("\"['a', 'b']\"", "['b']", "[]", '"[""a""]"'), "multi-label", ("a", "b")),
            (("[1]", '"[2, 10]"', "[]"), "multi-label", ("1", "2", "10")),
            (("['a' 'b']", "['b']"), "classification", ("['a' 'b']", "['b']")),
            (("True", "false", "TRUE", "False"), "classification", ("False", "True")),
        ],
    )
    def test_one_column_says_what_is_learnt(self, folder, values, task, classes):
        source = read(table(folder, self.rows(values)))
        assert (source.task, source.classes) == (task, classes) and len(source.parts["train"]) == len(values)
        assert f"inputs are 'file', labels 'label': {task}" in source.notes
        assert source.parts["train"].inputs[0] == folder / "img/0.png"

    def test_several_columns_of_0_and_1_are_labels(self, folder):
        text = "path,sky,sea\n" + "\n".join(f"img/{n}.png,{n % 2},{n // 2 % 2}" for n in range(6))
        source = read(table(folder, text))
        assert (source.task, source.classes) == ("multi-label", ("sky", "sea"))
        assert (
            source.parts["train"].targets[3].tolist() == [1, 1] and source.parts["train"].targets.dtype == torch.float32
        )

    @pytest.mark.parametrize("values", [("1", "0"), ("1.0", "0.0"), ("True", "False")])
    def test_columns_that_exclude_each_other_are_classes_where_that_is_said(self, folder, values):
        yes, no = values
        rows = [f"img/{n}.png,{','.join(yes if k == n % 3 else no for k in range(3))}" for n in range(6)]
        path = table(folder, "\n".join(["path,sky,sea,land", *rows]))
        assert any("say --task classification" in note for note in read(path).notes)
        source = read(path, Wanted("classification"))
        assert source.classes == ("sky", "sea", "land") and source.parts["train"].targets.tolist() == [0, 1, 2] * 2
        table(folder, "\n".join(["path,sky,sea,land", *rows, f"img/7.png,{yes},{yes},{no}"]))
        with pytest.raises(ValueError, match=r"rows that are not 1 in just one of sky, sea, land"):
            read(path, Wanted("classification"))

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("sep=;\nfile;label\n{0};{1}", "d.csv"),
            ("file|label\n{0}|{1}", "d.csv"),
            ("file,label\n{0},{1}", "d.tsv"),
            ('"file", "label"\n"{0}", "{1}, big"', "d.csv"),
            ("file,label\n{0},{1}", "d.csv"),
        ],
    )
    def test_values_are_separated_in_any_usual_way(self, folder, text, name):
        head, _, row = text.rpartition("\n")
        rows = [row.format(f"img/{n}.png", "ab"[n % 2]) for n in range(6)]
        source = read(table(folder, "\n".join([head, *rows]), name))
        assert len(source.classes) == 2 and source.parts["train"].inputs[0] == folder / "img/0.png"

    @pytest.mark.parametrize("path", ["./img/../img/{}.png", "../{home}/img/{}.png", "{whole}/img/{}.png", "img/{}"])
    def test_paths_are_those_of_the_pictures_however_they_are_written(self, folder, path, monkeypatch):
        spelled = [path.format(n, home=folder.name, whole=folder) for n in range(4)]
        table(folder, "\n".join(["file,label", *(f"{x},{'ab'[n % 2]}" for n, x in enumerate(spelled))]))
        monkeypatch.chdir(folder)
        for where in (folder, Path(), Path("..", folder.name)):
            source = read(where / "data.csv", Wanted(path_column="file"))
            assert source.parts["train"].names == tuple(f"img/{n}.png" for n in range(4))
            assert source.parts["train"].inputs[1] == where / "img/1.png"

    def test_a_path_leads_outside_from_wherever_it_is_seen(self, folder, monkeypatch):
        pictures(folder / "inner", ["a.png"])
        table(folder / "inner", "file,label\na.png,a\n../img/1.png,b")
        monkeypatch.chdir(folder / "inner")
        for where in ("data.csv", "../inner/data.csv", folder / "inner/data.csv"):
            with pytest.raises(ValueError, match=r"names '\.\./img/1\.png' in row 2, which leads outside its folder"):
                read(where)

    def test_columns_that_are_not_used_are_said(self, folder):
        text = "\n".join(["file,label,width,is_valid", *(f"img/{n}.png,{'ab'[n % 2]},{n},False" for n in range(6))])
        (said,) = read(table(folder, text)).notes
        assert said.endswith("not used: 'width', 'is_valid'")

    def test_numbers_in_several_columns_are_predicted_if_they_are_named(self, folder):
        text = "path\tx\tz\n" + "\n".join(f"img/{n}.png\t{n / 3}\t{n}" for n in range(6))
        path = table(folder, text, "data.tsv")
        with pytest.raises(ValueError, match=r"has the columns path, x, z, and which of them are labels is not clear"):
            read(path)
        source = read(path, Wanted(label_columns=("x", "z")))
        assert source.task == "regression" and source.parts["train"].targets.shape == (6, 2)

    def test_a_column_of_masks_is_segmentation(self, folder):
        source = read(table(folder, "image,mask\nimg/0.png,img/1.png\nimg/2.png,img/3.png"))
        assert source.task == "segmentation" and source.parts["train"].targets[1] == folder / "img/3.png"

    def test_a_column_says_the_parts(self, folder):
        text = "file,label,split\n" + "\n".join(
            f"img/{n}.png,{'ab'[n % 2]},{'train' if n < 4 else 'val'}" for n in range(8)
        )
        source = read(table(folder, text))
        assert {part: len(x) for part, x in source.parts.items()} == {"train": 4, "validation": 4}

    def test_a_table_of_numbers_alone_is_vectors(self, tmp_path):
        source = read(table(tmp_path, "a;b;label\n" + "\n".join(f"{n};{n / 2};{'xy'[n % 2]}" for n in range(6))))
        assert source.parts["train"].inputs.tolist()[3] == [3.0, 1.5] and source.classes == ("x", "y")

    def test_y_is_the_label_of_numbers_and_half_of_a_place_in_a_picture(self, tmp_path):
        source = read(table(tmp_path, "x,y\n" + "\n".join(f"{n / 3},{n / 7}" for n in range(6))))
        assert source.task == "regression" and source.classes == ("y",)

    def test_parquet_holds_encoded_pictures_and_the_names_of_classes(self, tmp_path):
        images = [{"bytes": encoded(picture(n)), "path": None} for n in range(6)]
        features = {"info": {"features": {"label": {"names": ["zebra", "ape"], "_type": "ClassLabel"}}}}
        held = pyarrow.table({"image": images, "label": [0, 1] * 3})
        held = held.replace_schema_metadata({"huggingface": json.dumps(features)})
        for part in ("train", "test"):
            pyarrow.parquet.write_table(held, tmp_path / f"{part}-00000-of-00001.parquet")
        source = read(tmp_path)
        assert source.classes == ("zebra", "ape") and source.parts["train"].targets.tolist() == [0, 1] * 3
        assert list(source.parts) == ["train", "test"] and isinstance(source.parts["test"].inputs[0], bytes)

    @pytest.mark.parametrize(
        ("feature", "labels", "classes", "targets"),
        [
            ({"names": ["dog", "cat", "ant"], "_type": "ClassLabel"}, [0, 1, -1, 1, 0, 0], ("dog", "cat", "ant"),
             [0, 1, 1, 0, 0]),
            ({"feature": {"names": ["sky", "sea", "land"]}, "_type": "Sequence"}, [[0], [2], [0, 2], [], [2], [0]],
             ("sky", "sea", "land"), [[1, 0, 0], [0, 0, 1], [1, 0, 1], [0, 0, 0], [0, 0, 1], [1, 0, 0]]),
            ([{"names": ["sky", "sea"]}], [[0], [1], [0], [1]], ("sky", "sea"), [[1, 0], [0, 1]] * 2),
        ],
    )  # fmt: skip
    def test_classes_are_named_and_ordered_as_datasets_wrote_them(self, tmp_path, feature, labels, classes, targets):
        def write(values):
            images = [{"bytes": encoded(picture(n)), "path": None} for n in range(len(values))]
            held = pyarrow.table({"image": images, "label": values})
            said = json.dumps({"info": {"features": {"label": feature}}}).encode()
            pyarrow.parquet.write_table(held.replace_schema_metadata({b"huggingface": said}), tmp_path / "d.parquet")
            return tmp_path / "d.parquet"

        source = read(write(labels))
        assert source.classes == classes and source.parts["train"].targets.tolist() == targets
        beyond = len(classes) if isinstance(labels[0], int) else [len(classes)]
        with pytest.raises(ValueError, match=rf"has the label .* in 'label', and names for {len(classes)}; name all"):
            read(write([*labels, beyond]))

    def test_lists_of_fractions_are_refused(self, tmp_path):
        held = pyarrow.table({"image": [encoded(picture(n)) for n in range(4)], "label": [[0.5, 1.0]] * 4})
        pyarrow.parquet.write_table(held, tmp_path / "d.parquet")
        with pytest.raises(ValueError, match=r"has lists of fractions in 'label'; give each of their numbers a column"):
            read(tmp_path / "d.parquet")

    def test_two_columns_that_may_be_labels_are_asked_for(self, tmp_path):
        images = [encoded(picture(n)) for n in range(4)]
        held = pyarrow.table({"img": images, "fine_label": [0, 1, 0, 1], "coarse_label": [0, 0, 1, 1]})
        pyarrow.parquet.write_table(held, tmp_path / "x.parquet")
        source = read(tmp_path / "x.parquet", Wanted(label_columns=("coarse_label",)))
        assert source.parts["train"].targets.tolist() == [0, 0, 1, 1]
        pyarrow.parquet.write_table(held.set_column(1, "fine_label", [[0, 1, 0, 2]]), tmp_path / "x.parquet")
        with pytest.raises(
            ValueError, match="which of them are labels is not clear; name one or more with --label-columns"
        ):
            read(tmp_path / "x.parquet")

    def test_what_datasets_saved_is_read(self, tmp_path):
        for part in ("train", "test"):
            (tmp_path / part).mkdir()
            held = pyarrow.table({"image": [{"bytes": encoded(picture(n)), "path": None} for n in range(4)],
                                  "label": ["a", "b"] * 2})  # fmt: skip
            with pyarrow.ipc.new_stream(str(tmp_path / part / "data-00000-of-00001.arrow"), held.schema) as file:
                file.write_table(held)
            files = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
            (tmp_path / part / "state.json").write_text(json.dumps(files))
        (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
        source = read(tmp_path)
        assert source.classes == ("a", "b") and [len(x) for x in source.parts.values()] == [4, 4]
        assert len(read(tmp_path / "train").parts["train"]) == 4
        (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["../train"]}))
        with pytest.raises(ValueError, match="names no parts that lie beside it"):
            read(tmp_path)

    def test_a_saved_data_set_of_which_an_index_chooses_rows_is_refused(self, tmp_path):
        said = {"_data_files": [{"filename": "a.arrow"}], "_indices_data_files": [{"filename": "indices.arrow"}]}
        (tmp_path / "state.json").write_text(json.dumps(said))
        with pytest.raises(ValueError, match=r"holds rows that an index chooses of; save flatten_indices\(\)"):
            read(tmp_path)

    def test_rows_without_a_label_and_rows_that_are_there_twice_are_left_out_and_said(self, folder):
        path = table(folder, self.rows(["a", "b", "", "a", "b"]) + "\nimg/0.png,a")
        source = read(path)
        assert len(source.parts["train"]) == 4
        assert {"in data.csv 1 row was left out, without a label",
                "in data.csv 1 row was left out, of pictures that have one already"} <= {*source.notes}  # fmt: skip
        with pytest.raises(ValueError, match="has 1 row without a label"):
            read(path, Wanted(strict=True))

    @pytest.mark.parametrize(
        ("text", "wanted", "sentence"),
        [
            (
                "file,label\n../x.png,a\nimg/1.png,b",
                {},
                r"names '\.\./x\.png' in row 1, which leads outside its folder",
            ),
            ("file,label\n/etc/x.png,a\nimg/1.png,b", {}, "which leads outside its folder"),
            ("file,label\nC:\\x.png,a\nimg/1.png,b", {}, "which leads outside its folder"),
            ("file,label\nimg/0.png,a\nimg/0.png,b", {}, "names img/0.png twice with different labels"),
            (
                "file,label\nimg/0.png,1\nimg/1.png,b",
                {"task": "regression"},
                "has 'b' in row 2 of 'label', which is no",
            ),
            ("file,age\nimg/0.png,20\nimg/1.png,20\nimg/2.png,45\nimg/3.png,45", {}, "--task classification or --task"),
            (
                "file,label\nimg/0.png,a\nimg/1.png,b",
                {"label_columns": ("lable",)},
                "has no column 'lable'; it has file",
            ),
            ("file,label\nimg/0.png,a,3\nimg/1.png,b", {}, "has 3 values in its row 2 and 2 columns"),
            ("file,file\nimg/0.png,a", {}, "names the column 'file' twice"),
            ("file,label", {}, "has no rows"),
            ("a,b,label\nx,1,p\ny,2,q", {}, "has no column of pictures, and 'a' is not of numbers alone"),
            ("one,two,label\na.png,b.png,x\nc.png,d.png,y", {}, "name|segmentation"),
            ('file,label\n"img/0.png,a', {}, "is no sound table"),
            ("file,x,y\nimg/0.png,1.5,2.5\nimg/1.png,1.2,0.5", {}, "which of them are labels is not clear"),
            (
                "file,label,fold\nimg/0.png,a,train\nimg/1.png,b,train\nimg/2.png,b,holdout",
                {},
                "has 'holdout' in row 3 of 'fold', which is no part",
            ),
        ],
    )
    def test_tables_that_are_not_clear_are_refused_in_a_sentence(self, folder, text, wanted, sentence):
        with pytest.raises(ValueError, match=sentence) as refusal:
            read(table(folder, text), Wanted(**wanted))
        assert str(refusal.value).startswith(str(folder)) and str(refusal.value).endswith(".")

    def test_text_that_is_no_utf_8_is_refused(self, tmp_path):
        (tmp_path / "x.csv").write_bytes(b"file,label\ncaf\xe9.png,a")
        with pytest.raises(ValueError, match=r"is no text in UTF-8 \(byte 15\); save it in UTF-8"):
            read(tmp_path / "x.csv")


class TestArrays:
    X, Y = np.random.default_rng(0).integers(0, 256, (8, 6, 6), dtype=np.uint8), np.arange(8) % 2

    @pytest.mark.parametrize("names", [("x_train", "y_train"), ("inputs", "targets"), ("images", "labels"),
                                       ("train.images", "train.labels"), ("X", "y")])  # fmt: skip
    def test_names_say_what_is_what(self, tmp_path, names):
        np.savez(tmp_path / "d.npz", **dict(zip(names, (self.X, self.Y), strict=True)))
        source = read(tmp_path / "d.npz")
        assert source.parts["train"].inputs.shape == (8, 1, 6, 6) and source.parts["train"].inputs.dtype == torch.uint8
        assert source.parts["train"].targets.tolist() == self.Y.tolist() and source.task == "classification"

    def test_parts_stand_in_one_file_or_in_several(self, tmp_path):
        x, y = torch.from_numpy(self.X)[..., None].expand(-1, -1, -1, 3).contiguous(), torch.from_numpy(self.Y)
        save_file({"x_train": x, "y_train": y, "x_test": x.clone(), "y_test": y.clone()}, tmp_path / "d.safetensors")
        source = read(tmp_path / "d.safetensors")
        assert list(source.parts) == ["train", "test"] and source.parts["test"].inputs.shape == (8, 3, 6, 6)
        for part in ("train", "val"):
            np.savez(tmp_path / f"{part}.npz", images=self.X, labels=self.Y)
        (tmp_path / "d.safetensors").unlink()
        assert {*read(tmp_path).parts} == {"train", "validation"}

    def test_vectors_stay_as_they_are(self, tmp_path):
        x = np.random.default_rng(0).normal(0, 100, (8, 5))
        np.savez(tmp_path / "d.npz", x=x, y=x[:, 0])
        source = read(tmp_path / "d.npz")
        assert source.task == "regression" and source.parts["train"].targets.shape == (8, 1)
        assert torch.allclose(source.parts["train"].inputs, torch.from_numpy(x).float())

    def test_fractions_that_were_grey_levels_become_them_again(self, tmp_path):
        np.savez(tmp_path / "d.npz", x=(self.X / 255)[:, None].astype(np.float32), y=self.Y)
        assert torch.equal(read(tmp_path / "d.npz").parts["train"].inputs[:, 0], torch.from_numpy(self.X))

    def test_masks_are_seen_by_their_shape(self, tmp_path):
        np.savez(tmp_path / "d.npz", images=self.X, masks=(self.X > 100).astype(np.int64))
        assert read(tmp_path / "d.npz").task == "segmentation"

    def test_arrays_of_other_names_are_asked_for(self, tmp_path):
        np.savez(tmp_path / "d.npz", pics=self.X, kinds=self.Y)
        with pytest.raises(
            ValueError, match=r"it has pics, kinds: name the inputs with --path-column, the labels with"
        ):
            read(tmp_path / "d.npz")
        assert len(read(tmp_path / "d.npz", Wanted(path_column="pics", label_columns=("kinds",))).parts["train"]) == 8

    def test_objects_of_python_are_refused_unopened(self, tmp_path):
        np.savez(tmp_path / "d.npz", x=self.X, y=np.array([{"a": 1}] * 8, dtype=object))
        with pytest.raises(ValueError, match="it holds objects of Python, which may be code"):
            read(tmp_path / "d.npz")

    def test_lengths_that_differ_and_numbers_that_are_not_finite_are_refused(self, tmp_path):
        np.savez(tmp_path / "d.npz", x=self.X, y=self.Y[:5])
        with pytest.raises(ValueError, match=r"has inputs and labels \[8, 6, 6\] and \[5\] in its train part"):
            read(tmp_path / "d.npz")
        np.savez(tmp_path / "d.npz", x=np.full((8, 3), np.nan), y=self.Y)
        with pytest.raises(ValueError, match="has inputs that are not finite"):
            read(tmp_path / "d.npz")


class TestFunctions:
    @pytest.fixture(autouse=True)
    def lab(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "my_kennel").mkdir()
        (tmp_path / "my_kennel" / "data.py").write_text(
            "import torch\nfrom torch.utils.data import TensorDataset\n\n"
            "def make(count=8):\n    return TensorDataset(torch.rand(count, 3, 5, 5), torch.arange(count) % 2)\n\n"
            "def fails():\n    raise KeyError('no')\n"
        )
        yield
        import sys

        for name in [name for name in sys.modules if name.startswith("my_kennel")]:
            del sys.modules[name]

    @pytest.mark.parametrize("where", ["my_kennel.data:make", "my_kennel.data.make", "my_kennel.data:make(count=8)"])
    def test_a_dotted_path_makes_a_data_set(self, where):
        source = read(where)
        assert source.parts["train"].inputs.shape == (8, 3, 5, 5) and source.task == "classification"

    @pytest.mark.parametrize(
        ("where", "sentence"),
        [
            ("my_kennel.data:fails", "makes no data of these arguments: KeyError"),
            ("my_kennel.data:make(cuont=8)", "makes no data of these arguments: TypeError"),
            ("my_kennel.data:nothing", "has no 'nothing'"),
            ("os:getcwd", "leads into Python's own library"),
            ("torch.load", "torch.load"),
        ],
    )
    def test_what_makes_none_is_refused_in_a_sentence(self, where, sentence):
        with pytest.raises(ValueError, match=sentence):
            read(where)

    def test_whatever_holds_samples_is_taken(self):
        x, y = torch.rand(8, 4), torch.arange(8) % 2
        pairs = TensorDataset(x, y)
        for made in (pairs, DataLoader(pairs, batch_size=3), [(a, int(b)) for a, b in pairs],
                     [{"pixel_values": a, "labels": b} for a, b in pairs], ((a, b) for a, b in pairs)):  # fmt: skip
            source = source_of({"train": made, "val": pairs}, "mine", Wanted())
            assert (
                torch.equal(source.parts["train"].inputs, x)
                and source.parts["validation"].targets.tolist() == y.tolist()
            )

    @pytest.mark.parametrize("mode", ["L", "P", "I", "I;16"])
    def test_masks_of_pillow_are_numbers_of_classes(self, mode):
        numbers = np.random.default_rng(0).integers(0, 3, (6, 10, 12))
        masks = [Image.fromarray(x.astype({"I": np.int32, "I;16": np.uint16}.get(mode, np.uint8))) for x in numbers]
        masks = [x.convert("P") if mode == "P" else x for x in masks]
        rows = [(picture(n), mask) for n, mask in enumerate(masks)]
        source = source_of({"train": rows, "val": rows[:2]}, "my:make", Wanted())
        assert source.task == "segmentation"
        assert source.parts["validation"].names == ("validation/row 1", "validation/row 2")
        ready = decoded_parts(source, How())
        assert torch.equal(ready.parts["train"].targets, torch.from_numpy(numbers).to(torch.uint8))
        with pytest.raises(ValueError, match="returns masks, which is segmentation, and no classification"):
            source_of(rows, "my:make", Wanted("classification"))

    def test_pictures_of_pillow_in_16_bits_keep_their_levels(self):
        levels = np.arange(120, dtype=np.int32).reshape(10, 12) * 257
        source = source_of([(Image.fromarray(levels), n % 2) for n in range(4)], "my:make", Wanted())
        out = torch.empty(4, 1, 10, 12, dtype=torch.uint8)
        decode_into(out, source.parts["train"].encoded, Geometry((10, 12), (10, 12)))
        assert torch.equal(out[0, 0], torch.arange(120).view(10, 12).to(torch.uint8))

    def test_a_set_of_ours_keeps_its_classes(self):
        source = source_of(digits(20, seed=0), "mine", Wanted())
        assert source.classes == digits(20, seed=0).classes and source.parts["train"].inputs.dtype == torch.uint8

    def test_pictures_of_pillow_may_differ_in_size(self):
        made = [(picture(n, 10 + n, 9), n % 2) for n in range(6)]
        source = source_of(made, "mine", Wanted())
        assert isinstance(source.parts["train"].inputs[0], bytes) and len(source.parts["train"]) == 6

    @pytest.mark.parametrize(
        ("made", "sentence"),
        [
            (3, "mine returns an? .*int.*; data are a data set with a length"),
            ({"train": [], "val": []}, "mine returns no sample"),
            ({"fit": []}, "mine returns a part 'fit'; parts are train"),
            ([(torch.zeros(2), 0), (torch.zeros(3), 1)], "mine returns inputs of the shapes"),
            ([1, 2], "mine returns samples that are"),
            ([{"a": 1, "b": 2}], r"mine returns samples of \['a', 'b'\]; call the two input and target"),
        ],
    )
    def test_what_is_none_of_these_is_refused_in_a_sentence(self, made, sentence):
        with pytest.raises(ValueError, match=sentence):
            source_of(made, "mine", Wanted())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("photos.zip", "is an archive, of which nothing is read; unpack it and name the folder"),
        ("photos.pkl", "may be a pickle, which can hold code: it was not opened"),
        ("photos.docx", "is none of what is read"),
    ],
)
def test_files_of_other_kinds_are_refused_with_what_to_do(tmp_path, name, sentence):
    (tmp_path / name).write_bytes(b"PK\3\4")
    with pytest.raises(ValueError, match=sentence):
        read(tmp_path / name)


@pytest.mark.parametrize("wanted", [Wanted(path_column="file"), Wanted(label_columns=("label",))])
def test_columns_are_not_asked_of_what_has_none(tmp_path, wanted):
    with pytest.raises(ValueError, match="has no columns; leave out --path-column and --label-columns"):
        read(class_folders(tmp_path), wanted)
    with pytest.raises(ValueError, match=r"my_lab\.data:make has no columns"):
        read("my_lab.data:make", wanted)


@pytest.mark.parametrize("where", ["pets", "no/such/place", "gone.csv"])
def test_a_place_where_nothing_is_is_no_data(where):
    """A set that was never read must not end in a report on other pictures."""
    with pytest.raises(FileNotFoundError, match=f"There is no {where}: data are a folder with a folder of pictures"):
        read(where)


def test_the_order_of_the_file_system_changes_nothing(tmp_path, monkeypatch):
    class_folders(tmp_path, ("ant", "bee", "cat"))
    before, scan = read(tmp_path), os.scandir

    class Backwards:
        def __init__(self, place):
            with scan(place) as entries:
                self.entries = sorted(entries, key=lambda x: x.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", Backwards)
    after = read(tmp_path)
    assert isinstance(before, Source) and before.parts["train"].names == after.parts["train"].names

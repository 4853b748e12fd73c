"""Sound arrow and parquet files with columns that are not read: a sentence that helps, or the right ones are taken."""

import io
import json
import tracemalloc

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest

from tutelage.foreign.table_file import read_table
from tutelage.own_data.arrow import read_parquet, read_saved
from tutelage.own_data.parquet_pages import MOST, _value
from tutelage.own_data.read import read

pytestmark = pytest.mark.slow

NAMES = ["a", "b"]
ANSWERS = [[0.25, 0.75], [0.5, 0.5]]
STRANGE = {
    "map": pyarrow.array([[("x", 1)], []], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
    "dictionary": pyarrow.array([["x"], ["y"]]).cast(pyarrow.list_(pyarrow.dictionary(pyarrow.int32(), "string"))),
}


def written(folder, **columns):
    pyarrow.parquet.write_table(pyarrow.table({"file": NAMES, **columns}), folder / "t.parquet")
    return folder / "t.parquet"


@pytest.mark.parametrize("kind", STRANGE)
def test_a_column_of_another_kind_is_named(tmp_path, kind):
    with pytest.raises(ValueError, match=rf"t\.parquet has 'mine' of the type {kind}.*leave out that column"):
        read_parquet(written(tmp_path, mine=STRANGE[kind]))


def test_a_packed_stream_is_saved_anew(tmp_path):
    table = pyarrow.table({"label": [0, 1]})
    options = pyarrow.ipc.IpcWriteOptions(compression="zstd")
    with pyarrow.ipc.new_stream(str(tmp_path / "data.arrow"), table.schema, options=options) as stream:
        stream.write_table(table)
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    with pytest.raises(ValueError, match=r"data\.arrow is packed, .*; save the data set anew with save_to_disk"):
        read_saved(tmp_path)


@pytest.mark.parametrize("others", [[[1, 2], [3, 4]], [["x"], ["y"]], [True, False], [[[0.5]], [[0.5]]]])
def test_answers_are_lists_of_fractions_whatever_stands_before_them(tmp_path, others):
    table = read_table(written(tmp_path, others=others, mine=ANSWERS))
    assert table.answers.tolist() == ANSWERS and table.names == ("a", "b")


def test_truth_values_are_no_answers(tmp_path):
    assert read_table(written(tmp_path, seen=[True, False], x=[0.25, 0.5], y=[0.75, 0.5])).columns == ("x", "y")


@pytest.mark.parametrize("first", [0, 1])
def test_a_class_without_a_number_is_not_left_out(tmp_path, first):
    numbers = [0.5, 0.5]
    numbers[first] = None
    with pytest.raises(ValueError, match="1 of 2 rows with numbers that are missing"):
        read_table(written(tmp_path, x=numbers, y=[0.5, 0.5]))


def test_a_list_of_numbers_that_are_not_there_is_cut_short():
    with pytest.raises(EOFError):
        _value(io.BytesIO(bytes([0xE7])), 9, 0, iter(range(MOST)))  # 14 of them


def with_footer(path, footer):
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    return path


def varint(number):
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


@pytest.mark.parametrize(
    ("kind", "value"), [(12, b"\x00"), (3, b"\x07"), (5, b"\x02")], ids=["structures", "bytes", "numbers"]
)
def test_a_footer_of_very_many_values_is_refused_before_they_are_made(tmp_path, kind, value, monkeypatch):
    most = MOST // 16  # millions take seconds
    monkeypatch.setattr("tutelage.own_data.parquet_pages.MOST", most)
    count = most + 1
    field = bytes([0x49, 0xF0 | kind]) + varint(count)  # the fourth field: a list of so many
    path = with_footer(tmp_path / "many.parquet", field + value * count + b"\x00")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"many\.parquet is not a sound parquet file \(it describes more than"):
            read_parquet(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_a_wide_file_of_many_pieces_is_no_such(tmp_path):
    columns = {f"x{n}": [n, n + 1] for n in range(1500)}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "wide.parquet", row_group_size=1)
    assert len(read_parquet(tmp_path / "wide.parquet").columns) == 1500


def test_numbers_of_a_table_are_no_second_time_in_memory_as_values_of_python(tmp_path):
    """A value of a row is 8 bytes in it, and 4 as a number of a tensor: lists of new floats would take 32 more."""
    rows, columns = 200, 1000
    table = pyarrow.table({**{f"x{n}": np.arange(rows) + 2**40 for n in range(columns)}, "label": np.arange(rows) % 2})
    pyarrow.parquet.write_table(table, tmp_path / "wide.parquet")
    read(tmp_path / "wide.parquet")  # what is loaded for it is loaded
    tracemalloc.start()
    try:
        found = read(tmp_path / "wide.parquet")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.parts["train"].inputs.shape == (rows, columns)
    assert peak / (rows * columns) < 75

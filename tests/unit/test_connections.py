"""Which connections of a found network are left, and their map in the report."""

import re

import pytest
import torch

from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.graph import Closed
from tutelage.models.mlp import mlp
from tutelage.models.named import named
from tutelage.report.maps import table_map
from tutelage.study.connections import INPUT, connection_maps, drop_by_part, drop_ratios, makers


@pytest.fixture(scope="module")
def dense():
    """Three blocks of two layers of four channels, each of which reads all before it in its block."""
    return channels_of(named("densenet_bc(16, 4)", 10)(), torch.zeros(1, 3, 32, 32))


def open_gates(channels, names):
    return {name: torch.zeros(channels.readers[name].gates, dtype=torch.bool) for name in names}


def layers_of(channels):
    return [name for name in channels.readers if re.fullmatch(r"layer\d\.\w+\.conv1|transition\d\.conv", name)]


def test_a_block_reads_from_all_layers_before_it_in_the_block(dense):
    shares = drop_ratios(dense, Closed(open_gates(dense, layers_of(dense))))
    names = [name for name in shares if name.startswith("layer1.")]
    assert [len(shares[name]) for name in names] == [1, 2]  # the stem; and the layer before
    assert len(shares["transition1.conv"]) == 3 and set(shares["transition1.conv"].values()) == {0.0}
    assert next(iter(shares[next(x for x in shares if x.startswith("layer2."))])) == "transition1.conv"


def test_a_ratio_is_of_the_channels_of_one_source_and_what_dies_with_others_counts(dense):
    names = layers_of(dense)
    shut = open_gates(dense, names)
    first, second = [name for name in names if name.startswith("layer1.")]
    source = list(drop_ratios(dense, Closed(shut))[second])[1]
    read = [n for n, channel in enumerate(dense.layers[second].gates) if makers(dense)[channel] == source]
    assert len(read) == 4
    shut[second][read[:1]] = True
    assert drop_ratios(dense, Closed(shut))[second][source] == 0.25
    shut[first][:] = True  # it reads nothing, so that nobody reads it
    shares = drop_ratios(dense, Closed(shut))
    assert shares[second][source] == shares["transition1.conv"][source] == 1.0
    assert set(shares[first].values()) == {1.0}


def test_a_block_has_lost_what_its_layers_and_those_behind_it_read_no_more(dense):
    shut = open_gates(dense, layers_of(dense))
    assert drop_by_part(dense, Closed(shut)) == {"stem": 0.0, "transition1.conv": 0.0, "transition2.conv": 0.0}
    reads = [gates for name, gates in shut.items() if name.startswith(("layer2.", "transition2."))]
    reads[0][:3] = reads[-1][:1] = True
    found = drop_by_part(dense, Closed(shut))
    assert found == {"stem": 0.0, "transition1.conv": 4 / sum(map(len, reads)), "transition2.conv": 0.0}


def test_each_block_has_a_map_and_a_chain_has_none(dense):
    maps = connection_maps(dense, Closed(open_gates(dense, layers_of(dense))))
    assert len(maps) == 3 and all(table.shaded for table in maps)
    assert [len(table.rows) for table in maps] == [3, 3, 2]  # the last block is read by its own layers alone
    table = maps[0]
    assert table.rows[0][2:] == (None, None) and table.rows[2][1:] == (0.0, 0.0, 0.0)
    chain = channels_of(mlp((8, 6, 5, 3)), torch.zeros(1, 8))
    assert connection_maps(chain, Closed(open_gates(chain, ["hidden2", "output"]))) == []
    assert set(drop_ratios(chain, Closed(open_gates(chain, ["hidden1"])))["hidden1"]) == {INPUT}


def test_a_map_has_a_cell_where_there_is_a_number_as_dark_as_that_is_large():
    drawn = table_map("Gone", ("read by", "a", "b <i>"), [("x", 50.0, None), ("y", 0.0, 100.0)])
    assert re.findall(r'fill-opacity="([\d.]+)"', drawn) == ["0.5", "0", "1"]
    assert "<title>y from b &lt;i&gt;: 100 %</title>" in drawn and "<i>" not in drawn
    many = table_map("Gone", ("read by", *map(str, range(60))), [(f"layer{n}.conv1", *[1.0] * 60) for n in range(60)])
    assert 10 < many.count('class="row"') < 60 and many.count("<rect") == 3600

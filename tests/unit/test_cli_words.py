"""Words that are no value of their flag, no recipe or no device: what is said of each."""

import pytest

from any_value import TRAINS, answer, nothing_trains
from tutelage.machine import device_named

ALONE = ["--preset", "smoke", "--exact", "--student.batch-size", "1"]
SMOKE = ["run", "mnist:hinton", "--preset", "smoke"]


@pytest.fixture(autouse=True, scope="module")
def folder():
    with nothing_trains():
        yield


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", ""], "There is no recipe ''"),
        (["run", "../../etc/passwd"], "There is no recipe '../../etc/passwd'"),
        (["run", "a b:c"], "There is no recipe 'a b:c'"),
        (["run", ":x"], "There is no recipe ':x'"),
        (["run", "mnist:hinton:quick"], "did you mean 'hinton_quick'?"),
        (["run", "mnist:hinton", "--preset", ""], "has no preset ''. Its presets: smoke, quick, paper."),
        (["run", "mnist:hinton", "--preset=quick", "--preset", "nope"], "has no preset 'nope'"),
        (["run", "mnist:hinton", "--preset", "nope", "--preset=quick", "--seed", "-1"], "--seed must be at least 0"),
        ([*SMOKE, "--temperature", "1", "2"], "--temperature takes one value; got '1' and '2'."),
        ([*SMOKE, "--temperature="], "--temperature takes a number; got ''."),
        ([*SMOKE, "--temperature", "\N{MINUS SIGN}1"], "--temperature takes a number; got '\N{MINUS SIGN}1'."),
        ([*SMOKE, "--temperature", "1e308"], "--temperature must be at most 1000; got 1e+308."),
        ([*SMOKE, "--student.weight-decay", "-1"], "--student.weight-decay must be at least 0; got -1.0."),
        (["run", "mnist:hinton", "1"], "Flags begin with two dashes; got '1'."),
        (["run", "mnist:hinton", "-x"], "Flags begin with two dashes; got '-x'."),
        ([*SMOKE, "--quiet", "1"], "--quiet takes no value; got '1'."),
        ([*SMOKE, "--threads", "0"], "--threads must be more than 0; got 0."),
        ([*SMOKE, "--threads", "1000000000"], "--threads must be at most 1024; got 1000000000."),
        (["sweep", *SMOKE[1:], "--jobs", "-1"], "--jobs must be more than 0; got -1."),
        ([*SMOKE, "--folder", ""], "--folder takes a path; got ''. The current directory is '.'."),
        ([*SMOKE, "--runs="], "--runs takes a path; got ''."),
        ([*SMOKE, "--folder", "a\0b"], "without a zero byte; got 'a\\x00b'."),
        (["sweep", *SMOKE[1:], "--device", "meta"], "--device must be one that computes here, cpu"),
        (
            ["run", "cifar100:compare", *ALONE, "--methods", "rkd"],
            "rkd cannot learn from batches of one sample",
        ),
        (["run", "mnist:conflicts", *ALONE], "--student.batch-size must be more than 1 here"),
        (["run", "mnist:temperature", "--units"], "--units takes one value or more; got none."),
        (["run", "mnist:temperature", "--temperatures", "2", "4", "2.0000001"], "takes each value once; got 2 twice."),
    ],
)
def test_what_is_no_value_is_said_in_one_sentence(words, said):
    code, told = answer(words)
    assert (code, told.count("\n")) == (2, 1)
    assert said in told


@pytest.mark.parametrize("place", ["x" * 3000, "/dev/null/x"])
@pytest.mark.parametrize("flag", ["--folder", "--runs"])
def test_a_place_where_no_folder_can_be_is_said(flag, place):
    code, told = answer([*SMOKE, flag, place])
    assert (code, told.count("\n")) == (3, 1)
    assert len(told) < 500


def test_what_makes_sense_gets_as_far_as_the_training():
    assert answer([*SMOKE, "--threads", "1", "--device", "cpu", "--temperature", "2", "--seed=4294967295"])[0] == TRAINS


@pytest.mark.parametrize(
    "device", ["", "meta", "banana", "cpu:5", "cpu:-1", "cuda:99", "mkldnn", "privateuseone", " cpu"]
)
def test_a_device_that_does_not_compute_is_refused(device):
    with pytest.raises(ValueError, match="must be one that computes here, cpu"):
        device_named(device)


def test_a_device_that_computes_is_not():
    assert device_named("cpu").type == "cpu" == device_named("cpu:0").type

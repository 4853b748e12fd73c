"""Networks of transformers, whose library is stood in for: loaded once, unless something of them is drawn anew."""

import os
from types import SimpleNamespace

import pytest
import torch

from foreign.hugging_face import HuggingFaceResNet
from tutelage.foreign import libraries
from tutelage.foreign.libraries import hugging_face_network
from tutelage.models.trained import comes_trained


class Classifier:
    """Counts its loadings; what it says of them is ``told``."""

    def __init__(self):
        self.loaded, self.told, self.weights = 0, {"missing_keys": [], "unexpected_keys": []}, None

    def from_pretrained(self, _name, *, output_loading_info, use_safetensors, trust_remote_code, **_options):
        assert output_loading_info and use_safetensors and not trust_remote_code
        self.loaded += 1
        network = HuggingFaceResNet()
        if not self.told["missing_keys"]:
            self.weights = self.weights or network.state_dict()
            network.load_state_dict(self.weights)
            torch.nn.init.normal_(network.resnet.embedder[1].running_mean, generator=torch.Generator().manual_seed(0))
        return network, self.told


@pytest.fixture
def classifier(monkeypatch):
    made = Classifier()
    library = SimpleNamespace(AutoModelForImageClassification=made, AutoConfig=None)
    monkeypatch.setattr(libraries, "_library", lambda _name: library)
    monkeypatch.setattr(libraries, "_loaded", {})
    return made


def bits(network):
    return [x.clone() for x in network.state_dict().values()]


def test_a_folder_is_loaded_once_and_copies_are_apart(classifier, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x")
    made = [hugging_face_network(str(tmp_path), pretrained=True) for _ in range(4)]
    before = bits(made[1])
    with torch.no_grad():
        for x in made[0].parameters():
            x.zero_()
    assert classifier.loaded == 1 and all(map(torch.equal, before, bits(made[1])))
    again = hugging_face_network(str(tmp_path), pretrained=True)
    assert all(map(torch.equal, before, bits(again)))
    assert comes_trained(lambda: hugging_face_network(str(tmp_path), pretrained=True)) and classifier.loaded == 1


def test_one_that_was_saved_anew_or_is_asked_for_otherwise_is_loaded_again(classifier, tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"x")
    hugging_face_network(str(tmp_path), pretrained=True)
    file.write_bytes(b"y")
    os.utime(file, ns=(1, 1))
    hugging_face_network(str(tmp_path), pretrained=True)
    hugging_face_network(str(tmp_path), pretrained=True, dropout=0.5)
    assert classifier.loaded == 3


def test_a_head_that_is_drawn_is_drawn_each_time(classifier, tmp_path):
    classifier.told["missing_keys"] = ["classifier.1.weight"]
    assert not comes_trained(lambda: hugging_face_network(str(tmp_path), pretrained=True)) and classifier.loaded == 2


def test_one_that_the_memory_does_not_hold_twice_is_not_kept(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(libraries, "usable_memory", lambda: 10)
    for _ in range(2):
        hugging_face_network(str(tmp_path), pretrained=True)
    assert classifier.loaded == 2

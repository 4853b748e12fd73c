"""Which layers bear few bits, and how bits are shared out within a number of bytes."""

import pytest
import torch
from torch import nn

from tutelage.compress.bit_sensitivity import bytes_of, divergence, mixed_precision, sensitivities
from tutelage.compress.fake_quantised import fake_quantised_
from tutelage.compress.rounded_weight import RoundedWeight


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 4)).double()


def samples():
    return torch.randn(200, 6, generator=torch.Generator().manual_seed(1)).double()


def test_each_layer_is_rounded_alone_and_restored():
    model, x = net(), samples()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    found = sensitivities(model, x, bits=(8, 3, 1))
    assert list(found) == ["0", "2", "4"]
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())
    own = model(x)
    with torch.no_grad():
        model[2].weight.copy_(RoundedWeight(3)(model[2].weight))
    assert found["2"][3] == pytest.approx(divergence(model(x), own))
    assert all(0 < tried[8] < tried[3] < tried[1] for tried in found.values())


def test_a_layer_whose_weights_are_whole_already_bears_it():
    model = net()
    with torch.no_grad():
        model[2].weight.copy_(RoundedWeight(4)(model[2].weight))
    assert sensitivities(model, samples(), bits=(4,))["2"][4] == pytest.approx(0, abs=1e-12)


def test_harm_may_be_counted_otherwise():
    model, x = net(), samples()
    targets = model(x).argmax(1)

    def errors(rounded, _own):
        return float((rounded.argmax(1) != targets).sum())

    found = sensitivities(model, x, bits=(8, 2), harm=errors)
    assert all(tried[8] <= tried[2] for tried in found.values()) and found["0"][2] > 0


def test_bytes_are_those_of_packed_weights_with_their_scales():
    assert bytes_of(net(), {}) == 4 * (6 * 20 + 20 + 400 + 20 + 80 + 4)
    assert bytes_of(net(), {"2": 4}) == bytes_of(net(), {}) - 4 * 400 + 200 + 4 * 20


class TestChoice:
    HARMS = {"0": {8: 0.0, 4: 9.0}, "2": {8: 0.0, 4: 1.0, 2: 5.0}, "4": {8: 0.0, 4: 9.0}}  # noqa: RUF012

    def test_the_step_that_harms_least_for_a_byte_comes_first(self):
        model = net()
        most = bytes_of(model, {"0": 8, "2": 8, "4": 8})
        assert mixed_precision(model, self.HARMS, most) == {"0": 8, "2": 8, "4": 8}
        assert mixed_precision(model, self.HARMS, most - 1) == {"0": 8, "2": 4, "4": 8}
        assert mixed_precision(model, self.HARMS, most - 201) == {"0": 8, "2": 2, "4": 8}

    @pytest.mark.parametrize("share", [0.6, 0.8, 1.0])
    def test_what_is_chosen_fits_and_can_be_trained(self, share):
        model, x = net().float(), samples().float()
        harms = sensitivities(model, x)
        allowed = int(share * bytes_of(model, dict.fromkeys(harms, 8)))
        bits = mixed_precision(model, harms, allowed)
        assert bytes_of(model, bits) <= allowed
        fake_quantised_(model, x[:2], weights=bits)
        assert [model[place].parametrizations.weight[0].bits for place in (0, 2, 4)] == list(bits.values())

    def test_what_cannot_be_is_told_with_what_can(self):
        with pytest.raises(ValueError, match=r"the weights take [\d,]+ bytes, and 10 are allowed"):
            mixed_precision(net(), self.HARMS, 10)
        with pytest.raises(ValueError, match="1 to 8 bits; got 0"):
            sensitivities(net(), samples(), bits=(0,))
        with pytest.raises(ValueError, match="no linear layer"):
            sensitivities(nn.ReLU(), samples())

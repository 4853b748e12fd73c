"""What recipes about assistants, early stops and hints refuse: in a sentence, and before anything is trained."""

from dataclasses import replace

import pytest

from tutelage.recipes.cifar100.assistants import assistants_smoke as ASSISTANTS
from tutelage.recipes.cifar100.efficacy import efficacy_smoke as EFFICACY
from tutelage.recipes.cifar100.fitnets import fitnets_smoke as FITNETS
from tutelage.recipes.mnist.assistants import assistants_smoke as WIDTHS
from tutelage.recipes.mnist.efficacy import efficacy_smoke as DIGITS
from tutelage.recipes.mnist.settings import DRAWN
from tutelage.run import Run

NETWORKS = ASSISTANTS.keywords["networks"]
IMAGES = ASSISTANTS.keywords["images"]
FITNET = FITNETS.keywords
TEACHERS = EFFICACY.keywords["teachers"]


def named(*names):
    return {"networks": replace(NETWORKS, names=names)}


REFUSED = [
    (
        ASSISTANTS,
        named("wide_cnn(2)", "wide_cnn(4)"),
        r"wide_cnn\(4\) has 106,922 parameters, and",
    ),
    (
        ASSISTANTS,
        named("wide_cnn(4)", "wide_cnn(4)"),
        r"names takes each value once; got wide_cnn",
    ),
    (ASSISTANTS, named("wide_cnn(4)"), r"--networks\.names takes a .*, two networks or more; got wide_cnn\(4\) alone"),
    (ASSISTANTS, named(), "--networks.names takes one value or more; got none"),
    (
        ASSISTANTS,
        named("wide_cnn(4)", "wide_cnn(3)"),
        "takes 2, 4, 6, 8, 10 as its depth; got 3",
    ),
    (
        ASSISTANTS,
        {"images": replace(IMAGES, validation=0)},
        "keep some with --images.validation",
    ),
    (EFFICACY, {"stops": (2,)}, r"--stops must be from 1 to 1, less than --student\.epochs 2; got 2\."),
    (EFFICACY, {"stops": (1, 9)}, r"from 1 to 1, less than --student\.epochs 2; got 9\."),
    (
        EFFICACY,
        {"teachers": replace(TEACHERS, names=TEACHERS.names[::-1])},
        r"--teachers\.names goes from small to large, .*; wide_cnn\(2\) has 30,762 parameters, and wide_cnn",
    ),
    (EFFICACY, {"stops": ()}, "--stops takes one value or more; got none"),
    (EFFICACY, {"short": (1, 1)}, "--short takes each value once; got 1 twice"),
    (EFFICACY, {"short": (2,)}, r"--short must be from 1 to 1, less than --teachers\.epochs 2; got 2\."),
    (EFFICACY, {"images": replace(IMAGES, validation=0)}, "keep some with --images.validation"),
    (WIDTHS, {"units": (8, 16)}, "16-16 has 16 units a layer, and 8-8 before it 8"),
    (
        WIDTHS,
        {"units": (32, 8)},
        "--units goes .*; 32-32 has 32 units a layer, and 32-32 before it 32",
    ),
    (WIDTHS, {"units": (8, 8)}, "--units takes each value once; got 8 twice"),
    (WIDTHS, {"digits": replace(DRAWN, validation=0)}, "keep some with --digits.validation"),
    (DIGITS, {"stops": (2,)}, r"--stops must be from 1 to 1, less than --student\.epochs 2; got 2\."),
    (DIGITS, {"short": (3,)}, r"--short must be from 1 to 1, less than --teachers\.epochs 2; got 3\."),
    (
        DIGITS,
        {"teachers": replace(DIGITS.keywords["teachers"], units=(32, 16))},
        "--teachers.units goes from small to large, .*; 16-16 has 16 units a layer, and 32-32 before it 32",
    ),
    (DIGITS, {"digits": replace(DRAWN, validation=0)}, "keep some with --digits.validation"),
    (FITNETS, {"student": replace(FITNET["student"], layers=("nope",))}, "has no layer 'nope'"),
    (
        FITNETS,
        {
            "student": replace(FITNET["student"], layers=("layer3",)),
            "teacher": replace(FITNET["teacher"], layers=("layer1",)),
        },
        "A regressor without padding makes maps smaller",
    ),
]


@pytest.mark.parametrize(("recipe", "settings", "sentence"), REFUSED)
def test_what_makes_no_sense_is_refused_before_anything_is_trained(recipe, settings, sentence, tmp_path):
    with Run("toy:refused", root=tmp_path, device="cpu") as run:
        with pytest.raises(ValueError, match=sentence) as refusal:
            recipe(run, **settings)
        assert "\n" not in str(refusal.value)
    assert not (tmp_path / "stages").exists()

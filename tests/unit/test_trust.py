"""Who may run code: where names that a person typed may lead, and where names in files may."""

import inspect
import json
import shlex
import sys
import zipfile
from functools import partial
from importlib import import_module
from importlib.metadata import requires
from pathlib import Path
from pkgutil import iter_modules
from re import match

import pytest
from torch import nn

import tutelage
from tutelage.checkpoint import save_weights
from tutelage.cli.command import main
from tutelage.cli.failures import Usage
from tutelage.cli.find import find, module_named
from tutelage.cli.request import understood
from tutelage.combine.by_name import Given, rule
from tutelage.keys import described
from tutelage.losses.simkd import borrowing
from tutelage.methods.by_name import method, methods
from tutelage.models.mlp import mlp
from tutelage.models.named import known, named
from tutelage.outputs import tensor_output
from tutelage.teachers.adapted import adapted
from tutelage.trust import NEEDED, SHIPPED, restricted

pytestmark = pytest.mark.slow

LAB = """
import functools, os, subprocess
from os import system
from pathlib import Path
from typing import Any, Optional, Self, TypeVar
from torch import nn
import tutelage
from tutelage.delivery import load
from tutelage.methods.response import kd
from tutelage.objective import Objective

Net = TypeVar("Net", bound="Small")

class Small(nn.Linear):
    def __init__(self, num_classes: int = 2) -> None:
        super().__init__(3, num_classes)
    @classmethod
    def of_self(cls, num_classes: int = 2) -> Self: return cls(num_classes)
    @classmethod
    def of_variable(cls: type[Net], num_classes: int = 2) -> Net: return cls(num_classes)
    @classmethod
    def unsaid(cls, num_classes: int = 2): return cls(num_classes)
    @staticmethod
    def static(num_classes: int = 2) -> "nn.Module": return Small(num_classes)

class Tools:
    run = staticmethod(subprocess.run)
    here = staticmethod(os.popen)

def unsaid(num_classes=2): return Small(num_classes)
def anything(num_classes=2) -> Any: return Small(num_classes)
def in_words(num_classes: int = 2) -> "Small": return Small(num_classes)
def maybe(num_classes: int = 2) -> Optional[nn.Module]: return Small(num_classes)
def text(num_classes: int = 2) -> str: return ""
def unreadable(num_classes: int = 2) -> "Nobody": return Small(num_classes)
def nothing(num_classes: int = 2) -> None: return Small(num_classes)
cached = functools.lru_cache(in_words)
preset = functools.partial(in_words, num_classes=4)
bound = Path("x").unlink
started = functools.partial(subprocess.run, shell=True)
remembered = functools.lru_cache(os.system)
wrapped = functools.wraps(os.system)(lambda text: os.system(text))
caller = os.system.__call__
mine = kd
def unsaid_method(pair): return kd(pair)

def recipe(run, *, net: str = "resnet8"):
    from tutelage.models.named import named
    print(type(named(net, 2)()).__name__)
def count(pair) -> int: return 3
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """The name of a module that lies in the current directory."""
    name = f"lab_of_trust_{abs(hash(tmp_path.name))}"
    (tmp_path / f"{name}.py").write_text(LAB, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    sys.modules.pop(name, None)


def planted(folder: Path, name: str) -> Path:
    """A module that leaves a trace when it is imported."""
    folder.mkdir(parents=True, exist_ok=True)
    trace = folder / f"{name}.was_here"
    source = f"from torch import nn\nopen({str(trace)!r}, 'w').close()\ndef net(num_classes: int = 2) -> nn.Module:\n"
    (folder / f"{name}.py").write_text(f"{source}    return nn.Linear(3, num_classes)\nx = mine = net\n")
    return trace


class TestATypedName:
    @pytest.mark.parametrize("module", ["antigravity", "this", "os", "builtins", "__main__", "sys", "test.regrtest"])
    def test_never_leads_into_pythons_own_library_nor_imports_it(self, module):
        before = set(sys.modules)
        for ask in (
            lambda: named(f"{module}.system('x')", 10),
            lambda: method(f"0.5*kd + {module}:system"),
            lambda: find(f"{module}:recipe"),
            lambda: module_named(module),
        ):
            with pytest.raises(ValueError, match="Python's own library"):
                ask()
        assert module in before or module not in sys.modules

    @pytest.mark.parametrize(
        "path",
        ["os.system", "system", "subprocess.run", "Tools.run", "Tools.here", "bound", "started", "remembered",
         "wrapped", "functools.lru_cache", "Path.unlink", "Path", "tutelage.import_module"],
    )  # fmt: skip
    def test_is_followed_to_where_it_leads(self, lab, path):
        with pytest.raises(ValueError, match="Python's own library"):
            named(f"{lab}.{path}('x')", 10)
        with pytest.raises(ValueError, match="Python's own library"):
            named(f"{lab}:{path}".replace(":", "."), 10)

    @pytest.mark.parametrize("path", ["torch.os.system", "torch.serialization.os.system", "torch.hub.os.remove"])
    def test_is_followed_through_installed_packages(self, path):
        with pytest.raises(ValueError, match="Python's own library"):
            named(f"{path}('x')", 10)

    @pytest.mark.parametrize("path", ["__builtins__.exec", "Small.__init__", "unsaid.__globals__", "__dict__"])
    def test_leads_through_no_name_of_pythons_own(self, lab, path):
        with pytest.raises(ValueError, match="leads through '__"):
            named(f"{lab}.{path}", 10)

    @pytest.mark.parametrize(
        "path",
        ["Small", "Small.of_self", "Small.of_variable", "Small.unsaid", "Small.static", "unsaid", "anything",
         "in_words", "cached", "preset", "nn.Flatten"],
    )  # fmt: skip
    def test_leads_to_what_makes_a_network(self, lab, path):
        assert isinstance(named(f"{lab}.{path}", 2)(), nn.Module)

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("text", "declared to return str, not a network"),
            ("maybe", "declared to return something else, not a network"),
            ("nothing", "declared to return NoneType, not a network"),
            ("unreadable", "its module has no Nobody: import it there"),
            ("Tools", "is not a function or class that makes a network"),
            ("caller", "is not a function or class that makes a network"),
            ("nn.functional.relu", "is declared to return Tensor, not a network"),
            ("tutelage.checkpoint.read_json", "declared to return something else|not declared"),
        ],
    )
    def test_that_leads_to_something_else_is_refused(self, lab, path, said):
        with pytest.raises(ValueError, match=said):
            named(f"{lab}.{path}", 2)

    def test_leads_to_a_method_if_that_says_so_or_is_ones_own(self, lab):
        assert method(f"{lab}:mine") is methods()["kd"] and method(f"{lab}:unsaid_method").__name__ == "unsaid_method"
        for name, said in (("count", "declared to return int"), ("os.system", "own library"), ("Small", "Objective")):
            with pytest.raises(ValueError, match=said):
                method(f"{lab}:{name}")

    @pytest.mark.parametrize("path", ["torch.hub.load", "torch.jit.load", "torch.load", "torch.compile", "numpy.load"])
    def test_leads_to_nothing_undeclared_of_what_we_need_ourselves(self, path):
        for allow in ([], ["torch", "numpy"]):
            with (
                restricted(allow),
                pytest.raises(ValueError, match=r"not declared|declared to return|is not a function"),
            ):
                named(f"{path}('x')", 10)

    def test_of_an_installed_package_leads_to_what_is_declared_or_allowed(self, tmp_path, monkeypatch):
        zoo = tmp_path / "site-packages" / "zoo_of_trust"
        zoo.mkdir(parents=True)
        (zoo / "__init__.py").write_text(
            "from torch import nn\ndef said(num_classes) -> nn.Module: return nn.Linear(3, num_classes)\n"
            "def unsaid(num_classes): return nn.Linear(3, num_classes)\ndef meth(pair): ...\n"
        )
        monkeypatch.syspath_prepend(str(zoo.parent))
        assert named("zoo_of_trust.said", 4)().out_features == 4
        with pytest.raises(ValueError, match="if you trust it, --allow zoo_of_trust calls it"):
            named("zoo_of_trust.unsaid", 4)
        with pytest.raises(ValueError, match="if you trust it, --allow zoo_of_trust calls it"):
            method("zoo_of_trust:meth")
        with restricted(["zoo_of_trust"]):
            assert named("zoo_of_trust.unsaid", 4)().out_features == 4
        del sys.modules["zoo_of_trust"]


@pytest.mark.parametrize("text", ["os.system('x')", "evil_of_trust.net('x')", "Evil_of_trust.net()", "evil_of_trust:x"])
def test_a_rule_is_no_path(tmp_path, monkeypatch, text):
    traces = [planted(tmp_path, name) for name in ("evil_of_trust", "Evil_of_trust")]
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=r"There is no rule|torchjd has no|is named like"):
        rule(text, Given())
    assert not any(trace.exists() for trace in traces)


class TestTheCurrentDirectory:
    def test_is_looked_into_for_what_was_named_and_for_nothing_else(self, lab, tmp_path):
        before = list(sys.path)
        trace = planted(tmp_path, "jinja2")
        with pytest.raises(ValueError, match="no module 'nowhere_of_trust'"):
            named("nowhere_of_trust.net", 2)
        named("torch.nn.Flatten", 2)
        assert sys.path == before
        named(f"{lab}.Small", 2)
        assert sys.path == [*before, str(tmp_path)] and not trace.exists()

    @pytest.mark.parametrize("root", ["jinja2", "torchjd", "tensorboard", "numpy"])
    def test_gives_no_name_that_we_need(self, tmp_path, monkeypatch, root):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        trace = planted(tmp_path, root)
        with pytest.raises(ValueError, match=rf"{root}.py is in the way of a module {root}: .*; rename one of the two"):
            named(f"{root}.net", 2)
        assert not trace.exists()

    def test_and_an_installed_package_of_one_name_are_not_mixed_up(self, tmp_path, monkeypatch):
        (tmp_path / "installed").mkdir()
        traces = [planted(tmp_path, "twin_of_trust"), planted(tmp_path / "installed", "twin_of_trust")]
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "installed")])
        with pytest.raises(ValueError, match=r"in the way of a module twin_of_trust: another is in .*installed"):
            named("twin_of_trust.net", 2)
        assert not any(trace.exists() for trace in traces)

    def test_comes_first_while_a_module_from_there_is_imported(self, tmp_path, monkeypatch):
        (tmp_path / "installed").mkdir()
        planted(tmp_path / "installed", "sibling_of_trust")
        (tmp_path / "sibling_of_trust.py").write_text("from torch.nn import Flatten as Own")
        (tmp_path / "lab_with_sibling.py").write_text("from sibling_of_trust import Own")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "installed")])
        assert named("lab_with_sibling.Own", 2).func is nn.Flatten
        for name in ("lab_with_sibling", "sibling_of_trust"):
            del sys.modules[name]


class TestUnderARestriction:
    def test_names_lead_to_ours_and_to_what_is_allowed(self, lab, tmp_path):
        trace = planted(tmp_path, "evil_of_trust")
        with restricted(["tutelage"]):
            assert named("resnet8", 3) and named("tutelage.models.resnet.resnet(8)", 3)
            assert method("kd+at") and method("tutelage.methods.response:kd") is methods()["kd"]
            for ask in (lambda: named("evil_of_trust.net", 2), lambda: method("kd + evil_of_trust:x")):
                with pytest.raises(ValueError, match=r"may lead to tutelage alone; .* add --allow evil_of_trust"):
                    ask()
            with restricted([lab]), pytest.raises(ValueError, match="may lead to tutelage alone"):
                named(f"{lab}.Small", 2)  # what is within is not less
        assert not trace.exists() and lab not in sys.modules
        with restricted(["tutelage", lab]):
            assert named(f"{lab}.unsaid", 2) and method(f"{lab}:mine")

    @pytest.mark.parametrize("path", ["tutelage.delivery.load", "tutelage.load", "tutelage.checkpoint.load_weights"])
    def test_what_reads_files_is_left_out(self, lab, path):
        with restricted(["tutelage", lab]):
            for place in (path, f"{lab}.{path}", f"{lab}.load"):
                with pytest.raises(ValueError, match="is left out where --from or --allow is given"):
                    named(f"{place}('x')", 10)

    def test_what_a_package_has_from_another_is_not_its_own(self, lab):
        with restricted(["tutelage", lab]), pytest.raises(ValueError, match="leads to the package 'torch'"):
            named(f"{lab}.nn.utils.fusion.fuse_conv_bn_eval", 10)


@pytest.fixture
def folder(tmp_path):
    """A finished student of ours, and what writes another description into it."""
    (tmp_path / "given").mkdir()
    for name in ("student", "source"):
        save_weights(tmp_path / "given" / f"{name}.safetensors", mlp((3, 4, 2)))
    description = described(partial(mlp, (3, 4, 2)))

    def write(build, **more):
        (tmp_path / "given" / "student.json").write_text(json.dumps({"build": build, **more}))
        return tmp_path / "given"

    write(description)
    return write


OURS = {"function": "tutelage.models.mlp:mlp", "arguments": [[3, 4, 2]], "named": {}}


class TestAStudentInAFolder:
    @pytest.mark.parametrize(
        "path",
        ["os:system", "antigravity:x", "builtins:exec", "__main__:x", "subprocess:run", "tutelage:load",
         "tutelage.delivery:load", "tutelage.checkpoint:load_weights", "tutelage.weights.foreign:load_foreign",
         "tutelage.keys:called", "tutelage.stages.obtain:_seeded", "tutelage.models.named:lookup",
         "tutelage.models.named:import_module", "tutelage.models.named:Builder", "tutelage.models.trained:_built",
         "tutelage.models.named:tutelage.delivery.load", "tutelage.outputs:nn.Module.__init__", "torch:load",
         "torch.hub:load", "torch.jit:load", "torch.nn.modules.module:torch.load", "numpy:load", "evil_of_trust:net",
         "evil_of_trust.deep:net", "evil_of_trust", "", ":", "a:b:c", "../evil:net", "a b:c", "evil_of_trust:net()"],
    )  # fmt: skip
    @pytest.mark.parametrize("place", ["build", "functions", "argument", "named"])
    def test_names_what_is_shipped_or_is_refused_before_any_import(self, folder, tmp_path, monkeypatch, path, place):
        trace = planted(tmp_path, "evil_of_trust")
        monkeypatch.syspath_prepend(str(tmp_path))
        evil = {"function": path, "arguments": [], "named": {}}
        build = {
            "build": evil,
            "functions": OURS,
            "argument": {**OURS, "arguments": [evil]},
            "named": {**OURS, "named": {"bias": {"function": path}}},
        }[place]
        where = folder(build, **({"functions": [evil]} if place == "functions" else {}))
        before = set(sys.modules)
        with pytest.raises(ValueError):
            tutelage.load(where, allow=["tutelage", "torch"])
        assert {
            name for name in set(sys.modules) - before if not name.startswith(("tutelage.", "torch.", "encodings."))
        } == set()
        assert not trace.exists()

    @pytest.mark.parametrize(
        "build",
        [
            named("resnet8", 5),
            named("wide_resnet(10, 1)", 5),
            partial(nn.Linear, 3, 2),
            partial(tensor_output, partial(nn.Linear, 3, 2)),
            partial(adapted, named("resnet8", 5), scale=(2.0, 2.0, 2.0), shift=(0.0, 0.0, 0.0), size=8),
            partial(borrowing, named("resnet8", 5), named("resnet14", 5), 16),
        ],
        ids=lambda x: x.func.__name__,
    )
    def test_that_ships_is_loaded_as_it_was_delivered(self, folder, build):
        where, network = folder(json.loads(json.dumps(described(build)))), build()
        save_weights(where / "student.safetensors", network)
        weights = tutelage.load(where).state_dict()
        assert all(x.equal(weights[name]) for name, x in network.state_dict().items())

    def test_of_ones_own_package_says_how_it_is_loaded_and_then_is(self, folder, tmp_path, monkeypatch):
        trace = planted(tmp_path, "own_of_trust")
        monkeypatch.syspath_prepend(str(tmp_path))
        where = folder({"function": "own_of_trust:net", "arguments": [], "named": {}})
        save_weights(where / "student.safetensors", nn.Linear(3, 2))
        with pytest.raises(ValueError, match="if you trust it: ") as refused:
            tutelage.load(where)
        assert not trace.exists()
        advice = str(refused.value).partition("if you trust it: ")[2].removesuffix(".")
        assert isinstance(eval(advice, {"tutelage": tutelage}), nn.Linear) and trace.exists()
        del sys.modules["own_of_trust"]

    @pytest.mark.parametrize(
        "how", ["below", "root", "link to it", "link in it", "zip", "package", "path of a package"]
    )
    def test_never_takes_code_from_the_folder_even_if_it_is_allowed(self, folder, tmp_path, monkeypatch, how):
        where = folder({})
        monkeypatch.chdir(tmp_path)
        name, places = f"gift_of_trust_{how.replace(' ', '_')}", [tmp_path]
        trace = planted(where, name)
        module = name
        if how == "below":
            module = f"given.{name}"
        elif how == "root":
            places = [where]
        elif how == "link to it":
            (tmp_path / "linked").symlink_to(where)
            module = f"linked.{name}"
        elif how == "link in it":
            (tmp_path / "elsewhere").mkdir()
            (where / f"{name}.py").rename(tmp_path / "elsewhere" / "code.py")
            (where / f"{name}.py").symlink_to(tmp_path / "elsewhere" / "code.py")
            places = [where]
        elif how == "zip":
            with zipfile.ZipFile(where / "code.zip", "w") as archive:
                archive.write(where / f"{name}.py", f"{name}.py")
            (where / f"{name}.py").unlink()
            places = [where / "code.zip"]
        elif how == "package":
            (where / "deep").mkdir()
            (where / f"{name}.py").rename(where / "deep" / "__init__.py")
            module = "given.deep"
        else:  # a package elsewhere that looks for its modules in the folder
            (tmp_path / f"pack_{name}").mkdir()
            (tmp_path / f"pack_{name}" / "__init__.py").write_text(f"__path__.append({str(where)!r})")
            module = f"pack_{name}.{name}"
        monkeypatch.setattr(sys, "path", [*map(str, places), *sys.path])
        folder({"function": f"{module}:net", "arguments": [], "named": {}})
        for asked in (where, Path("given"), tmp_path / "given" / ".." / "given"):
            with pytest.raises(ValueError, match=r"lies in .* of which no code is run"):
                tutelage.load(asked, allow=[module.partition(".")[0]])
        assert not trace.exists()
        for loaded in [x for x in sys.modules if x.partition(".")[0] in ("given", "linked", f"pack_{name}")]:
            del sys.modules[loaded]

    @pytest.mark.parametrize(
        ("build", "said"),
        [
            (
                {**OURS, "arguments": [[3, 10**12, 2]]},
                r"makes no network of what is stored: mlp takes a whole number from 1 to 1000000 as its width; got 1",
            ),
            ({**OURS, "arguments": [[3, 10**5, 10**5, 2]]}, r"values, and student\.safetensors holds fewer"),
            ({**OURS, "arguments": [[3, 10**30, 2]]}, "network"),
            ({**OURS, "arguments": [[3, -1, 2]]}, "mlp|network"),
            ({**OURS, "arguments": ["three"]}, "mlp|network"),
            ({**OURS, "arguments": [1, 2, 3, 4]}, "makes no network of what is stored: TypeError"),
            ({**OURS, "arguments": {"a": 1}}, "are a list"),
            ({**OURS, "named": [1]}, "are a list, and others by name"),
            ({**OURS, "named": {"depths": 1}}, "makes no network of what is stored: TypeError"),
            ({**OURS, "arguments": [{"stage": "x"}]}, "which only the recipe can make"),
            ({"function": "tutelage.models.resnet:resnet", "arguments": [8], "named": {"width": 10**12}}, "network"),
            ({"function": ["tutelage.models.mlp:mlp"]}, "names a function and its arguments"),
            ({"function": "tutelage.models.mlp:absent"}, "cannot be imported here"),
            ({"function": "tutelage.models.absent:mlp"}, "cannot be imported here"),
        ],
    )
    def test_of_which_no_network_can_be_made_is_refused_in_one_sentence(self, folder, build, said):
        with pytest.raises(ValueError, match=said) as refused:
            tutelage.load(folder(build))
        assert "\n" not in str(refused.value)

    def test_nested_too_deep_is_refused(self, folder):
        build = OURS
        for _ in range(25):
            build = {"function": "tutelage.outputs:tensor_output", "arguments": [build], "named": {}}
        with pytest.raises(ValueError, match="nested more than 20 deep"):
            tutelage.load(folder(build))
        lists = []
        for _ in range(60):
            lists = [lists]
        with pytest.raises(ValueError, match="nested more than 20 deep"):
            tutelage.load(folder({**OURS, "arguments": lists}))

    def test_is_allowed_packages_by_their_names_in_a_list(self, folder):
        where = folder(OURS)
        for allow, said in (("my_lab", "in a list"), (["my_lab.nets"], "by its name alone"), (["os"], "own library")):
            with pytest.raises(ValueError, match=said):
                tutelage.load(where, allow=allow)
        assert tutelage.load(where)(__import__("torch").zeros(1, 3)).shape == (1, 2)


COMPARE = ["cifar100:compare", "--methods", "kd"]
FILES = [
    {"teacher.name": "os.system('touch pwned')"},
    {"student.name": "evil_of_trust.net(3)"},
    {"student.name": "tutelage.load('evil')"},
    {"methods": ["kd", "0.5*kd + evil_of_trust:x"]},
]


class TestAFileOfArguments:
    @pytest.mark.parametrize("arguments", FILES, ids=lambda x: "".join(map(str, x.values())))
    def test_leads_nowhere_but_to_ours_however_it_is_started(self, arguments, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: True)
        trace = planted(tmp_path, "evil_of_trust")
        Path("s.json").write_text(
            json.dumps({"recipe": "cifar100:compare", "preset": "smoke", "arguments": {"methods": ["kd"], **arguments}})
        )
        assert main(["run", "cifar100:compare", "--from", "s.json", "--quiet"]) == 2
        refused = capsys.readouterr().err
        assert main(["sweep", "cifar100:compare", "--from", "s.json", "--plan"]) == 0
        command = shlex.split(capsys.readouterr().out)
        assert command[-2:] == ["--allow", "tutelage"]
        assert main([*command[1:], "--quiet"]) == 2
        again = capsys.readouterr().err
        assert again == refused and len(refused.splitlines()) == 1 and refused.startswith("tutelage: ")
        assert not trace.exists() and not Path("pwned").exists()

    def test_may_name_what_was_typed_and_what_the_recipe_itself_names(self, lab):
        Path("s.json").write_text(json.dumps({"teacher.name": "evil_of_trust.net"}))

        def allowed(*words):
            return understood("cifar100:compare", ["--from", "s.json", *words]).common.allow

        assert allowed() == ("tutelage",)
        assert allowed("--student.name", f"{lab}.net(3)", "--teacher.weights", "evil_of_trust.pth") == ("tutelage", lab)
        assert allowed(f"--methods=0.5*{lab}:x + kd") == ("tutelage", lab)
        assert allowed("--allow", "a_lab", "tutelage") == ("tutelage", "a_lab")
        Path("s.json").write_text("{}")
        assert understood("fake_recipes:toy", ["--from", "s.json"]).common.allow == ("tutelage", "fake_recipes")
        assert understood("fake_recipes:toy", []).common.allow == ()

    def test_leads_a_recipe_of_ones_own_no_further(self, lab, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: True)
        trace = planted(tmp_path, "evil_of_trust")
        for net in ("evil_of_trust.net", "os.getcwd", "torch.nn.Flatten", f"{lab}.Small"):
            Path("s.json").write_text(json.dumps({"net": net}))
            for words in (["--from", "s.json"], ["--net", net, "--allow", lab]):
                code = main(["run", f"{lab}:recipe", *words, "--quiet"])
                assert ("Small" in capsys.readouterr().out) == (net == f"{lab}.Small") == (code != 2)
        assert not trace.exists()

    def test_keeps_its_restriction_in_the_command_that_goes_on(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("s.json").write_text(json.dumps({"teacher.name": "evil_of_trust.net"}))
        request = understood("cifar100:compare", ["--from", "s.json"])
        assert request.words[-2:] == ["--allow", "tutelage"] and request.elsewhere.endswith("--allow tutelage")
        again = understood("cifar100:compare", request.words[3:])
        assert again.common.allow == ("tutelage",) and again.words == request.words

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ('{"methods": ["kd", "--folder=/home"]}', "what begins with - is another flag"),
            ('{"methods": ["--help"]}', "what begins with - is another flag"),
            ('{"teacher.name": {"a": 1}}', "a flag takes a text or a number, or a list of these"),
            ('{"methods": [["kd"]]}', "a flag takes a text or a number, or a list of these"),
            ('{"teacher.name": "a\\u001b[2J"}', "nobody could type"),
            ('{"teacher.name": "\\ud800"}', "half of a character"),
            ('{"teacher": {"name": "os.system"}}', "dotted, not nested"),
            ('{"teacher.__class__": 1}', "is no flag here"),
            ('{"folder": "/"}', "is no flag here"),
            ('{"recipe": "../../evil", "arguments": {}}', "not of cifar100:compare"),
            ('{"recipe": ["cifar100:compare"], "arguments": {}}', "not of cifar100:compare"),
            ('{"preset": ["smoke"], "arguments": {}}', "a preset is a word"),
            ('{"preset": "../smoke", "arguments": {}}', "has no preset '../smoke'"),
            ("[" * 100_000, "is not JSON"),
            ('"teacher"', "holds a str"),
        ],
    )
    def test_of_anything_else_is_refused_in_one_sentence(self, content, said, tmp_path):
        (tmp_path / "s.json").write_text(content)
        with pytest.raises(Usage, match=said):
            understood("cifar100:compare", ["--from", str(tmp_path / "s.json")])


@pytest.mark.parametrize("name", ["a.b", "os", "", "a b", "../a", "-x"])
def test_only_a_package_can_be_allowed(name):
    with pytest.raises(ValueError, match=r"by its name alone|own library"):
        understood("cifar100:compare", ["--allow", name] if name[:1] != "-" else [f"--allow={name}"])


@pytest.mark.parametrize("words", [["--allow"], ["--allow", "--seed", "1"], ["--seed", "1", "--allow"]])
def test_allowing_nothing_is_no_restriction_and_is_refused(words):
    with pytest.raises(Usage, match="--allow takes one package or more; --allow tutelage is this one alone"):
        understood("cifar100:compare", words)


def shipped_makers():
    for place in SHIPPED:
        if place.startswith("tutelage."):
            home = import_module(place.removesuffix("."))
            files = iter_modules(home.__path__, place) if hasattr(home, "__path__") else []
            for module in [home, *(import_module(info.name) for info in files)]:
                for name, thing in inspect.getmembers(module, callable):
                    made = thing if isinstance(thing, type) else getattr(thing, "__annotations__", {}).get("return")
                    own = getattr(thing, "__module__", "") == module.__name__
                    if own and isinstance(made, type) and issubclass(made, nn.Module):
                        yield f"{module.__name__}:{name}", thing


def test_what_ships_and_makes_networks_takes_no_files():
    makers = dict(shipped_makers())
    assert {"tutelage.models.mlp:mlp", "tutelage.losses.simkd:borrowing", "tutelage.teachers.adapted:adapted"} <= set(
        makers
    )
    assert all(f"{x.__module__}:{x.__name__}" in makers for x in known().values() if hasattr(x, "__name__"))
    for path, maker in makers.items():
        for parameter in inspect.signature(maker).parameters.values():
            assert not match(r"path|file|folder", parameter.name) and "Path" not in str(parameter.annotation), path


def test_what_the_package_needs_is_known_by_name():
    imported = {"pillow": "PIL"}
    wanted = [match(r"[\w.-]+", line)[0] for line in requires("tutelage") if "dev" not in line.partition("extra")[2]]
    assert {imported.get(name, name) for name in wanted} <= NEEDED

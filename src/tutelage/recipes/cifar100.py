"""Every kind of knowledge on CIFAR-100: methods side by side on a teacher and a student, at their published weights.

Torch is imported inside the functions, so that listing the recipes and asking for their flags costs nothing.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tutelage.run import Run

Images = Literal["cifar100", "cifar10", "synthetic"]
Rate = Literal["steps", "one-cycle"]

PAPER = "Tian, Krishnan & Isola 2020, arXiv:1910.10699"


def compare(
    run: "Run",
    *,
    methods: tuple[str, ...] = ("all",),
    teacher: str = "resnet56",
    student: str = "resnet20",
    teacher_maps: tuple[str, ...] = (),
    student_maps: tuple[str, ...] = (),
    epochs: int = 240,
    teacher_epochs: int = 240,
    batch_size: int = 64,
    teacher_batch_size: int = 64,
    lr: float | None = None,
    teacher_lr: float = 0.05,
    rate: Rate = "steps",
    nesterov: bool = False,
    decay: float = 5e-4,
    views: int = 0,
    remember: int = 16,
    strengths: tuple[float, ...] = (1.0,),
    validation: int = 5000,
    images: Images = "cifar100",
    seed: int = 0,
    teacher_seed: int = 0,
    decisive: bool = True,
) -> None:
    """Any methods on any teacher and student: accuracy after the last and the best epoch, cost of a step, memory.

    Every method has the layers and weights that it was published with. Given several strengths, each method gets the
    same budget: it is trained at each of them, and the one that does best on validation images is reported.

    Args:
        methods: names, families (response, feature, relation, contrastive), sums such as 0.9*kd+at, or all
        teacher: the large network: resnet56, wrn_40_2, …, or a dotted path: timm.create_model('resnet18')
        student: the small network, named likewise
        teacher_maps: its layers to learn from, from shallow to deep; found where none are given
        student_maps: the student's layers that learn from them, likewise
        epochs: epochs of each student
        teacher_epochs: epochs of the teacher
        batch_size: images a step, of the students
        teacher_batch_size: images a step, of the teacher
        lr: first or highest learning rate of the students; left out, it is 0.01 for MobileNet and ShuffleNet, else 0.05
        teacher_lr: first or highest learning rate of the teacher
        rate: a tenth after 150, 180 and 210 of 240 epochs, or one-cycle: up for a fifth of the steps, then down to 0
        nesterov: whether the momentum of 0.9 is Nesterov's
        decay: weight decay
        views: how many of the 162 crops and flips the students see, in turn; 0 draws any of them at random
        remember: up to how many views the teacher's small answers are kept and shared by all runs
        strengths: factors of each method's published weight; of several, the best on validation counts
        validation: training images kept for validation; 0 trains on all of them, without a best epoch
        images: cifar100, cifar10, or drawn ones for a run of seconds
        seed: of the students' weights, order and views
        teacher_seed: of the teacher's
        decisive: whether these settings are meant to decide the claims
    """
    from tutelage.methods.by_name import expanded
    from tutelage.recipes.parts import comparison, photographs, sets

    sets.refuse_nonsense(
        epochs=epochs,
        teacher_epochs=teacher_epochs,
        batch_size=batch_size,
        teacher_batch_size=teacher_batch_size,
        lr=1.0 if lr is None else lr,
        teacher_lr=teacher_lr,
        remember=remember,
        strengths=min(strengths, default=0),
    )
    shown = photographs.sets(run, images, validation)
    networks = comparison.Networks(teacher, student, teacher_maps, student_maps, len(shown.train.classes))
    course = partial(photographs.Course, rate=rate, decay=decay, nesterov=nesterov)
    comparison.compare(
        run,
        shown,
        networks,
        expanded(methods),
        teacher_course=course(teacher_epochs, teacher_batch_size, teacher_lr, seed=teacher_seed),
        course=course(epochs, batch_size, networks.lr() if lr is None else lr, views=views, seed=seed),
        strengths=strengths,
        remember=remember,
        decisive=decisive,
    )


SMOKE: dict[str, Any] = {
    "teacher": "resnet8", "student": "resnet8", "epochs": 1, "teacher_epochs": 2, "batch_size": 32,
    "teacher_batch_size": 32, "lr": 0.05, "teacher_lr": 0.1, "rate": "one-cycle", "views": 2, "validation": 50,
    "images": "synthetic", "decisive": False,
}  # fmt: skip
CPU: dict[str, Any] = {
    "teacher": "resnet20", "student": "resnet8", "epochs": 3, "teacher_epochs": 15, "batch_size": 128,
    "teacher_batch_size": 128, "lr": 0.3, "teacher_lr": 0.1, "rate": "one-cycle", "nesterov": True, "views": 3,
    "decisive": False,
}  # fmt: skip


def _but(settings: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}


compare_smoke = partial(compare, methods=("kd", "at", "simkd"), **SMOKE)
compare_cpu = partial(compare, **CPU)
compare_paper = partial(compare)

kd = partial(compare, methods=("kd",))
kd.__doc__ = """Soft targets, the classic: 0.1 CE + 0.9 KD at T = 4, beside the student that nobody teaches."""
kd_smoke = partial(kd, **SMOKE)
kd_cpu = partial(kd, **CPU)
kd_paper = partial(kd)

response = partial(compare, methods=("response",))
response.__doc__ = """All methods that learn from logits: KD, DKD, DIST, NKD, WSL, standardised, multi-level."""
response_smoke = partial(response, methods=("dkd", "dist"), **SMOKE)
response_cpu = partial(response, **CPU)
response_paper = partial(response)

feature = partial(compare, methods=("feature",))
feature.__doc__ = """All methods that learn from layers: hint, AT, SRRL, SimKD, VID, OFD, ReviewKD."""
feature_smoke = partial(feature, methods=("hint", "review"), **SMOKE)
feature_cpu = partial(feature, **CPU)
feature_paper = partial(feature)

relation = partial(compare, methods=("relation",))
relation.__doc__ = """All methods that learn how samples stand to each other: RKD, SP, cosines, CC, PKT."""
relation_smoke = partial(relation, methods=("rkd", "pkt"), **SMOKE)
relation_cpu = partial(relation, **CPU)
relation_paper = partial(relation)

contrastive = partial(compare, methods=("contrastive",))
contrastive.__doc__ = (
    """Contrastive representation distillation: as published, in its fast form, beside soft targets."""
)
contrastive_smoke = partial(contrastive, methods=("crd", "crd_shared"), **SMOKE)
contrastive_cpu = partial(contrastive, **CPU)
contrastive_paper = partial(contrastive)

combined = partial(compare, methods=("kd", "at", "sp", "kd+at", "kd+sp", "kd+at+sp"))
combined.__doc__ = (
    """The multi-knowledge proposal, CE + a·logits + b·feature + c·relation: --methods 0.9*kd+0.5*at+sp."""
)
combined_smoke = partial(combined, methods=("0.5*kd+at+sp",), **SMOKE)
combined_cpu = partial(combined, **CPU)
combined_paper = partial(combined)

attention = partial(compare, methods=("attention",))
attention.__doc__ = """Which layers to learn from: fixed mappings, attention over all the teacher's blocks, SemCKD."""
attention_smoke = partial(attention, methods=("proportional", "attend_learned", "semckd_alone"), **SMOKE)
attention_cpu = partial(attention, strengths=(0.1,), **CPU)  # at a rate of 0.3 the weight of 100 is too much
attention_paper = partial(attention)


def conflicts(
    run: "Run",
    *,
    losses: str = "kd+hint+sp",
    rules: tuple[str, ...] = ("all",),
    every: int = 50,
    longer: float = 2.8,
    teacher: str = "resnet56",
    student: str = "resnet20",
    teacher_maps: tuple[str, ...] = (),
    student_maps: tuple[str, ...] = (),
    epochs: int = 240,
    teacher_epochs: int = 240,
    batch_size: int = 64,
    teacher_batch_size: int = 64,
    lr: float = 0.05,
    teacher_lr: float = 0.05,
    rate: Rate = "steps",
    nesterov: bool = False,
    decay: float = 5e-4,
    views: int = 0,
    remember: int = 16,
    validation: int = 5000,
    images: Images = "cifar100",
    seed: int = 0,
    teacher_seed: int = 0,
    decisive: bool = True,
) -> None:
    """Does removing conflict help? One set of losses, and many rules that make one gradient of theirs.

    All students have the same losses, seed and steps. One more, by the weighted sum, has as much time as a rule takes
    that wants one gradient a loss. How gradients lie to each other is measured in head, backbone and every stage.

    Args:
        losses: a sum of methods, such as 0.9*kd+at+sp; labels are always among them
        rules: names of rules, torchjd's ('CAGrad(c=0.5)', …) included, or all of our own; the sum is always there
        every: how often gradients are compared, in steps
        longer: how many times as long as the sum's a step of a rule takes; 1 leaves the student with more time out
        teacher: the large network: resnet56, wrn_40_2, …, or a dotted path: timm.create_model('resnet18')
        student: the small network, named likewise
        teacher_maps: its layers to learn from, from shallow to deep; found where none are given
        student_maps: the student's layers that learn from them, likewise
        epochs: epochs of each student
        teacher_epochs: epochs of the teacher
        batch_size: images a step, of the students
        teacher_batch_size: images a step, of the teacher
        lr: first or highest learning rate of the students
        teacher_lr: first or highest learning rate of the teacher
        rate: a tenth after 150, 180 and 210 of 240 epochs, or one-cycle: up for a fifth of the steps, then down to 0
        nesterov: whether the momentum of 0.9 is Nesterov's
        decay: weight decay
        views: how many of the 162 crops and flips the students see, in turn; 0 draws any of them at random
        remember: up to how many views the teacher's small answers are kept and shared by all runs
        validation: training images kept for validation; 0 trains on all of them, without a best epoch
        images: cifar100, cifar10, or drawn ones for a run of seconds
        seed: of the students' weights, order and views, and of rules that draw
        teacher_seed: of the teacher's
        decisive: whether these settings are meant to decide the claims
    """
    from tutelage.combine.by_name import rules as known
    from tutelage.recipes.parts import comparison, conflicts, photographs, sets

    sets.refuse_nonsense(
        every=every,
        longer=longer,
        epochs=epochs,
        teacher_epochs=teacher_epochs,
        batch_size=batch_size,
        teacher_batch_size=teacher_batch_size,
        lr=lr,
        teacher_lr=teacher_lr,
        remember=remember,
    )
    chosen = [name for one in rules for name in (known() if one == "all" else [one])]
    shown = photographs.sets(run, images, validation)
    networks = comparison.Networks(teacher, student, teacher_maps, student_maps, len(shown.train.classes))
    course = partial(photographs.Course, rate=rate, decay=decay, nesterov=nesterov)
    conflicts.compare(
        run,
        shown,
        networks,
        conflicts.Question(losses, chosen, every, longer),
        teacher_course=course(teacher_epochs, teacher_batch_size, teacher_lr, seed=teacher_seed),
        course=course(epochs, batch_size, lr, views=views, seed=seed),
        remember=remember,
        decisive=decisive,
    )


conflicts_smoke = partial(conflicts, rules=("pcgrad", "cheap"), every=2, longer=1.0, **SMOKE)
conflicts_cpu = partial(conflicts, **CPU)
conflicts_paper = partial(conflicts)


def capacity(
    run: "Run",
    *,
    teachers: tuple[str, ...] = ("resnet20", "resnet32", "resnet56", "resnet110"),
    student: str = "resnet20",
    methods: tuple[str, ...] = ("kd", "proportional", "attend_scaled", "attend_detached"),
    epochs: int = 240,
    teacher_epochs: int = 240,
    batch_size: int = 64,
    teacher_batch_size: int = 64,
    lr: float = 0.05,
    teacher_lr: float = 0.05,
    rate: Rate = "steps",
    nesterov: bool = False,
    decay: float = 5e-4,
    views: int = 0,
    remember: int = 16,
    validation: int = 5000,
    images: Images = "cifar100",
    seed: int = 0,
    teacher_seed: int = 0,
    decisive: bool = True,
) -> None:
    """Bigger and bigger teachers for one student: the surprise that the multi-knowledge proposal starts from.

    A teacher may be too large to learn from, although it knows more. Does that happen here, and does attention over its
    layers mend it?

    Args:
        teachers: networks from small to large: resnet56, wrn_40_2, …, or dotted paths
        student: the small network, named likewise
        methods: by which it learns from each of them; sums and factors such as 0.1*proportional too
        epochs: epochs of each student
        teacher_epochs: epochs of each teacher
        batch_size: images a step, of the students
        teacher_batch_size: images a step, of the teachers
        lr: first or highest learning rate of the students
        teacher_lr: first or highest learning rate of the teachers
        rate: a tenth after 150, 180 and 210 of 240 epochs, or one-cycle: up for a fifth of the steps, then down to 0
        nesterov: whether the momentum of 0.9 is Nesterov's
        decay: weight decay
        views: how many of the 162 crops and flips the students see, in turn; 0 draws any of them at random
        remember: up to how many views the teachers' small answers are kept and shared by all runs
        validation: training images kept for validation; 0 trains on all of them, without a best epoch
        images: cifar100, cifar10, or drawn ones for a run of seconds
        seed: of the students' weights, order and views
        teacher_seed: of the teachers'
        decisive: whether these settings are meant to decide the claims
    """
    from tutelage.recipes.parts import capacity, photographs, sets

    sets.refuse_nonsense(
        epochs=epochs,
        teacher_epochs=teacher_epochs,
        batch_size=batch_size,
        teacher_batch_size=teacher_batch_size,
        lr=lr,
        teacher_lr=teacher_lr,
        remember=remember,
        teachers=len(teachers),
    )
    course = partial(photographs.Course, rate=rate, decay=decay, nesterov=nesterov)
    capacity.compare(
        run,
        photographs.sets(run, images, validation),
        student,
        teachers,
        methods,
        teacher_course=course(teacher_epochs, teacher_batch_size, teacher_lr, seed=teacher_seed),
        course=course(epochs, batch_size, lr, views=views, seed=seed),
        remember=remember,
        decisive=decisive,
    )


capacity_smoke = partial(capacity, teachers=("resnet8",), methods=("kd",), **_but(SMOKE, "teacher"))
capacity_cpu = partial(
    capacity,
    teachers=("resnet8", "resnet14", "resnet20", "resnet32"),
    methods=(
        "kd",
        "0.1*proportional",
        "0.1*attend_scaled",
        "0.1*attend_detached",
    ),  # at a rate of 0.3, as attention_cpu
    **_but(CPU, "teacher"),
)
capacity_paper = partial(capacity)


def fitnets(
    run: "Run",
    *,
    teacher: str = "resnet56",
    student: str = "resnet20",
    hint: str = "",
    guided: str = "",
    temperature: float = 3.0,
    first: float = 4.0,
    last: float = 1.0,
    hint_epochs: int = 80,
    epochs: int = 240,
    teacher_epochs: int = 240,
    batch_size: int = 64,
    teacher_batch_size: int = 64,
    hint_lr: float = 0.005,
    lr: float = 0.05,
    teacher_lr: float = 0.05,
    rate: Rate = "steps",
    nesterov: bool = False,
    decay: float = 5e-4,
    views: int = 0,
    validation: int = 5000,
    images: Images = "cifar100",
    seed: int = 0,
    teacher_seed: int = 0,
    decisive: bool = True,
) -> None:
    """FitNets as the paper has them: a stage of hints, then fading soft targets; beside labels, and soft targets alone.

    The method called hint in cifar100:feature is what later comparisons made of it: one term beside the labels.

    Args:
        teacher: the large network: resnet56, wrn_40_2, …, or a dotted path: timm.create_model('resnet18')
        student: the small network, named likewise
        hint: the teacher's layer that gives the hint; left out, its middle one
        guided: the student's layer that learns it; left out, its middle one
        temperature: softness of the targets in the second stage
        first: weight of the soft targets at first
        last: weight of the soft targets at last, in a straight line
        hint_epochs: epochs of the first stage
        epochs: epochs of the second stage, and of the students without hints
        teacher_epochs: epochs of the teacher
        batch_size: images a step, of the students
        teacher_batch_size: images a step, of the teacher
        hint_lr: first or highest learning rate of the first stage
        lr: first or highest learning rate of the second, and of the students without hints
        teacher_lr: first or highest learning rate of the teacher
        rate: a tenth after 150, 180 and 210 of 240 epochs, or one-cycle: up for a fifth of the steps, then down to 0
        nesterov: whether the momentum of 0.9 is Nesterov's
        decay: weight decay
        views: how many of the 162 crops and flips the students see, in turn; 0 draws any of them at random
        validation: training images kept for validation; 0 trains on all of them, without a best epoch
        images: cifar100, cifar10, or drawn ones for a run of seconds
        seed: of the students' weights, order and views
        teacher_seed: of the teacher's
        decisive: whether these settings are meant to decide the claims
    """
    from tutelage.recipes.parts import fitnets as parts
    from tutelage.recipes.parts import photographs, sets

    sets.refuse_nonsense(
        temperatures=[temperature],
        first=first,
        last=last,
        hint_epochs=hint_epochs,
        epochs=epochs,
        teacher_epochs=teacher_epochs,
        batch_size=batch_size,
        teacher_batch_size=teacher_batch_size,
        hint_lr=hint_lr,
        lr=lr,
        teacher_lr=teacher_lr,
    )
    shown = photographs.sets(run, images, validation)
    course = partial(photographs.Course, rate=rate, decay=decay, nesterov=nesterov)
    own = course(epochs, batch_size, lr, views=views, seed=seed)
    how = parts.Two(
        teacher,
        student,
        hint,
        guided,
        temperature,
        (first, last),
        course(teacher_epochs, teacher_batch_size, teacher_lr, seed=teacher_seed),
        course(hint_epochs, batch_size, hint_lr, views=views, seed=seed),
        own,
    )
    parts.compare(run, shown, how, decisive)


fitnets_smoke = partial(fitnets, hint_epochs=1, hint_lr=0.01, **SMOKE)
fitnets_cpu = partial(fitnets, hint_epochs=1, hint_lr=0.05, **CPU)
fitnets_paper = partial(fitnets)

"""Methods side by side, at their published weights, on any teacher and student."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.cifar100.settings import CPU, IMAGES, LONG, PAPER, SMOKE, STUDENT, TEACHER, Images
from tutelage.study.bounds import Distinct, Names, NotEmpty, Seed, Weight, refuse_nonsense
from tutelage.study.settings import NetworkSettings, TeacherSettings

if TYPE_CHECKING:
    from tutelage.run import Run

__all__ = ["PAPER"]


def compare(
    run: "Run",
    *,
    methods: Names = ("all",),
    strengths: Annotated[tuple[Weight, ...], NotEmpty(), Distinct()] = (1.0,),
    teacher: TeacherSettings = TEACHER,
    student: NetworkSettings = STUDENT,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Which method teaches most? Any methods on any two networks: accuracy, cost of a step, memory.

    Every method has the layers and weights that it was published with. Given several strengths, each method gets the
    same budget: it is trained at each of them, and the one that does best on validation images is reported.

    Args:
        methods: names, sums such as 0.9*kd+at, families (response, feature, relation, contrastive, attention,
            generations), or all but the last two families
        strengths: factors of each method's published weight; of several, the best on validation counts
        seed: of the students' weights, order and views
    """
    from dataclasses import replace

    from tutelage.methods.by_name import expanded, family, method
    from tutelage.recipes.cifar100.claims import FREE, claim_published, unpublished
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.recipes.proposal import claim_layers
    from tutelage.study.claims import cannot_decide
    from tutelage.study.comparison import BASELINE, Compared, best_in_words, publish_comparison
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.study.trials import Trial, run_trial, run_trials
    from tutelage.tasks.classification import ACCURACY

    refuse_nonsense(compare, locals())
    reason = unpublished(teacher, student) or cannot_decide(run, compare, locals(), FREE)
    chosen = {name: method(name) for name in expanded(methods)}  # a misspelt one is found before hours are spent
    if len(strengths) > 1 and not images.validation:
        raise ValueError("Strengths are chosen on validation images; keep some with --images.validation.")
    data = pictures_of(run, images)
    pair = PairOfNetworks(teacher, student, data)
    plan = plan_for(data, student, seed)
    pair.refuse_strangers(run, plan, chosen)

    trained = teacher_of(run, data, teacher, plan_for(data, teacher, teacher.seed))
    baseline = run_trial(run, BASELINE, Trial(pair.build_student, plan))
    trials = {}
    for name, how in chosen.items():
        teaching = pair.teaching(how, trained.last, images.cache_views)
        taught = [replace(teaching, strength=strength) for strength in strengths]
        trials[name] = [Trial(pair.student_of(how), plan, one, family(how)) for one in taught]
    outcome = run_trials(run, data, trials)

    labels = {"teacher": teacher.name} | {name: f"{student.name}, {name}" for name in (BASELINE, *chosen)}
    compared = Compared("Methods", ACCURACY, {"teacher": trained}, baseline, outcome, labels)
    networks = publish_comparison(run, data, compared, INPUT)
    run.publish(headline=best_in_words(compared, networks, teacher.name, student.name))
    if not data.synthetic:
        claim_published(run, pair, networks, reason)
        claim_layers(run, data, outcome.students, networks, reason)


compare_smoke = partial(compare, methods=("kd", "at", "simkd"), **SMOKE)
compare_cpu = partial(compare, **CPU)
compare_long = partial(compare, **LONG)

kd = partial(compare, methods=("kd",))
kd.__doc__ = """What are soft targets worth? The classic: 0.1 CE + 0.9 KD at T = 4, beside labels alone."""
kd_smoke = partial(kd, **SMOKE)
kd_cpu = partial(kd, **CPU)
kd_long = partial(kd, **LONG)

response = partial(compare, methods=("response",))
response.__doc__ = """Which method teaches most by logits alone? KD, DKD, DIST, NKD, WSL, standardised, multi-level."""
response_smoke = partial(response, methods=("dkd", "dist"), **SMOKE)
response_cpu = partial(response, **CPU)
response_long = partial(response, **LONG)

feature = partial(compare, methods=("feature",))
feature.__doc__ = """Which method teaches most by layers? Hint, AT, SRRL, SimKD, VID, OFD, ReviewKD."""
feature_smoke = partial(feature, methods=("hint", "review"), **SMOKE)
feature_cpu = partial(feature, **CPU)
feature_long = partial(feature, **LONG)

relation = partial(compare, methods=("relation",))
relation.__doc__ = """Which method teaches most by how samples stand to each other? RKD, SP, cosines, CC, PKT."""
relation_smoke = partial(relation, methods=("rkd", "pkt"), **SMOKE)
relation_cpu = partial(relation, **CPU)
relation_long = partial(relation, **LONG)

contrastive = partial(compare, methods=("contrastive",))
contrastive.__doc__ = """Does contrastive distillation beat soft targets? As published, and in its fast form."""
contrastive_smoke = partial(contrastive, methods=("crd", "crd_shared"), **SMOKE)
contrastive_cpu = partial(contrastive, **CPU)
contrastive_long = partial(contrastive, **LONG)

combined = partial(compare, methods=("kd", "at", "sp", "kd+at", "kd+sp", "kd+at+sp"))
combined.__doc__ = (
    """Do many kinds of knowledge teach more than one? CE + a·logits + b·feature + c·relation: 0.9*kd+0.5*at+sp."""
)
combined_smoke = partial(combined, methods=("0.5*kd+at+sp",), **SMOKE)
combined_cpu = partial(combined, **CPU)
combined_long = partial(combined, **LONG)

attention = partial(compare, methods=("attention",))
attention.__doc__ = """Does a student learn more if it chooses the layers? Fixed mappings, attention, SemCKD."""
attention_smoke = partial(attention, methods=("proportional", "attend_learned", "semckd_alone"), **SMOKE)
attention_cpu = partial(attention, strengths=(0.1,), **CPU)  # at a rate of 0.3 the weight of 100 is too much
attention_long = partial(attention, strengths=(0.1,), **LONG)  # likewise

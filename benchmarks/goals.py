"""What is aimed at, and what others take, each beside the place that says so. ``met.py`` puts them beside our figures.

Issues are those of this project. "performance notes" and "peer notes" are its notes on speed and on other frameworks,
outside of the repository: only figures that were measured there stand here, none that was read or recalled.
"""

from dataclasses import dataclass

NOTES, LATER = "performance notes, section 5", "performance notes, 2026-11-26"
_CONVOLUTIONS = ("resnet20", "WRN-40-2")
EXACT = "exact / one backward of the sum"


@dataclass(frozen=True)
class Goal:
    """A ``figure`` of a benchmark's file is to be ``limit`` at most; of one without a benchmark, no file tells."""

    benchmark: str
    figure: str
    limit: float
    source: str


@dataclass(frozen=True)
class Peer:
    """What ``peer`` takes, a ratio with either malloc as far as that is known; ``figure`` is ours of its kind."""

    peer: str
    what: str
    source: str
    tuned: str
    default: str = ""
    benchmark: str = ""
    figure: str = ""


GOALS = (
    Goal("step", "KD step / KD step by hand", 1.015, "issue 15"),
    Goal("step", "KD step / (student step + teacher pass)", 1.08, f"issue 3; {NOTES}, a2"),
    Goal("step", "cached epoch / student-only epoch", 1.02, LATER),
    Goal("overhead", "ours - by hand, student alone, ms", 0.11, "issue 15"),
    Goal("overhead", "ours - by hand, with a teacher, ms", 0.11, "issue 15"),
    Goal("startup", "tutelage distill --help", 0.6, "issue 14"),
    Goal("methods", "KD step / (student step + teacher pass)", 1.02, LATER),
    Goal("methods", "fast path / plain KD by hand", 0.78, "issue 15, in three runs of three"),
    Goal("methods", "fast path in bfloat16 / plain KD by hand", 0.50, LATER),
    Goal("methods", "the same, cached / plain KD by hand", 0.30, LATER),
    *(Goal("methods", f"{name} / KD", 1.05, "issue 4") for name in ("DKD", "DIST", "NKD", "WSL", "multi-level")),
    *(Goal("methods", f"{name} / KD", 1.05, "issue 4") for name in ("standardised logits", "cosine table", "CC")),
    *(Goal("methods", f"{name} / KD", 1.05, f"issue 4; {NOTES}, a4") for name in ("hint", "AT", "SP", "RKD", "PKT")),
    Goal("methods", "VID / KD", 1.10, LATER),
    Goal("methods", "OFD / KD", 1.10, LATER),
    Goal("methods", "ReviewKD / KD", 1.55, "issue 15"),
    Goal("methods", "CRD / KD", 1.30, LATER),
    Goal("methods", "CRD, shared negatives / KD", 1.08, LATER),
    Goal("attention", "attention step / KD step", 1.08, LATER),
    Goal("conflicts", EXACT, 2.7, "issue 15"),
    Goal("conflicts", "at a shared feature / one backward of the sum, all at the last stage", 1.05, LATER),
    Goal("mutual", "resnet20: simultaneous / two students' steps", 1.05, "issue 13"),
    Goal("mutual", "resnet20: alternating / two students' steps", 1.22, "issue 13"),
    Goal("mutual", "800-800: simultaneous / two students' steps", 1.05, "issue 13"),
    Goal("mutual", "800-800: alternating / two students' steps", 1.22, "issue 13"),
    Goal("augmentation", "jitter, 1 × 28 × 28: one gather / PIL loop", 0.025, LATER),
    Goal("augmentation", "crop, flip, normalise, 3 × 32 × 32: one gather / PIL loop", 0.05, LATER),
    Goal("decoding", "first epoch: ours / DataLoader", 0.6667, "issue 14"),
    Goal("decoding", "later epoch: ours / DataLoader", 0.125, "issue 14"),
    Goal("angles", "RKD, 1024 samples", 4000, "issue 15, MB"),
    Goal("angles", "slabs, 512 samples", 500, f"{LATER}, MB"),
    *(
        Goal("int8", f"{name}, batch {size}: int8 / eager", 0.278, "issue 17")
        for name in _CONVOLUTIONS
        for size in (1, 64)
    ),
    *(
        Goal("int8", f"{name}, batch {size}: int8 / float32", 0.476, "issue 17")
        for name in _CONVOLUTIONS
        for size in (1, 64)
    ),
    *(Goal("int8", f"MLP 800-800, batch {size}: int8 / eager", 0.385, "issue 17") for size in (1, 64)),
    *(Goal("int8", f"MLP 800-800, batch {size}: int8 / float32", 0.556, "issue 17") for size in (1, 64)),
    *(
        Goal("variational", f"{kind}: variational / sure", 2.2, "issue 18")
        for kind in ("LeNet-5", "LeNet-5, channels last", "LeNet-300-100")
    ),
    *(
        Goal("gated", f"{kind}: gated / plain", 1.05, "issue 16")
        for kind in ("MLP 300-100", "MLP 1200-1200", "LeNet-5", "ResNet-8", "DenseNet-BC(22, 12)")
    ),
    *(Goal("language", f"slabs / all at once, KL of {classes}", 1.05, "issue 19") for classes in (8192, 32768)),
    Goal("shares", "a quick run's time outside of its training steps, share", 0.08, "issue 15"),
    Goal("shares", "a distillation's time outside of its pilot and its training steps, share", 0.10, "issue 14"),
)

STEP = "KD step ÷ hand-written, resnet56 → 20, batch 64"
TABLE = "peer notes, section 5.3: 2 threads, wall"
EACH = "performance notes, section 4: 2 threads, wall"
BACKWARD = "performance notes, section 2.9"
_STEPS = {  # tuned, default
    "RepDistiller": ("1.02", "1.24"),
    "mdistiller": ("1.02", "1.54"),
    "torchdistill": ("1.20", "1.27"),
    "torchdistill, own resnets": ("1.15", "1.43"),
    "KD_Lib": ("1.98", "2.08"),
    "TextBrewer": ("1.04", "1.09"),
    "timm": ("1.02", "1.42"),
    "ModelOpt": ("1.02", "1.02"),
}
_METHODS = {
    "RepDistiller": {
        "hint": "1.07",
        "AT": "1.08",
        "SP": "1.03",
        "RKD": "1.05",
        "PKT": "1.03",
        "VID": "1.13",
        "CC": "1.03",
        "CRD": "4.37",
    },
    "mdistiller": {
        "hint": "1.04",
        "AT": "1.04",
        "SP": "1.03",
        "RKD": "1.04",
        "PKT": "1.04",
        "VID": "1.11",
        "DKD": "1.00",
        "OFD": "1.42",
        "ReviewKD": "1.78",
        "CRD": "4.02",
    },
}
_RULES = {"PCGrad one by one": "2.83", "UPGrad one by one": "2.82", "UPGrad by vmap": "3.76"}
_BEHIND = {  # our default step over theirs: tuned, default
    "RepDistiller": ("0.82", "0.68"),
    "mdistiller": ("0.81", "0.70"),
    "torchdistill": ("0.79", "0.80"),
    "timm": ("0.81", "0.62"),
    "KD_Lib": ("0.41", "0.40"),
}

PEERS = (
    *(Peer(peer, STEP, TABLE, *both, "methods", "KD step / KD step by hand") for peer, both in _STEPS.items()),
    *(
        Peer(peer, f"{name} ÷ KD by hand (ours: ÷ our KD)", EACH, ratio, "", "methods", f"{name} / KD")
        for peer, ratios in _METHODS.items()
        for name, ratio in ratios.items()
    ),
    Peer("RepDistiller", "CRD ÷ KD", LATER, "3.20", "", "methods", "CRD / KD"),
    *(
        Peer(f"torchjd, {rule}", "four losses ÷ one backward", BACKWARD, ratio, "", "conflicts", EXACT)
        for rule, ratio in _RULES.items()
    ),
    *(Peer(peer, "our default step ÷ its", LATER, *both) for peer, both in _BEHIND.items()),
)

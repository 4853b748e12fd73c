"""CIFAR-100 accuracies (top-1, %) as published, by teacher and student: what recipes compare themselves with.

Rows up to ``crd`` are from the tables of github.com/HobbitLong/RepDistiller (Tian, Krishnan & Isola, 2020, arXiv:
1910.10699): last epoch, 240 epochs. The rest are from the papers that the methods are from, mostly the best epoch.
"""

COLUMNS = {
    ("wrn_40_2", "wrn_16_2"): {
        "teacher": 75.61, "baseline": 73.26, "kd": 74.92, "hint": 73.58, "at": 74.08, "sp": 73.83, "vid": 74.11,
        "rkd": 73.35, "pkt": 74.54, "crd": 75.48, "dkd": 76.24, "multi_level": 76.63, "standardized": 76.11,
    },
    ("wrn_40_2", "wrn_40_1"): {
        "teacher": 75.61, "baseline": 71.98, "kd": 73.54, "hint": 72.24, "at": 72.77, "sp": 72.43, "vid": 73.30,
        "rkd": 72.22, "pkt": 73.45, "crd": 74.14, "dkd": 74.81, "dist": 74.43, "review": 75.09, "ofd": 74.33,
        "multi_level": 75.35, "standardized": 74.37,
    },
    ("resnet56", "resnet20"): {
        "teacher": 72.34, "baseline": 69.06, "kd": 70.66, "hint": 69.21, "at": 70.55, "sp": 69.67, "vid": 70.38,
        "rkd": 69.61, "pkt": 70.34, "crd": 71.16, "dkd": 71.97, "dist": 71.75, "review": 71.89, "ofd": 70.98,
        "multi_level": 72.19, "standardized": 71.43,
    },
    ("resnet110", "resnet20"): {
        "teacher": 74.31, "baseline": 69.06, "kd": 70.67, "hint": 68.99, "at": 70.22, "sp": 70.04, "vid": 70.16,
        "rkd": 69.25, "pkt": 70.25, "crd": 71.46,
    },
    ("resnet110", "resnet32"): {
        "teacher": 74.31, "baseline": 71.14, "kd": 73.08, "hint": 71.06, "at": 72.31, "sp": 72.69, "vid": 72.61,
        "rkd": 71.82, "pkt": 72.61, "crd": 73.48, "dkd": 74.11, "multi_level": 74.11, "standardized": 74.17,
    },
    ("resnet32x4", "resnet8x4"): {
        "teacher": 79.42, "baseline": 72.50, "kd": 73.33, "hint": 73.50, "at": 73.44, "sp": 72.94, "vid": 73.09,
        "rkd": 71.90, "pkt": 73.64, "crd": 75.51, "dkd": 76.32, "dist": 76.31, "review": 75.63, "ofd": 74.95,
        "multi_level": 77.08, "standardized": 76.62,
    },
    ("vgg13", "vgg8"): {
        "teacher": 74.64, "baseline": 70.36, "kd": 72.98, "hint": 71.02, "at": 71.43, "sp": 72.68, "vid": 71.23,
        "rkd": 71.48, "pkt": 72.88, "crd": 73.94, "dkd": 74.68, "multi_level": 75.18, "standardized": 74.36,
    },
    ("vgg13", "mobilenet_v2"): {
        "baseline": 64.60, "kd": 67.37, "hint": 64.14, "at": 59.40, "sp": 66.30, "vid": 65.56, "rkd": 64.52,
        "crd": 69.73, "dkd": 69.71,
    },
    ("resnet50", "mobilenet_v2"): {
        "baseline": 64.60, "kd": 67.35, "hint": 63.16, "at": 58.58, "sp": 68.08, "vid": 67.57, "rkd": 64.43,
        "crd": 69.11, "dkd": 70.35, "review": 69.89,
    },
    ("resnet50", "vgg8"): {
        "baseline": 70.36, "kd": 73.81, "hint": 70.69, "at": 71.84, "sp": 73.34, "vid": 70.30, "rkd": 71.50,
        "crd": 74.30,
    },
    ("resnet32x4", "shufflenet_v1"): {
        "baseline": 70.50, "kd": 74.07, "hint": 73.59, "at": 71.73, "sp": 73.48, "vid": 73.38, "rkd": 72.28,
        "crd": 75.11, "dkd": 76.45, "review": 77.45,
    },
    ("resnet32x4", "shufflenet_v2"): {
        "baseline": 71.82, "kd": 74.45, "hint": 73.54, "at": 72.73, "sp": 74.56, "vid": 73.40, "rkd": 73.21,
        "crd": 75.65, "dkd": 77.07, "review": 77.78,
    },
    ("wrn_40_2", "shufflenet_v1"): {
        "baseline": 70.50, "kd": 74.83, "hint": 73.73, "at": 73.32, "sp": 74.52, "vid": 73.61, "rkd": 72.21,
        "crd": 76.05, "dkd": 76.70,
    },
}  # fmt: skip
NEAREST = ("resnet56", "resnet20")
"""Whose gains stand in for those of a pair that nobody published."""
BAND = 0.6
"""Percentage points: an accuracy repeats a published one if it is at most so much below it; they give no spread."""


def column(teacher: str, student: str) -> dict[str, float]:
    """The published column for the pair; empty if there is none."""
    return COLUMNS.get((teacher, student), {})


def gains(teacher: str, student: str) -> dict[str, float]:
    """What each method adds to the baseline, in percentage points, for the pair or else for the nearest one."""
    accuracies = column(teacher, student) or COLUMNS[NEAREST]
    return {
        name: round(accuracy - accuracies["baseline"], 2)
        for name, accuracy in accuracies.items()
        if name not in ("teacher", "baseline")
    }


def learning_rate(student: str) -> float:
    """The first learning rate that the student was published with."""
    return 0.01 if student.startswith(("mobilenet", "shufflenet")) else 0.05

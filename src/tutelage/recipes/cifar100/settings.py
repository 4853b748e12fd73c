"""What CIFAR's recipes start from: the paper's networks and their training, and those of the smaller presets."""

from dataclasses import replace
from typing import Any

from tutelage.study.settings import Images, NetworkSettings, TeacherSettings, TrainingSettings

PAPER = "Tian, Krishnan & Isola 2020, arXiv:1910.10699"
TEACHER, STUDENT, IMAGES = TeacherSettings(name="resnet56"), NetworkSettings(name="resnet20"), Images()

BRIEF = TrainingSettings(batch_size=32, schedule="one-cycle")
SMOKE: dict[str, Any] = {
    "teacher": TeacherSettings(name="resnet8", training=replace(BRIEF, epochs=2, lr=0.1)),
    "student": NetworkSettings(name="resnet8", views=2, training=replace(BRIEF, epochs=1, lr=0.05)),
    "images": Images(name="synthetic", validation=50),
}
SMALL = TrainingSettings(batch_size=128, schedule="one-cycle", optimizer="nesterov")
CPU: dict[str, Any] = {
    "teacher": TeacherSettings(name="resnet20", training=replace(SMALL, epochs=15, lr=0.1)),
    "student": NetworkSettings(name="resnet8", views=3, training=replace(SMALL, epochs=3, lr=0.3)),
}

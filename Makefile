# `make` prints this menu. Folders and options are variables: make train DATA_DIR=data-mine RECIPE=small
.DEFAULT_GOAL := help
SHELL := bash

CHALLENGE      ?= whale
OF             := $(if $(filter whale,$(CHALLENGE)),,-$(CHALLENGE))
DATA_DIR       ?= data$(OF)
SUBMISSION_DIR ?= submission$(OF)
ENGINE         ?= auto
LIMITS         ?=
RUNTIME        ?= current
SKIP_GPU       ?= false
OPEN_WALL      ?= false
CPU_OR_GPU     ?= $(if $(shell command -v nvidia-smi),gpu,cpu)
BASE_IMAGE     ?=
BUILD_OPTIONS  ?=
SUBMISSION_IMAGE ?=
SURVEY_DIR     ?=
VALID          ?= .25
RECIPE         ?= small
BACKBONE       ?=
PRETRAINED     ?=
CHANGE         ?=
TRACKER        ?=
EPOCHS         ?=
SEED           ?= 0
RECORD         ?=
PEERS          ?=
CATALOGUE      ?= catalogue.db
PHOTOS         ?=
MODEL          ?= submission_src
# the newest that runs; one that is only on the path, as a wrapper for another, does not
PYTHON         ?= $(shell for v in 3.13 3.12 3.11; do python$$v -c "" 2>/dev/null && command -v python$$v && break; done || command -v python3)

BIN     := .venv/bin
WHALEDO := $(BIN)/whaledo
RUN     := --submission-dir $(SUBMISSION_DIR) --challenge $(CHALLENGE)
SEALED  := --data-dir $(DATA_DIR) $(RUN) --engine $(ENGINE) --runtime $(RUNTIME) $(if $(filter true 1 yes,$(SKIP_GPU)),--no-gpu)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SUBMISSION_IMAGE

help: ## print this menu
	@echo "whaledo: recognise individual whales in survey photos"; echo
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'
	@echo; echo "  variables: CHALLENGE=$(CHALLENGE) DATA_DIR=$(DATA_DIR) SUBMISSION_DIR=$(SUBMISSION_DIR) ENGINE=$(ENGINE) RUNTIME=$(RUNTIME) LIMITS= SKIP_GPU=$(SKIP_GPU) OPEN_WALL=$(OPEN_WALL)"
	@echo "             SURVEY_DIR= VALID=$(VALID) RECIPE=$(RECIPE) BACKBONE= PRETRAINED= CHANGE= TRACKER= EPOCHS= SEED=$(SEED) RECORD= PEERS= PYTHON="
	@echo "             CATALOGUE=$(CATALOGUE) PHOTOS= MODEL=$(MODEL)"
	@echo "             CPU_OR_GPU=$(CPU_OR_GPU) SUBMISSION_IMAGE= BASE_IMAGE= BUILD_OPTIONS="

setup: in-place .venv/ready .venv-runtime/ready ## make both environments, install the sandbox and the notebook hooks
	@$(PYTHON) runtime/setup_sandbox.py

# programs of an environment name the place that it was made in; after a move they end with Error 127
in-place:
	@! test -s .venv/ready || test "$$(cat .venv/ready)" = "$$(cd .venv && pwd -P)" || { echo "whaledo: this folder was moved from \
	$$(dirname "$$(cat .venv/ready)"), and its environments name that place; make them again: rm -r .venv .venv-runtime && make setup" >&2; exit 2; }

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "whaledo needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is another: make setup PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q uv

.venv/ready: .venv/bin/uv requirements-dev.txt settings.ini setup.py
	.venv/bin/uv pip sync --python .venv/bin/python requirements-dev.txt
	.venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
	@# nbdev writes the hook that cleans notebooks on saving into a home folder; here it belongs to this environment alone
	mkdir -p .venv/etc/home .venv/etc/jupyter
	! git rev-parse --git-dir >/dev/null 2>&1 || { HOME="$(CURDIR)/.venv/etc/home" .venv/bin/nbdev_install_hooks >/dev/null && \
	    cp .venv/etc/home/.jupyter/*.py .venv/etc/jupyter/; }
	@(cd .venv && pwd -P) > $@

.venv-runtime/ready: .venv/bin/uv runtime/requirements.txt
	.venv/bin/uv venv -q --allow-existing --python $(PYTHON) .venv-runtime
	@# compiled at once: a submission finds this folder read-only, and would compile it again in every run
	.venv/bin/uv pip sync --compile-bytecode --python .venv-runtime/bin/python runtime/requirements.txt
	.venv-runtime/bin/python runtime/tests/test_imports.py
	@touch $@

.venv-docs/ready: .venv/bin/uv docs/requirements.txt
	.venv/bin/uv venv -q --allow-existing --python $(PYTHON) .venv-docs
	.venv/bin/uv pip sync --python .venv-docs/bin/python docs/requirements.txt
	@touch $@

demo: setup ## make data, train, pack, run sealed off, score, show: the whole way in about five minutes
	$(WHALEDO) demo --data-dir $(DATA_DIR) --challenge $(CHALLENGE) --seed $(SEED) --engine $(ENGINE)

test: setup ## export and clean change nothing, every notebook passes, so does the library
	bash tests/run

lab: setup ## open JupyterLab
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root)

docs: setup .venv-docs/ready ## build the site in _docs/site/ from notebooks, README and docstrings; it is read without a network
	$(BIN)/python docs/make_pages.py
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build -q --strict -f _docs/mkdocs.yml
	@echo "_docs/site/index.html"

# which module is which submission
COPIES := whaledo/whale/model/inference.py:submission_src/main.py \
          whaledo/whale/model/ranking.py:submission_src/ranking.py \
          whaledo/whale/model/matching.py:submission_src/matching.py \
          whaledo/whale/model/config.py:submission_src/config.py \
          whaledo/whale/model/engine.py:submission_src/engine.py \
          whaledo/challenges/pose_bowl_inference.py:submissions/pose-bowl/submission/main.py \
          whaledo/challenges/cloud_cover_inference.py:submissions/cloud-cover/submission/main.py \
          whaledo/challenges/mouse_behavior_inference.py:submissions/mouse-behavior/submission/main.py

export: setup ## write the library and the submissions from the notebooks
	$(BIN)/nbdev_clean
	$(BIN)/nbdev_export
	@$(foreach pair,$(COPIES),cp $(subst :, ,$(pair));)

copies: # are the submissions the exported modules?
	@$(foreach pair,$(COPIES),cmp -s $(subst :, ,$(pair)) || { echo "$(lastword $(subst :, ,$(pair))) is not the exported module: run make export" >&2; exit 1; };)

data: setup ## download Beluga ID 2022 (700 MB) and lay it out
	$(WHALEDO) data --data-dir $(DATA_DIR)

scenarios: setup ## split your own photos: make scenarios SURVEY_DIR=my-photos DATA_DIR=data-mine
	@test -n "$(SURVEY_DIR)" || { echo "whaledo: name the folder of your photos: make scenarios SURVEY_DIR=my-photos DATA_DIR=data-mine" >&2; exit 2; }
	$(WHALEDO) scenarios "$(SURVEY_DIR)" --data-dir $(DATA_DIR) --valid $(VALID) --seed $(SEED)

train: setup ## train on DATA_DIR/train, or on the original layout of CHALLENGE=pose-bowl|cloud-cover|mouse-behavior; RECIPE=demo|thorough|small|long|full|frozen, BACKBONE=, PRETRAINED=hub, a file, a run or a name of `whaledo weights list`, TRACKER=tensorboard, wandb ...
	$(WHALEDO) train --data-dir $(DATA_DIR) --challenge $(CHALLENGE) --recipe $(RECIPE) --seed $(SEED) $(if $(BACKBONE),--backbone "$(BACKBONE)") $(if $(PRETRAINED),--pretrained "$(PRETRAINED)") $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(CHANGE),--change "$(CHANGE)") $(if $(TRACKER),--tracker $(TRACKER))

pack-quickstart pack-benchmark pack-submission: pack-%: setup
	$(WHALEDO) pack --source $* $(RUN)
pack-quickstart:    ## pack the smallest submission that works
pack-benchmark:     ## pack the HOG benchmark, which needs no weights
pack-submission:    ## pack the trained one, with the weights in it
pack-example: pack-quickstart ## the same as pack-quickstart
repack-example: clean pack-example ## clean, then pack-example
repack-submission: clean pack-submission ## clean, then pack-submission

test-submission: setup ## run submission.zip on DATA_DIR, sealed off and within the limits, and check its output
	$(WHALEDO) test-submission $(SEALED) --limits "$(LIMITS)" $(if $(filter true 1 yes,$(OPEN_WALL)),--open-wall)

audit-submission: setup ## run it again with other co-queries: does a ranking change, does it reach out, is it fast enough?
	$(WHALEDO) audit $(SEALED) --limits "$(LIMITS)" --seed $(SEED)

score: setup ## score the last output; RECORD=results/mine.csv keeps a row of it
	$(WHALEDO) score --data-dir $(DATA_DIR) $(RUN) $(if $(RECORD),--record "$(RECORD)")

report: setup ## draw what the last output found and missed
	$(WHALEDO) report --data-dir $(DATA_DIR) $(RUN)

start: setup ## the first hour: photos that nobody has named, in groups, and the review: make start PHOTOS=my-photos
	@test -n "$(PHOTOS)" || { echo "whaledo: name the folder of your photos: make start PHOTOS=my-photos" >&2; exit 2; }
	$(WHALEDO) start "$(PHOTOS)" --catalogue "$(CATALOGUE)"

match: setup ## find out who new photos show: make match PHOTOS=new-photos CATALOGUE=belugas.db
	@test -n "$(PHOTOS)" || { echo "whaledo: name the new photos: make match PHOTOS=new-photos CATALOGUE=belugas.db" >&2; exit 2; }
	$(WHALEDO) match "$(PHOTOS)" --catalogue "$(CATALOGUE)" --model "$(MODEL)"

review: setup ## look at the matches and decide, on a page in the browser: make review CATALOGUE=belugas.db [WHO=bob SECOND=1]
	$(WHALEDO) review --catalogue "$(CATALOGUE)" --model "$(MODEL)" $(if $(WHO),--who "$(WHO)") $(if $(SECOND),--second)

build: setup ## build the image for Docker or Podman; not needed with bubblewrap
	$(WHALEDO) build --engine $(ENGINE) --cpu-or-gpu $(CPU_OR_GPU) --base-image "$(BASE_IMAGE)" --options "$(BUILD_OPTIONS)"

pull: setup ## pull SUBMISSION_IMAGE instead
	$(WHALEDO) pull --engine $(ENGINE) --image "$(SUBMISSION_IMAGE)"

test-container: setup ## run the tests of the runtime inside it
	$(WHALEDO) test-container --engine $(ENGINE)

interact-container: setup ## open a shell where submissions run, with a network
	$(WHALEDO) interact $(SEALED)

verify-podman: setup ## on a Debian machine without a registry: install Podman, build the image, run tests and the demo in it
	bash runtime/verify_podman.sh
	$(WHALEDO) test-container --engine podman
	$(MAKE) demo ENGINE=podman

bench: setup ## time ranking, scoring, embedding, searching and rendering against the plain way, as ratios; PEERS=1: wildlife-tools, too
	$(WHALEDO) bench $(if $(filter 1 true yes,$(PEERS)),--peers)

bench-gpu: setup ## photos a second of a training step on a graphics card, switch by switch, added to results/training_speed.csv
	$(WHALEDO) bench-gpu

clean: setup ## remove the zip and the outputs of runs, never data or weights
	$(WHALEDO) clean $(RUN)

lock: .venv/bin/uv ## resolve runtime/requirements.in and settings.ini anew, as one, and docs/requirements.in
	.venv/bin/uv pip compile -q --universal --python-version 3.11 --no-header setup.py --extra dev runtime/requirements.in -o requirements-dev.txt
	.venv/bin/uv pip compile -q --universal --python-version 3.11 --no-header --generate-hashes runtime/requirements.in -c requirements-dev.txt -o runtime/requirements.txt
	.venv/bin/uv pip compile -q --universal --python-version 3.11 --no-header docs/requirements.in -o docs/requirements.txt

.PHONY: help setup in-place demo test lab docs export copies data scenarios train pack-quickstart pack-benchmark pack-submission pack-example \
        repack-example repack-submission test-submission audit-submission score report build pull test-container interact-container \
        verify-podman start match review bench bench-gpu clean lock

# make demo: the main job on a real model, ending in the emulator.   make test: the whole suite.
# Both install what is missing: Debian packages through apt-get (as root or with sudo), Python packages into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= $(shell nproc)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT_TOOLS := arm-none-eabi-gcc qemu-system-arm gcc clang cmake
APT_PACKAGES := gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm gcc libc6-dev clang cmake
SOAK_SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help setup tools demo test lint format bench results costs soak clean

help:
	@echo "make demo    quantize, build and run the digits example in the emulator"
	@echo "make test    run the whole suite"
	@echo "make lint    ruff, mypy, clang-format"
	@echo "make results measure everything that docs/RESULTS.md shows"
	@echo "make costs   measure the kernels that --kernels auto chooses among"
	@echo "make soak    long randomized checks (SOAK_SECONDS=$(SOAK_SECONDS))"

setup: tools $(VENV)/.installed

tools:
	@missing=""; for tool in $(APT_TOOLS); do command -v $$tool >/dev/null 2>&1 || missing="$$missing $$tool"; done; \
	$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	echo '#include <string.h>' | arm-none-eabi-gcc -E - >/dev/null 2>&1 || missing="$$missing newlib"; \
	if [ -n "$$missing" ]; then \
	    echo "installing what is missing:$$missing"; \
	    $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	        apt-get install -y -qq --no-install-recommends $(APT_PACKAGES) python3-venv python3-dev; \
	fi

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint]'
	@touch $@

demo: setup
	@$(BIN)/python examples/digits/demo.py

test: setup
	$(BIN)/python -m pytest -q -n $(JOBS) -m "not soak"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	git ls-files 'firmware/*.c' 'firmware/*.h' | xargs $(BIN)/clang-format --dry-run --Werror

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files 'firmware/*.c' 'firmware/*.h' | xargs $(BIN)/clang-format -i

bench: setup
	$(BIN)/mcugen bench $${MCUGEN_ZOO:-../shared/models}/mlperf_tiny/{vww_96,kws_ref,ic_resnet8,ad01}_int8.tflite -b mps2-an386 -b mps3-an547

results: setup
	$(BIN)/python tools/results.py
	$(BIN)/python tools/plot_layers.py

# The tables that --kernels auto chooses by; with CMSIS_NN_ROOT they cover CMSIS-NN.
costs: setup
	$(BIN)/python -m mcugen.lowering.costs

soak: setup
	MCUGEN_SOAK_SECONDS=$(SOAK_SECONDS) $(BIN)/python -m pytest -q -n $(JOBS) -m soak

clean:
	rm -rf $(VENV) build dist

# Two commands for a fresh machine with Python 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
WHEEL := build/wheel
LOWEST := build/lowest
INTEROP := build/interop
# Of test-lowest: where the oldest torch is to be had as a CUDA build alone, TORCH=torch=2.13.0.
TORCH ?=
# Of fuzz: for how long, and where to begin.
SECONDS ?= 3600
SEED ?= 1

.PHONY: demo test lint fuzz test-browser test-wheel test-lowest test-interop clean

# The stamp is younger than what it was installed from, so that nothing is installed twice.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
# torch first and by its exact version: with it in place no CUDA build is pulled in.
	$(INSTALL) "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(INSTALL) --editable ".[draw,test]"
	touch $@

demo: $(VENV)/.installed
	$(BIN)/refine demo

test: $(VENV)/.installed lint
	$(BIN)/python -m pytest

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Long: make fuzz SECONDS=3600 SEED=1. Rounds of the property tests, with more examples each.
fuzz: $(VENV)/.installed
	$(BIN)/python tests/fuzz.py $(SECONDS) $(SEED)

# The report in Chromium, where the system has it with its driver (Debian: apt-get install chromium
# chromium-driver); SCREENSHOTS=FOLDER make test-browser keeps pictures.
test-browser: $(VENV)/.installed
	$(INSTALL) selenium
	$(BIN)/python -m pytest -rs tests/report/test_browser.py

# The wheel is made from the sdist and runs where the checkout is out of sight. Its environment is
# fresh but for the dependencies, which are those of $(VENV); pip checks that none is missing.
test-wheel: $(VENV)/.installed
	$(INSTALL) hatchling
	rm -rf $(WHEEL) && mkdir -p $(WHEEL)
	$(BIN)/hatchling build --directory $(WHEEL) --target sdist
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(WHEEL) $(WHEEL)/*.tar.gz
	$(PYTHON) -m venv --without-pip $(WHEEL)/venv
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
		> $(WHEEL)/venv/$$(cd $(WHEEL)/venv && echo lib/python*/site-packages)/dependencies.pth
	$(WHEEL)/venv/bin/python -m pip install --quiet --no-index --ignore-installed --no-deps $(WHEEL)/*.whl
	$(WHEEL)/venv/bin/python -m pip check
	cp tests/wheel.py $(WHEEL) && cd $(WHEEL) && venv/bin/python -P wheel.py && venv/bin/refine demo

# Before a release: the oldest releases that pyproject.toml allows, with the oldest Python.
test-lowest:
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) tests/lowest.py draw export test $(TORCH) > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/pip install --quiet --constraint $(LOWEST)/constraints.txt --editable ".[draw,test]"
	$(LOWEST)/bin/python -m pytest --ignore tests/test_typing.py

# The tools of others, which read what we write and write what we read, in an environment of their
# own: they bring what they want.
test-interop:
	$(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/pip install --quiet --constraint constraints.txt "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(INTEROP)/bin/pip install --quiet --constraint constraints.txt --editable ".[interop,test]"
	$(INTEROP)/bin/python -m pytest tests/formats tests/tables tests/adapters

clean:
	rm -rf $(VENV) build refine-demo

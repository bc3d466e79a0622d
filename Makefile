# Two commands do everything on a fresh machine: `make table2` and `make test`.

PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
IMPORTED := matplotlib.backends.backend_agg, matplotlib.backends.backend_svg, pandas, safetensors.torch, scipy.ndimage, \
	scipy.stats, snakemake.cli, torch, dvc.repo, dvc.cli.parser
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-compile

.PHONY: table1 table2 table2-more tables initial-weights test bench faults cluster cluster-test setup lint clean-results

table2: setup ## Table 2 on the data of the active preset (built-in by default)
	$(BIN)/snakemake --quiet rules --cores $(CORES) table2 $(MORE)
	@$(BIN)/segadapt show results/table2.csv
	@test ! -e results/report/index.html || echo 'All of it on one page, to open in a browser: results/report/index.html'

table2-more: ## the same with eight seeds, of which three are those of table2; results/ shows them until table2 is made
	@$(MAKE) table2 MORE="--config 'seeds=[1,2,3,4,5,6,7,8]'"

table1: setup ## Table 1 and Figure 5, image classification, on the data of the active preset
	$(BIN)/snakemake --quiet rules --cores $(CORES) results/table1.csv results/table1_protocols.csv \
		results/table1_statistics.csv results/figures/figure5.png
	@$(BIN)/segadapt show results/table1.csv
	@echo 'Picture: results/figures/figure5.png; each row against the control: results/table1_statistics.md'

tables: setup ## Tables 1 to 6, what goes with them, and the figures; a second call does nothing
	$(BIN)/snakemake --quiet rules --cores $(CORES) paper
	@for table in table1 table2 table2_compared table3 table4 table5 table5_lambda table6; do test ! -e results/$$table.csv || $(BIN)/segadapt show results/$$table.csv; done

initial-weights: setup ## what the built-in streets start from, made again: weights/streets*.safetensors
	$(BIN)/snakemake --quiet rules --cores $(CORES) results/initial_weights.csv --config preset=elsewhere 'seeds=[1]'
	$(BIN)/segadapt export-backbone work/elsewhere/sources/source/seed1/model.safetensors weights/streets.safetensors
	$(BIN)/segadapt export-backbone work/elsewhere/sources/vit/source/seed1/model.safetensors weights/streets_vit.safetensors
	$(BIN)/segadapt export-backbone work/elsewhere/sources/mit/source/seed1/model.safetensors weights/streets_mit.safetensors
	$(BIN)/segadapt export-backbone work/elsewhere/sources/vgg/source/seed1/model.safetensors weights/streets_vgg.safetensors

test: .venv/.ready-dev ## all tests
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: setup ## every benchmark that needs no GPU, one after the other; figures in results/bench
	@for name in losses evaluation data step teacher startup sgd plan summary; do $(BIN)/python benchmarks/$$name.py || exit 1; done

faults: .venv/.ready-dev ## kills, lying disks, damage, scarcity and hostile input; figures in results/faults
	$(BIN)/python -m tests.faults

cluster: .venv/.ready-cluster ## what sends jobs to Slurm (docs/cluster.md)

cluster-test: .venv/.ready-cluster ## a toy table on a Slurm of this machine's own, with kills; needs root; results/cluster
	@command -v slurmctld > /dev/null && command -v munged > /dev/null || \
		{ apt-get update && apt-get install --yes --no-install-recommends slurm-wlm munge; }
	$(BIN)/python tests/cluster.py

lint: .venv/.ready-dev ## style of Python and of the workflow
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

setup: .venv/.ready ## the environment, from pinned requirements

.venv/.ready: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "segadapt needs Python 3.11 or newer; run make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(PIP) --requirement requirements.txt --constraint constraints.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@# Compiled once here: where the environment forbids bytecode, every job would parse all of torch anew.
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c 'import $(IMPORTED)'
	@touch $@

.venv/.ready-dev: requirements-dev.txt .venv/.ready
	$(PIP) --requirement requirements-dev.txt --constraint constraints.txt
	$(PIP) --no-deps --constraint constraints.txt cityscapesscripts
	@touch $@

.venv/.ready-cluster: requirements-cluster.txt .venv/.ready
	$(PIP) --requirement requirements-cluster.txt --constraint constraints.txt
	@touch $@

clean-results: ## forget all results of all presets; the environment stays
	rm -rf work results/*.csv results/*.json results/*.md results/*.tex results/*.html results/figures results/report

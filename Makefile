# Every target sets itself up; `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RESULTS ?= results
OPTIMUM_VENV ?= .venv-optimum
VMC_PEERS_VENV ?= .venv-vmc-peers
NETKET_VENV ?= .venv-netket
ORT_VENV ?= .venv-ort
SPARSE_PEERS_VENV ?= .venv-sparse-peers
TRITON_VENV ?= .venv-triton
PEERS_VENV ?= .venv-peers
PRUNA_VENV ?= .venv-pruna
MLFLOW_VENV ?= .venv-mlflow

.DEFAULT_GOAL := help
.PHONY: bench-board help setup quickstart test test-proofs test-slow test-install test-gpu-kernels lint fmt types docs readme self coverage bench-overhead bench-timing bench-int8 bench-attention zoo-digits-pixart zoo-digits-dit zoo-lidar-detectors zoo-emoji-pixart zoo-emoji-judge zoo-emoji-turbo zoo-moving-emoji-latte flasheval subsets vmc vmc-curves vmc-kernels vmc-large vmc-netket bench-vmc board clean zoo-planted test-peers test-pruna test-mlflow nas nas-201 nas-micro nas-planted nas-search lidar lidar-data lidar-drops lidar-iou lidar-ada3d lidar-peers lidar-transfer lidar-speed lidar-time lidar-picture bench-sparse

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

setup: $(VENV)/.installed  ## make .venv with effbench from the tested constraints

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@

quickstart: setup  ## run suites/quickstart.yaml on the embedded model and print the table
	$(BIN)/effbench run suites/quickstart.yaml --store $(RESULTS)/quickstart
	$(BIN)/effbench report $(RESULTS)/quickstart --pareto latency,quality >/dev/null
	@echo "Picture:  $(RESULTS)/quickstart/pareto-latency-quality.png"
	@echo "Board:    $(BIN)/effbench board $(RESULTS)/quickstart"

test: setup  ## the test suite
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest -m timing -n 0

test-proofs: setup  ## wider forms of what make test shows (more sizes, models and seeds), before a merge
	$(BIN)/python -m pytest -m proof

test-whole: setup  ## whole runs and contracts, five seconds or more each, which make test leaves out and CI runs too
	$(BIN)/python -m pytest -m "whole and not slow and not proof and not timing"

test-slow: setup  ## what takes minutes: 50 kills and resumes, fork against spawn, the overhead benchmark
	$(BIN)/python -m pytest -m slow -n 0

test-peers:  ## torchao, quanto, ONNX Runtime and others in a venv of their own: their tests, then suites/quantization-peers.yaml
	$(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip install --disable-pip-version-check -c constraints.txt -c constraints-quantization-peers.txt \
	  -e ".[bitsandbytes,cache-dit,modelopt,onnxruntime,quanto,torchao,test]"
	$(PEERS_VENV)/bin/python -m pytest -n 0 tests/baselines/test_peers.py tests/baselines/test_cache_dit.py
	$(PEERS_VENV)/bin/effbench run suites/quantization-peers.yaml --store $(RESULTS)/quantization-peers

test-pruna:  ## pruna in a venv of its own: its tests, then its row of suites/quantization-peers.yaml
	$(PYTHON) -m venv $(PRUNA_VENV)
	$(PRUNA_VENV)/bin/python -m pip install --disable-pip-version-check -c constraints-pruna.txt -e ".[pruna,test]"
	$(PRUNA_VENV)/bin/python -m pytest -n 0 tests/baselines/test_peers.py -k pruna
	$(PRUNA_VENV)/bin/effbench run suites/quantization-peers.yaml --store $(RESULTS)/quantization-pruna --only '*/reference' --only '*/pruna*'

test-browser: setup  ## the leaderboard in a real Chromium (Debian's package chromium), page by page
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[browser]"
	$(BIN)/python -m pytest -m browser -n 0

demo-store: setup  ## run the demo's suites and put what a board needs of their stores into leaderboard/demo (twenty minutes)
	$(BIN)/effbench run suites/demo.yaml --store $(RESULTS)/demo
	$(BIN)/effbench run suites/demo-molecules.yaml --store $(RESULTS)/demo-molecules
	$(BIN)/effbench run suites/demo-architectures.yaml --store $(RESULTS)/demo-architectures
	$(BIN)/effbench run suites/demo-lidar.yaml --store $(RESULTS)/demo-lidar
	$(BIN)/python docs/demo_store.py $(RESULTS)/demo $(RESULTS)/demo-molecules $(RESULTS)/demo-architectures $(RESULTS)/demo-lidar --into leaderboard/demo

board-pictures: setup  ## take the pictures of docs/leaderboard.md of the demo store, in Debian's Chromium
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[browser]"
	$(BIN)/effbench board --headless --port 8765 & server=$$!; sleep 10; \
	  $(BIN)/python docs/board_pictures.py http://127.0.0.1:8765/ --into docs/img; status=$$?; kill $$server; exit $$status

test-mlflow:  ## MLflow in a venv of its own: what is exported to it, read back with its own client
	$(PYTHON) -m venv $(MLFLOW_VENV)
	grep -v '^importlib_metadata==' constraints.txt > $(MLFLOW_VENV)/constraints.txt
	$(MLFLOW_VENV)/bin/python -m pip install --disable-pip-version-check -c $(MLFLOW_VENV)/constraints.txt -c constraints-mlflow.txt \
	  -e ".[mlflow,test]"
	$(MLFLOW_VENV)/bin/python -m pytest -n 0 tests/export

test-install: setup  ## build the wheel and install it with all dependencies in a fresh environment
	$(BIN)/python tests/full_install.py

test-gpu-kernels: $(TRITON_VENV)/.installed  ## the Triton kernels in the interpreter, and compiled for cards that are not there
	TRITON_INTERPRET=1 $(TRITON_VENV)/bin/python -m pytest tests/gpu_kernels

$(TRITON_VENV)/.installed: pyproject.toml constraints-triton.txt
	$(PYTHON) -m venv $(TRITON_VENV)
	$(TRITON_VENV)/bin/python -m pip install --disable-pip-version-check -c constraints-triton.txt torch triton numba filelock pytest pytest-timeout pytest-xdist
	$(TRITON_VENV)/bin/python -m pip install --disable-pip-version-check --no-deps -e .
	@touch $@

lint: setup  ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

fmt: setup  ## format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup  ## mypy, strict on effbench, baselines and leaderboard
	$(BIN)/mypy

docs: setup  ## regenerate docs/suite.md from the schema
	$(BIN)/effbench schema --markdown > docs/suite.md

readme: setup  ## put the table and the picture of results/quickstart into README.md
	$(BIN)/python docs/readme_table.py $(RESULTS)/quickstart
	mkdir -p docs/img
	$(BIN)/effbench report $(RESULTS)/quickstart --pareto latency,quality --out docs/img/quickstart-pareto.png >/dev/null

self: setup  ## EffBench measures itself 20 times (a quarter of an hour) and writes docs/methodology.md
	$(BIN)/python -m effbench.selfcheck --results $(RESULTS)/self --page docs/methodology.md

coverage: setup  ## what the intervals cover on simulated data (two minutes), into docs/methodology.md
	$(BIN)/python -m effbench.selfcheck --coverage --page docs/methodology.md

bench-overhead: setup  ## the runner's overhead per sample against a bare loop
	$(BIN)/python -m pytest -m slow -n 0 -s tests/bench_overhead.py

bench-timing: setup $(OPTIMUM_VENV)/.installed  ## compare our timing with torch's and optimum-benchmark's; writes docs/methodology.md
	PYTHONPATH=tests $(BIN)/python -m bench_timing --optimum-python $(OPTIMUM_VENV)/bin/python --page docs/methodology.md

$(OPTIMUM_VENV)/.installed: constraints-optimum.txt
	$(PYTHON) -m venv $(OPTIMUM_VENV)
	$(OPTIMUM_VENV)/bin/python -m pip install --disable-pip-version-check -c constraints-optimum.txt optimum-benchmark
	@touch $@

bench-board: setup  ## generate two stores of 2 million sample rows (a GB and two minutes each) and time the board over them; writes docs/board-speed.md
	PYTHONPATH=tests $(BIN)/python -m bench_board --results $(RESULTS)/board --page docs/board-speed.md

bench-int8: setup $(ORT_VENV)/.installed  ## time our integer layers beside torch's and ONNX Runtime's; writes docs/quantization-kernels.md
	PYTHONPATH=tests $(BIN)/python -m bench_int8 --ort-python $(ORT_VENV)/bin/python --page docs/quantization-kernels.md

bench-sparse: setup $(SPARSE_PEERS_VENV)/.installed  ## time sparse convolutions beside spconv's CPU wheel and dense ones; writes docs/sparse-kernels.md
	PYTHONPATH=tests $(BIN)/python -m bench_sparse --peer-python $(SPARSE_PEERS_VENV)/bin/python --page docs/sparse-kernels.md

$(SPARSE_PEERS_VENV)/.installed: constraints-sparse-peers.txt
	$(PYTHON) -m venv $(SPARSE_PEERS_VENV)
	$(SPARSE_PEERS_VENV)/bin/python -m pip install --disable-pip-version-check -c constraints-sparse-peers.txt spconv torch numpy
	@touch $@

bench-attention: setup  ## time banded attention beside torch's own; writes docs/attention-kernels.md
	PYTHONPATH=tests $(BIN)/python -m bench_window_attention --page docs/attention-kernels.md

$(ORT_VENV)/.installed: constraints-ort.txt
	$(PYTHON) -m venv $(ORT_VENV)
	$(ORT_VENV)/bin/python -m pip install --disable-pip-version-check -c constraints-ort.txt onnx onnxruntime
	@touch $@

zoo-digits-pixart: setup  ## retrain zoo:digits-pixart (1-2 hours; resumes where it stopped)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[zoo]"
	$(BIN)/python -m effbench.zoo.digits_pixart.train --work zoo-work/digits-pixart
	$(BIN)/python -m effbench.zoo.digits_pixart.export --work zoo-work/digits-pixart

zoo-digits-dit: setup  ## retrain zoo:digits-dit (half an hour; resumes where it stopped)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[zoo]"
	$(BIN)/python -m effbench.zoo.digits_dit.train --work zoo-work/digits-dit
	$(BIN)/python -m effbench.zoo.digits_dit.export --work zoo-work/digits-dit

zoo-emoji-pixart zoo-emoji-judge: setup  ## train zoo:emoji-pixart and its judge (hours; resumes where it stopped; needs npm)
	mkdir -p zoo-work/emoji
	test -f zoo-work/emoji/emoji-datasource-google-16.0.0.tgz || (cd zoo-work/emoji && npm pack emoji-datasource-google@16.0.0)
	$(BIN)/python -m effbench.zoo.emoji_pixart.train --work zoo-work/emoji
	$(BIN)/python -m effbench.zoo.emoji_judge.export --work zoo-work/emoji
	$(BIN)/python -m effbench.zoo.emoji_pixart.export --work zoo-work/emoji --judged

zoo-lidar-detectors: setup  ## train zoo:lidar-detectors and the weights of ada3d (three to four hours on one core; resumes)
	$(BIN)/python -m effbench.zoo.lidar_detectors.train dense --epochs 3 --work zoo-work/lidar
	$(BIN)/python -m effbench.zoo.lidar_detectors.train sparse --epochs 5 --work zoo-work/lidar
	for control in half-width large-voxels dense-bn pillar; do $(BIN)/python -m effbench.zoo.lidar_detectors.train $$control --epochs 3 --work zoo-work/lidar || exit 1; done
	$(BIN)/python -m effbench.zoo.lidar_detectors.export dense-0 sparse-0 half-width-0 large-voxels-0 dense-bn-0 pillar-0 --work zoo-work/lidar
	for seed in 0 1 2 3 4; do for variant in none B; do $(BIN)/python -m effbench_baselines.ada3d.tuned $$variant --seed $$seed --detector zoo-work/lidar/dense-0.safetensors --work zoo-work/lidar || exit 1; done; done
	for variant in A C "B --how plain" "B --how squared" "B --how squared --seed 1" "B --how squared --seed 2" released "released --how plain"; do $(BIN)/python -m effbench_baselines.ada3d.tuned $$variant --detector zoo-work/lidar/dense-0.safetensors --work zoo-work/lidar || exit 1; done
	$(BIN)/python -m effbench_baselines.ada3d.tuned voxels --detector zoo-work/lidar/sparse-0.safetensors --work zoo-work/lidar --tuning-steps 0
	$(BIN)/python -m effbench_baselines.ada3d.tuned ship --work zoo-work/lidar

zoo-moving-emoji-latte: zoo-emoji-pixart  ## train zoo:moving-emoji-latte and its judge (an hour more; resumes where it stopped)
	$(BIN)/python -m effbench.zoo.moving_emoji_latte.train --work zoo-work/emoji
	$(BIN)/python -m effbench.zoo.moving_emoji_judge.export --work zoo-work/emoji
	$(BIN)/python -m effbench.zoo.moving_emoji_latte.export --work zoo-work/emoji

zoo-emoji-turbo: zoo-emoji-pixart  ## train zoo:emoji-turbo, teacher and student (hours; resumes where it stopped)
	$(BIN)/python -m effbench.zoo.emoji_turbo.train --work zoo-work/emoji
	$(BIN)/python -m effbench.zoo.emoji_turbo.export --work zoo-work/emoji

zoo-planted: setup  ## make zoo:emoji-pixart-outliers and zoo:emoji-turbo-bos of the models that ship (seconds)
	$(BIN)/python -m effbench.zoo.emoji_pixart_outliers.export
	$(BIN)/python -m effbench.zoo.emoji_turbo_bos.export

flasheval: setup  ## the study of condensed subsets, into docs/flasheval.md (DATA=<folder with FlashEval's scores>, ONLY="embedded certificates selectors")
	PYTHONPATH=tests $(BIN)/python -m bench_flasheval $(if $(DATA),--data $(DATA)) $(if $(ONLY),--only $(ONLY))

nas-planted: setup  ## run suites/nas-planted.yaml, put its table into docs/nas.md and draw tau over the number of labels
	$(BIN)/effbench run suites/nas-planted.yaml --store $(RESULTS)/nas-planted
	$(BIN)/python docs/readme_table.py $(RESULTS)/nas-planted --page docs/nas.md --section nas-planted --columns kendall_tau
	$(BIN)/python docs/nas_pairs.py $(RESULTS)/nas-planted dele first-expert second-expert dele-static dele-uniform labels-alone --section nas-planted-pairs
	$(BIN)/python docs/nas_pairs.py $(RESULTS)/nas-planted dele-noise labels-alone --section nas-planted-noise-pairs
	$(BIN)/python docs/expectations.py $(RESULTS)/nas-planted --checks docs/nas_planted_expected.yaml --page docs/nas.md --section planted-expectations
	$(BIN)/python docs/nas_curves.py $(RESULTS)/nas-planted --out $(RESULTS)/nas-planted/curves.png

nas: setup  ## run suites/nas.yaml (EffBench-Micro) and put its tables and picture into docs/nas.md (under three minutes on two idle cores)
	$(BIN)/effbench run suites/nas.yaml --store $(RESULTS)/nas
	$(BIN)/python docs/readme_table.py $(RESULTS)/nas --page docs/nas.md --section nas-micro --columns kendall_tau,regret_points,low_fidelity_cost,column_cost,preparation_whole_s
	$(BIN)/python docs/nas_pairs.py $(RESULTS)/nas dele gates best-expert ridge best-column --section nas-micro-pairs
	$(BIN)/python docs/nas_curves.py $(RESULTS)/nas --out docs/img/nas-micro.png

nas-201: setup  ## proxies of 2,400 cells of NAS-Bench-201, then suites/nas-201*.yaml into docs/nas.md (an hour or two; it goes on where it stopped)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[nas,nas-bench-201,xgboost,zoo]"
	OMP_NUM_THREADS=1 $(BIN)/python -m effbench.zoo.nas_201.columns --cells 2400
	$(BIN)/python -m effbench.zoo.nas_201.table
	$(BIN)/python -m effbench.zoo.nas_201.table --cells 2400 --out results/nas-201-draws
	$(BIN)/effbench run suites/nas-201.yaml --store $(RESULTS)/nas-201-runs
	$(BIN)/effbench run suites/nas-201-draws.yaml --store $(RESULTS)/nas-201-draws-runs
	$(BIN)/effbench run suites/nas-201-noise.yaml --store $(RESULTS)/nas-201-noise-runs
	$(BIN)/python docs/nas_proxies.py results/nas-201/nas-201.yaml
	$(BIN)/python docs/readme_table.py $(RESULTS)/nas-201-runs --page docs/nas.md --section nas-201 --columns kendall_tau,low_fidelity_cost,column_cost,preparation_whole_s
	$(BIN)/python docs/readme_table.py $(RESULTS)/nas-201-draws-runs --page docs/nas.md --section nas-201-draws --columns kendall_tau,low_fidelity_cost,column_cost,preparation_whole_s
	$(BIN)/python docs/nas_pairs.py $(RESULTS)/nas-201-draws-runs dele gates best-expert dele-static forest mean-rank --section nas-201-draws-pairs
	$(BIN)/python docs/readme_table.py $(RESULTS)/nas-201-noise-runs --page docs/nas.md --section nas-201-noise --columns kendall_tau
	$(BIN)/python docs/readme_table.py $(RESULTS)/nas-201-draws-runs --page baselines/dele/README.md --section claims --claims dele
	$(BIN)/python docs/nas_pairs.py $(RESULTS)/nas-201-runs dele gates best-expert worst-expert dele-static dele-uniform forest --section nas-201-pairs
	$(BIN)/python docs/nas_pairs.py $(RESULTS)/nas-201-noise-runs dele gates dele-without-step-1 --section nas-201-noise-pairs
	$(BIN)/python docs/nas_curves.py $(RESULTS)/nas-201-runs
	$(BIN)/python docs/expectations.py $(RESULTS)/nas-201-draws-runs --checks docs/nas_201_expected.yaml --page docs/nas.md --section nas-201-expectations

lidar: setup  ## run suites/lidar.yaml (detectors, Ada3D and other rules) and put its table and the claims into docs and README (four minutes)
	$(BIN)/effbench run suites/lidar.yaml --store $(RESULTS)/lidar
	$(BIN)/python docs/readme_table.py $(RESULTS)/lidar --page docs/lidar.md --section suite --columns map_3d,car_ap,pedestrian_ap,cyclist_ap,speedup,latency_p50_ms,peak_rss_growth_mb,gflop_per_sample,r_inbox_cells
	$(BIN)/python docs/store_time.py $(RESULTS)/lidar --page docs/lidar.md --section suite-time
	$(BIN)/python docs/lidar_trainings.py --page docs/lidar.md
	$(BIN)/python docs/readme_table.py $(RESULTS)/lidar --claims ada3d --page baselines/ada3d/README.md --section claims

lidar-speed: setup  ## run suites/lidar-peers.yaml on an idle machine: how long every LiDAR method takes, into docs/lidar.md (five minutes)
	$(BIN)/effbench run suites/lidar-peers.yaml --store $(RESULTS)/lidar-peers
	$(BIN)/python docs/readme_table.py $(RESULTS)/lidar-peers --page docs/lidar.md --section speed --columns speedup,latency_p50_ms,peak_rss_growth_mb

lidar-time: setup  ## on an idle machine: LiDAR detectors in turns on two threads, where Ada3D-B's milliseconds go, and peak memory in turns of processes, into docs/lidar.md
	$(BIN)/python docs/lidar_time.py --page docs/lidar.md
	$(BIN)/python docs/lidar_memory.py --page docs/lidar.md

lidar-picture: setup  ## draw docs/img/lidar-ada3d.png: one frame from above, what the dense detector and Ada3D-B find, keep and drop
	OMP_NUM_THREADS=1 $(BIN)/python docs/lidar_picture.py

lidar-iou: setup  ## average precision of the LiDAR detectors that ship over the overlap asked for, into docs/lidar.md (two minutes)
	OMP_NUM_THREADS=1 $(BIN)/python docs/lidar_over_iou.py zoo:lidar-detectors/dense zoo:lidar-detectors/sparse --page docs/lidar.md

lidar-drops: setup  ## what the dense LiDAR detector loses where voxels go at random, or outside of boxes alone, into docs/lidar.md (two minutes)
	OMP_NUM_THREADS=1 $(BIN)/python docs/lidar_drops.py --page docs/lidar.md

lidar-peers: setup  ## all LiDAR methods, ablations and controls on the 200 evaluated frames, into docs/lidar.md (four minutes)
	OMP_NUM_THREADS=1 $(BIN)/python docs/lidar_peers.py --page docs/lidar.md

lidar-transfer: setup  ## the LiDAR detectors on real frames (../shared/data/kitti, if there), into docs/lidar.md (seconds)
	OMP_NUM_THREADS=1 $(BIN)/python docs/lidar_transfer.py --page docs/lidar.md

nas-search: setup  ## run suites/nas-search.yaml, put its tables into docs/nas.md and draw regret over the number of trained architectures
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[nas,xgboost]"
	$(BIN)/effbench run suites/nas-search.yaml --store $(RESULTS)/nas-search
	$(BIN)/python docs/readme_table.py $(RESULTS)/nas-search --page docs/nas.md --section nas-search --columns regret_points,mean_regret_points,low_fidelity_cost
	$(BIN)/python docs/nas_search_curves.py $(RESULTS)/nas-search --out docs/img/nas-search.png

lidar-ada3d: setup  ## Ada3D-B beside the detector tuned as long without a filter, over 1,000 frames and training seeds, into docs/lidar.md (ten minutes)
	OMP_NUM_THREADS=1 $(BIN)/python docs/lidar_ada3d.py --page docs/lidar.md

lidar-data: setup  ## put the generated LiDAR frames beside real ones (../shared/data/kitti, if there) into docs/lidar.md
	$(BIN)/python docs/lidar_data.py

nas-micro: setup  ## train the 570 cells of EffBench-Micro on digits (an hour of one core; it goes on where it stopped) and write its table
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[zoo]"
	OMP_NUM_THREADS=1 $(BIN)/python -m effbench.zoo.nas_micro.train --work $(RESULTS)/nas-micro
	OMP_NUM_THREADS=1 $(BIN)/python -m effbench.zoo.nas_micro.export --work $(RESULTS)/nas-micro

vmc: setup  ## run suites/vmc.yaml (PySCF included) and put its table and curves into docs/vmc.md (hours; it goes on where it stopped)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[vmc]"
	$(BIN)/effbench run suites/vmc.yaml --store $(RESULTS)/vmc
	$(BIN)/python docs/readme_table.py $(RESULTS)/vmc --page docs/vmc.md --section energies --columns quality,headline
	$(BIN)/effbench report $(RESULTS)/vmc --curves --out docs/img/vmc-curves.png >/dev/null

vmc-curves: setup  ## run suites/vmc-curves.yaml (H4, H2O and N2 pulled apart) and put its table and picture into docs/vmc.md (twenty minutes)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[vmc]"
	$(BIN)/effbench run suites/vmc-curves.yaml --store $(RESULTS)/vmc-curves
	$(BIN)/python docs/bond_curves.py $(RESULTS)/vmc-curves

vmc-kernels: setup  ## run suites/vmc-kernels.yaml and put its table into docs/vmc.md (a dozen minutes)
	$(BIN)/effbench run suites/vmc-kernels.yaml --store $(RESULTS)/vmc-kernels
	$(BIN)/python docs/readme_table.py $(RESULTS)/vmc-kernels --page docs/vmc.md --section kernels --columns quality,headline

vmc-large: setup  ## run suites/vmc-large.yaml (PySCF included) and put its table into docs/vmc.md (half an hour)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[vmc]"
	$(BIN)/effbench run suites/vmc-large.yaml --store $(RESULTS)/vmc-large
	$(BIN)/python docs/readme_table.py $(RESULTS)/vmc-large --page docs/vmc.md --section large --columns quality,headline

vmc-netket:  ## run suites/vmc-netket.yaml, with NetKet in a venv of its own, and put its table into docs/vmc.md (a quarter of an hour)
	$(PYTHON) -m venv $(NETKET_VENV)
	$(NETKET_VENV)/bin/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[netket,test]"
	$(NETKET_VENV)/bin/python -m pytest -n 0 tests/tasks/vmc_energy/test_netket.py
	$(NETKET_VENV)/bin/effbench run suites/vmc-netket.yaml --store $(RESULTS)/vmc-netket
	$(NETKET_VENV)/bin/python docs/readme_table.py $(RESULTS)/vmc-netket --page docs/vmc.md --section netket --columns quality,headline

bench-vmc: setup $(VMC_PEERS_VENV)/.installed  ## time the local-energy engines beside PySCF, NetKet and OpenFermion; writes docs/vmc.md
	PYTHONPATH=tests $(BIN)/python -m bench_vmc --peer-python $(VMC_PEERS_VENV)/bin/python --page docs/vmc.md
	PYTHONPATH=tests $(BIN)/python -m bench_vmc.scaling --page docs/vmc.md

$(VMC_PEERS_VENV)/.installed: constraints-vmc-peers.txt
	$(PYTHON) -m venv $(VMC_PEERS_VENV)
	$(VMC_PEERS_VENV)/bin/python -m pip install --disable-pip-version-check -c constraints-vmc-peers.txt netket openfermion
	@touch $@

subsets: setup  ## draw the matrices of suites/subset-pool*.yaml and choose the subsets in data_manifests/subsets from them
	$(BIN)/effbench run suites/subset-pool.yaml --store $(RESULTS)/subset-pool
	$(BIN)/effbench subset scores --from $(RESULTS)/subset-pool --metric prompt_accuracy --metric alignment \
	  --prompts data_manifests/emoji_prompts.yaml --out data_manifests/scores/emoji-pool.npz
	for size in 20 50; do $(BIN)/effbench subset build --from data_manifests/scores/emoji-pool.npz --metric prompt_accuracy \
	  --metric alignment --size $$size --name emoji-$$size --out data_manifests/subsets/emoji-$$size.yaml || exit 1; done
	$(BIN)/effbench run suites/subset-pool-video.yaml --store $(RESULTS)/subset-pool-video
	$(BIN)/effbench subset scores --from $(RESULTS)/subset-pool-video --metric prompt_accuracy --metric frame_alignment \
	  --prompts data_manifests/moving_emoji_prompts.yaml --out data_manifests/scores/moving-emoji-pool.npz
	for size in 20 50; do $(BIN)/effbench subset build --from data_manifests/scores/moving-emoji-pool.npz \
	  --metric prompt_accuracy --metric frame_alignment --size $$size --name moving-emoji-$$size \
	  --out data_manifests/subsets/moving-emoji-$$size.yaml || exit 1; done

quantization: setup  ## run suites/quantization.yaml and put its table, what was expected and the methods' claims into docs and READMEs (twenty minutes)
	$(BIN)/effbench run suites/quantization.yaml --store $(RESULTS)/quantization
	$(BIN)/python docs/readme_table.py $(RESULTS)/quantization --page docs/quantization.md --section embedded --columns prompt_accuracy,psnr_db,speedup,latency_p50_ms,peak_rss_growth_mb,parameter_mb,mean_weight_bits,quantized_weight_mb,preparation_s
	$(BIN)/python docs/advice.py $(RESULTS)/quantization --page docs/quantization.md --section advice
	$(BIN)/python docs/readme_table.py $(RESULTS)/quantization --claims vidit-q --page baselines/vidit_q/README.md --section claims
	$(BIN)/python docs/readme_table.py $(RESULTS)/quantization --claims mixdq --page baselines/mixdq/README.md --section claims
	$(MAKE) quantization-expected

quantization-ablations: setup  ## run suites/quantization-ablations.yaml and put its table into docs/quantization.md (half an hour)
	$(BIN)/effbench run suites/quantization-ablations.yaml --store $(RESULTS)/quantization-ablations
	$(BIN)/python docs/readme_table.py $(RESULTS)/quantization-ablations --page docs/quantization.md --section ablations --columns psnr_db,alignment,mean_weight_bits,preparation_s
	$(MAKE) quantization-expected

attention: setup  ## run suites/attention.yaml and put its table, picture and the methods' claims into docs and README (a quarter of an hour)
	$(BIN)/effbench run suites/attention.yaml --store $(RESULTS)/attention
	$(BIN)/python docs/readme_table.py $(RESULTS)/attention --page docs/attention.md --section embedded --columns psnr_db,alignment,speedup,latency_p50_ms,gflop_per_sample,attention_flops_share,mean_computed_share,computed_share_sd,preparation_s
	$(BIN)/python docs/attention_curves.py $(RESULTS)/attention --out docs/img/attention-curves.png
	$(BIN)/python docs/attention_study.py $(RESULTS)/attention --page docs/attention.md
	$(BIN)/python docs/advice.py $(RESULTS)/attention --page docs/attention.md --section advice
	$(MAKE) attention-expected
	$(BIN)/python docs/readme_table.py $(RESULTS)/attention --claims dit-fast-attn --page baselines/dit_fast_attn/README.md --section claims
	$(BIN)/python docs/readme_table.py $(RESULTS)/attention --claims dit-fast-attn-v2 --page baselines/dit_fast_attn/README.md --section claims-v2

attention-peers: setup  ## run suites/attention-peers.yaml (torch.compile, cache-dit) and put its tables into docs/attention.md (four minutes)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[cache-dit]"
	$(BIN)/effbench run suites/attention-peers.yaml --store $(RESULTS)/attention-peers
	$(BIN)/python docs/readme_table.py $(RESULTS)/attention-peers --page docs/attention.md --section peers --columns psnr_db,alignment,speedup,latency_p50_ms,gflop_per_sample,mean_computed_share,preparation_s
	$(BIN)/python docs/attention_study.py $(RESULTS)/attention-peers --page docs/attention.md --equal-latency peers-equal-latency

attention-architecture: setup  ## run suites/attention-architecture.yaml, take its times apart and put the tables into docs/attention.md (ten minutes)
	$(BIN)/effbench run suites/attention-architecture.yaml --store $(RESULTS)/attention-architecture
	$(BIN)/python docs/readme_table.py $(RESULTS)/attention-architecture --page docs/attention.md --section architecture --columns speedup,latency_p50_ms,gflop_per_sample,attention_flops_share,kept_mb,peak_rss_growth_mb,parameter_mb
	$(BIN)/python docs/attention_study.py $(RESULTS)/attention-architecture --page docs/attention.md --interaction architecture-interaction
	$(BIN)/python docs/attention_time.py $(RESULTS)/attention-architecture --page docs/attention.md --section time-model
	$(BIN)/python docs/attention_time.py $(wildcard $(RESULTS)/attention) $(RESULTS)/attention-architecture --page docs/attention.md --section ceiling
	$(MAKE) attention-expected

attention-plans: setup  ## searched attention plans beside random ones and the optimum beside the greedy plan, into docs/attention.md (a few minutes)
	OMP_NUM_THREADS=1 $(BIN)/python docs/attention_plans.py --page docs/attention.md

attention-expected: setup
	$(BIN)/python docs/expectations.py $(wildcard $(RESULTS)/attention $(RESULTS)/attention-architecture) --checks docs/attention_expected.yaml --page docs/attention.md

.PHONY: test-browser test-whole demo-store board-pictures
.PHONY: attention attention-architecture attention-peers attention-expected attention-plans
quantization-speed: setup  ## run suites/quantization-speed.yaml on each instruction set of this machine and put the tables into docs/quantization.md (twenty minutes)
	$(BIN)/python docs/speed_by_isa.py --results $(RESULTS) --page docs/quantization.md
	$(MAKE) quantization-expected

.PHONY: quantization quantization-speed quantization-ablations quantization-expected
quantization-expected: setup
	$(BIN)/python docs/expectations.py $(RESULTS)/quantization $(RESULTS)/quantization-ablations $(RESULTS)/quantization-speed-* --checks docs/quantization_expected.yaml --page docs/quantization.md

board: setup  ## open the board on all results
	$(BIN)/effbench board $(wildcard $(RESULTS)/*)

clean:  ## remove caches and builds (never results)
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

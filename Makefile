# Inkflow. `make` lists what there is.
#
#   DATASET  mnist, fashion-mnist, kmnist, synthetic, or a directory with IDX files   (train, resume, sample, check-scores)
#   OUTPUT   the run's directory; else outputs/ and the data set's name        (train, resume, sample, check-scores)
#   MINUTES  how long to train; else the recipe's number of epochs             (train, resume)
#   ARGS     further options for inkflow, as in ARGS="--preset tiny --seed 1"
#   MIRROR   where to fetch data sets from, file:///… too                      (datasets, train)

DATASET ?= mnist
OUTPUT ?= outputs/$(notdir $(patsubst %/,%,$(DATASET)))
ARGS ?=
INKFLOW = .build/release/inkflow
length = $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: help build demo test build-tests example train resume sample bench peers check-scores instructions docs datasets format lint clean system-packages check-diffusers

help:
	@echo 'make demo      train on the built-in data for two or three minutes and draw a sheet of samples'
	@echo 'make test      run the tests'
	@echo 'make train     train on MNIST (DATASET=fashion-mnist, DATASET=synthetic, DATASET=a directory)'
	@echo 'make resume    go on with that run'
	@echo 'make sample    draw a sheet of samples from that run'
	@echo 'make bench     measure kernels, training and sampling against this machine'"'"'s own peak'
	@echo 'make peers     measure them beside PyTorch, ONNX Runtime and OpenVINO (installs these outside this tree)'
	@echo 'make check-scores  compute the figures of evaluate again with SciPy, of the run in OUTPUT on DATASET'
	@echo 'make instructions  count the instructions of a training image and an evaluation against their thresholds'
	@echo 'make docs      build the documentation of the libraries'
	@echo 'make datasets  download MNIST and Fashion-MNIST (MIRROR=file:///… from elsewhere)'
	@echo 'make build, make format, make lint, make clean'

build: system-packages
	swift build -c release --product inkflow

# A demonstration that was interrupted goes on where it was; one that is complete is only sampled again.
demo: build
	$(INKFLOW) train synthetic --preset tiny --output outputs/demo --threads 2 \
	  $(if $(wildcard outputs/demo/run.json),--resume,--steps 1000 --learning-rate 2e-3)
	$(INKFLOW) sample outputs/demo --count 100 --columns 20
	@echo 'Look at outputs/demo/grid.png'

# The two builds side by side: each is a chain of modules that keeps one core busy.
test: system-packages
	$(MAKE) -j2 example build-tests
	swift test -c release --skip-build

build-tests: system-packages
	swift build -c release --build-tests

# The documentation's program, a package of its own that depends on this one: it trains, draws, catches an error by name
# and cancels.
example: system-packages
	swift run -c release --package-path examples/library --scratch-path .build-example

# Opens a model in diffusers and compares. PYTHON has torch, diffusers and safetensors.
MODEL ?= outputs/mnist/model
PYTHON ?= $(shell command -v python3)
check-diffusers: system-packages
	INKFLOW_MODEL='$(abspath $(MODEL))' INKFLOW_PYTHON='$(PYTHON)' swift test -c release --filter DiffusersTests

train: build
	@case '$(DATASET)' in mnist|fashion-mnist|kmnist) datasets/fetch.sh '$(DATASET)' ;; esac
	$(INKFLOW) train '$(DATASET)' --output '$(OUTPUT)' $(length) $(ARGS)

resume: build
	$(INKFLOW) train '$(DATASET)' --output '$(OUTPUT)' --resume $(length) $(ARGS)

sample: build
	$(INKFLOW) sample '$(OUTPUT)' $(ARGS)

bench: build
	$(INKFLOW) bench $(ARGS)

# A guard against slowness that counts instead of timing. (Installs valgrind where it may.)
instructions: system-packages
	benchmarks/instructions.sh

# Peers live in a virtual environment of their own, made anew where the list of versions has changed.
PEERS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/inkflow-peers
peers: build $(PEERS)/installed
	$(PEERS)/bin/python benchmarks/peers.py --inkflow $(INKFLOW) $(ARGS)

check-scores: build $(PEERS)/installed
	$(PEERS)/bin/python benchmarks/scores.py --inkflow $(INKFLOW) '$(OUTPUT)' '$(DATASET)' $(ARGS)

$(PEERS)/installed: benchmarks/requirements.txt
	rm -rf '$(PEERS)'
	$(or $(shell command -v python3),$(error make peers needs python3 with venv)) -m venv '$(PEERS)'
	'$(PEERS)/bin/pip' install --quiet --requirement benchmarks/requirements.txt
	touch '$@'

# Of the libraries, as one archive. A warning is an error, but for parameters: those whose name says all are left out on
# purpose. The plugin is resolved for this alone, so the versions resolved for all else are put back: with the plugin among
# them the next build would fetch it too.
docs: system-packages
	@mkdir -p .build-docs; [ ! -e Package.resolved ] || cp Package.resolved .build-docs/resolved; \
	trap 'rm -f Package.resolved; [ ! -e .build-docs/resolved ] || mv .build-docs/resolved Package.resolved' EXIT INT; \
	INKFLOW_DOCS=1 swift package --scratch-path .build-docs generate-documentation \
	  --enable-experimental-combined-documentation --experimental-skip-synthesized-symbols \
	  $(addprefix --target ,Evaluation Training Sampling Flow Network Statistics Imagery Kernels Files) \
	  --warnings-as-errors --disable-parameters-and-returns-validation
	@echo 'To read it at http://localhost:8000/documentation:'
	@echo '  python3 -m http.server --directory .build-docs/plugins/Swift-DocC/outputs/inkflow.doccarchive'

datasets:
	datasets/fetch.sh mnist fashion-mnist

format:
	swift format --in-place --recursive --configuration .swift-format Package.swift Sources Tests examples

lint:
	swift format lint --strict --recursive --configuration .swift-format Package.swift Sources Tests examples

clean:
	rm -rf .build .build-docs

# zlib and libpng with their headers: installed where that is allowed, else the command is printed.
system-packages:
	@tools/system-packages.sh

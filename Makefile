# 准备、演示、测试、基准；每条命令都先自行准备环境（setup.sh，第二次运行不重做）。
# Prepare, demonstrate, test, measure; each command prepares the machine first, and twice is as quick as not at all.

BIN := .venv/bin
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench lock

help:
	@echo 'make demo    跑完整个流程，最后留下工作台 · the whole job on the bundled web (DEMO_ARGS=--no-serve ends instead)'
	@echo 'make test    ruff、mypy 与全部测试 · ruff, mypy and the tests (TEST_ARGS=tests/test_doctor.py runs one file)'
	@echo 'make bench   全部基准 · every benchmark (BENCH_ARGS=--quick takes under a minute each)'
	@echo 'make setup   只准备环境 · only prepare this machine'
	@echo 'make lock    依赖变更后重做 requirements.lock（需要 uv）· remake the lock after a change of dependencies (needs uv)'

setup:
	@./setup.sh

demo: setup
	@$(BIN)/takedown demo $(DEMO_ARGS)

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest $(TEST_ARGS)

bench: setup
	@found=; status=0; \
	for script in benchmarks/[!_]*.py; do \
	  [ -e "$$script" ] || continue; \
	  found=1; echo "== $$script"; \
	  $(BIN)/python -m "benchmarks.$$(basename "$$script" .py)" $(BENCH_ARGS) || status=1; \
	done; \
	[ -n "$$found" ] || echo '还没有基准 · no benchmarks yet'; \
	exit $$status

# setuptools builds the editable install. Every package is the same version on every Python, so that a score does not
# depend on which one is at hand.
lock:
	@printf '%s\n' 'setuptools>=80' | \
	uv pip compile pyproject.toml - --extra test --universal --python-version 3.11 --fork-strategy fewest \
	  --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --quiet --output-file requirements.lock

#!/usr/bin/env bash
# Prepares this machine for the Makefile: .venv, the locked packages, torch for CPUs where at hand, Chromium, fonts.
# What is done leaves its mark in .venv/.setup; a second run finds the marks and does nothing.
set -euo pipefail
cd "$(dirname "$0")"

TORCH=2.13.0
marks=.venv/.setup

say() { printf '· %s · %s\n' "$1" "$2"; }
warn() { lacking=1; printf '! %s · %s\n' "$1" "$2" >&2; }
fail() { printf '✗ %s · %s\n' "$1" "$2" >&2; exit 1; }
pip() { .venv/bin/python -m pip --disable-pip-version-check --no-input "$@"; }
modern() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
is_root() { [ "$(id -u)" = 0 ]; }

# Debian's packages, where this user may install them; the lists are fetched once a run, and old ones may do.
apt() {
  is_root && command -v apt-get >/dev/null || return 1
  [ -n "${lists-}" ] || apt-get update || true
  lists=fetched
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
} >>$marks/log 2>&1

playwright() { .venv/bin/playwright "$@" >>$marks/log 2>&1; }

# A virtual environment does not survive a move, so the mark holds the place it was made for.
prepare_venv() {
  if [ "$(cat $marks/place 2>/dev/null)" = "$PWD" ] && modern .venv/bin/python; then return; fi
  local python
  for python in python3.13 python3.12 python3.11 python3 none; do
    if modern "$python"; then break; fi
  done
  [ "$python" != none ] || fail '找不到带 venv 的 Python 3.11 或更新版本，请先安装（Debian：apt-get install python3-venv）。' \
    'No Python 3.11 or newer with venv was found; install one (Debian: apt-get install python3-venv).'
  say "用 $($python --version) 建立 .venv" 'creating .venv'
  "$python" -m venv --clear .venv || fail '无法建立 .venv，请检查本目录是否可写、磁盘是否已满。' \
    'Cannot create .venv; check that this folder can be written and the disk is not full.'
  mkdir $marks
  printf '%s' "$PWD" >$marks/place
}

install_packages() {
  if ! cmp -s requirements.lock $marks/requirements.lock; then
    say '安装锁定的依赖包（首次约需数分钟）' 'installing the locked packages (minutes, the first time)'
    pip install -qq --require-hashes --requirement requirements.lock ||
      fail '依赖包没有装全，请检查网络或 pip 的镜像设置后重新运行。' \
        'The packages could not be installed; check the network or the index pip is set to, then run this again.'
    cp requirements.lock $marks/
  fi
  if ! cmp -s pyproject.toml $marks/pyproject.toml || [ ! -x .venv/bin/takedown ]; then
    pip install -qq --no-deps --no-build-isolation --editable . ||
      fail '本项目没有装入 .venv，请修正上面指出的 pyproject.toml 问题。' \
        'The project could not be installed into .venv; mend what is said of pyproject.toml above.'
    cp pyproject.toml $marks/
  fi
}

# Would pip bring torch without a GPU's libraries? A build with them is gigabytes that nothing here uses.
torch_for_cpu() {
  .venv/bin/python - "$TORCH" <<'PYTHON'
import json, subprocess, sys
ask = [sys.executable, "-m", "pip", "install", "--dry-run", "-qq", "--retries", "1", "--report", "-"]
try:
    answer = subprocess.run([*ask, f"torch=={sys.argv[1]}"], capture_output=True, timeout=90, check=True).stdout
except subprocess.SubprocessError:
    sys.exit(1)
names = [package["metadata"]["name"].lower() for package in json.loads(answer)["install"]]
sys.exit(any(name.startswith(("nvidia", "cuda", "triton")) for name in names))
PYTHON
}

install_torch() {
  if [ -e "$marks/torch-$TORCH" ]; then return; fi
  if torch_for_cpu; then
    say "安装 CPU 版 torch $TORCH" 'installing torch for CPUs'
    pip install -qq "torch==$TORCH" || warn 'torch 没有装上，线性模型不需要它。' 'torch was not installed; the linear model does not need it.'
  else
    say "手边没有 CPU 版 torch $TORCH，跳过；线性模型不需要它" 'no CPU build of torch at hand, skipped; the linear model does not need it'
  fi
  touch "$marks/torch-$TORCH"
}

# Prints the first Chromium that runs. Ubuntu's chromium-browser may be a stub that only points at snap.
working_chromium() {
  local name path
  for name in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
    if path=$(command -v "$name") && "$path" --version >/dev/null 2>&1; then echo "$path"; return; fi
  done
  path=$(.venv/bin/python -c 'from playwright.sync_api import sync_playwright as p
with p() as running: print(running.chromium.executable_path)' 2>/dev/null) || return 1
  "$path" --version >/dev/null 2>&1 && echo "$path"
}

# Playwright's own; the libraries it needs are installed only for a browser that has arrived.
own_chromium() {
  playwright install chromium || return 1
  working_chromium >/dev/null || { is_root && playwright install-deps chromium; }
}

install_chromium() {
  if [ -x "$(cat $marks/chromium 2>/dev/null)" ]; then return; fi
  local path
  if ! path=$(working_chromium); then
    say '安装 Chromium' 'installing Chromium'
    { apt chromium-headless-shell && path=$(working_chromium); } || { apt chromium && path=$(working_chromium); } || { own_chromium && path=$(working_chromium); } || {
      warn "没有可用的 Chromium（原因见 $marks/log），只能抓取静态页面；请以 root 运行 apt-get install chromium，或 .venv/bin/playwright install --with-deps chromium。" \
        'No Chromium runs here, so only static pages can be crawled; as root: apt-get install chromium, or .venv/bin/playwright install --with-deps chromium.'
      return
    }
  fi
  printf '%s' "$path" >$marks/chromium
}

fonts() { [ "$(uname)" = Darwin ] || [ -n "$(fc-list :lang=zh 2>/dev/null)" ]; }

install_fonts() {
  if fonts; then return; fi
  say '安装中文字体' 'installing Chinese fonts'
  if apt fontconfig fonts-noto-cjk && fonts; then return; fi
  warn '没有中文字体，截图和 PDF 中的汉字会显示为方框；请安装 fonts-noto-cjk。' \
    'No Chinese font, so characters show as boxes in pictures and PDFs; install fonts-noto-cjk.'
}

prepare_venv
install_packages
install_torch
install_chromium
install_fonts
if [ -z "${lacking-}" ]; then say '环境就绪' 'ready'; else say '环境可用，欠缺如上' 'usable, but for what is said above'; fi

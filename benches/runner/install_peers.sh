#!/usr/bin/env bash
# Installs the tools that karat is compared with, at fixed versions, into one folder. Nothing is installed outside it.
#
#   benches/runner/install_peers.sh DIR
#
# Requires Python 3.11 or newer, npm, cargo and network access. Anything already installed is left alone, so that the
# same command finishes an interrupted installation. Set CARGO_TARGET_DIR to reuse oha's build later.
set -euo pipefail

oha=1.16.0
node=22.23.3
promptfoo=0.123.1
inspect=0.3.285
openai=3.54.0
lm_eval=0.4.13

[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)

# Started first and in the background, because it compiles for minutes; the others only download.
oha_job=
if [ ! -x "$dir/oha/bin/oha" ]; then
    nice -n 10 cargo install -q --locked -j1 --root "$dir/oha" "oha@$oha" &
    oha_job=$!
fi

venv() {
    local name=$1
    shift
    [ -e "$dir/$name/.installed" ] && return
    python3 -m venv "$dir/$name"
    nice -n 10 "$dir/$name/bin/pip" install -q --disable-pip-version-check "$@"
    touch "$dir/$name/.installed"
}

venv inspect "inspect-ai==$inspect" "openai==$openai"
venv lm_eval "lm-eval[api]==$lm_eval"

# promptfoo requires a newer Node than many systems have; npm provides Node as a package, which stays in the folder.
if [ ! -e "$dir/promptfoo/.installed" ]; then
    mkdir -p "$dir/promptfoo"
    (
        cd "$dir/promptfoo"
        echo '{"private": true}' >package.json
        nice -n 10 npm install --no-audit --no-fund --loglevel=error "node@$node"
        PATH="$dir/promptfoo/node_modules/.bin:$PATH" nice -n 10 \
            npm install --no-audit --no-fund --loglevel=error "promptfoo@$promptfoo"
    )
    touch "$dir/promptfoo/.installed"
fi

[ -z "$oha_job" ] || wait "$oha_job"
echo "installed in $dir: oha $oha, promptfoo $promptfoo on Node $node, inspect_ai $inspect, lm-eval $lm_eval"

#!/usr/bin/env bash
# Generates files from the code: the JSON Schemas of the files that users write.
#
#   tools/generate.sh          writes them into schemas/
#   tools/generate.sh DIR      writes them into DIR
#   KARAT=PATH tools/generate.sh …   runs this binary instead of building one
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${1:-$root/schemas}
mkdir -p "$target"
target=$(cd "$target" && pwd)
cd "$root"

karat=(cargo run -q --locked --)
if [[ -n ${KARAT:-} ]]; then
    karat=("$KARAT")
fi

for kind in workspace suite dataset; do
    # Through a variable, so that a failure leaves the file unchanged.
    schema=$("${karat[@]}" schema "$kind")
    printf '%s\n' "$schema" >"$target/$kind.schema.json"
done

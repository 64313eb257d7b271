#!/bin/sh
# Pins every version that `pip install .[train,dataflow,dev]` takes in a fresh environment. Local versions such as
# +cpu are cut off: no index carries them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check '.[train,dataflow,dev]'
{
    echo "# Made by infra/constraints.sh; do not edit."
    "$folder/bin/pip" freeze --exclude corpusloom | grep -v '^-e' | grep -v ' @ ' | sed 's/+[a-z0-9.]*$//'
} > constraints.txt
echo "constraints.txt: $(wc -l < constraints.txt) lines"

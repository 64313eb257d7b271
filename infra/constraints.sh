#!/bin/sh
# Write constraints.txt: the versions that `pip install .[train,report,dataflow,video,dev]` chooses in a fresh environment of
# Python 3.11. The same pins install on 3.12 and 3.13. Local versions such as +cpu are cut off, since no index has them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check '.[train,report,dataflow,video,dev]'
{
    echo "# Made by infra/constraints.sh on Python 3.11; do not edit."
    "$folder/bin/pip" freeze --exclude corpusloom | grep -v '^-e' | grep -v ' @ ' | sed 's/+[a-z0-9.]*$//'
} > constraints.txt
echo "constraints.txt: $(wc -l < constraints.txt) lines"

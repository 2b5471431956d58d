#!/bin/sh
# Install the locked versions, with hashes: install.sh cuda|cpu
# cpu: torch without what it needs for cards; from PyTorch's index, whose files are not among the hashes.
set -eu
cd "$(dirname "$0")"
pip="python -m pip --no-cache-dir --disable-pip-version-check install --root-user-action ignore --no-deps"
case "$1" in
  cuda) $pip --require-hashes --requirement torch.txt ;;
  cpu) $pip --index-url https://download.pytorch.org/whl/cpu "$(grep -o '^torch==[^ ]*' torch.txt)" ;;
  *) echo "install.sh: found $1; expected cuda or cpu: name what torch runs on." >&2 && exit 2 ;;
esac
$pip --require-hashes --requirement requirements.txt

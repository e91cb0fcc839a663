#!/usr/bin/env bash
# Gradescope, once for each autograder: what the image needs. Zip this file, run_autograder and the folder lab/ of Echo Lab.
set -euo pipefail
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3 python3-tomli

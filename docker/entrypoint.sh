#!/bin/sh
# What the container serves: lab (JupyterLab, as it comes), app (the page in a browser) or api (HTTP, as OpenAI's
# clients ask it). The words after the mode go to the program; any other word is run as a command.
set -eu

mode=${1:-lab}
[ $# -eq 0 ] || shift
case $mode in
lab)
    exec jupyter lab --ip=0.0.0.0 --port=8888 --no-browser --notebook-dir=. \
        --LabApp.default_url=/lab/tree/chapters/00_start.ipynb "$@"
    ;;
app)
    exec companion app --host 0.0.0.0 --port 8501 "$@"
    ;;
api)
    if [ -z "${COMPANION_TOKEN:-}" ]; then
        echo "companion: COMPANION_TOKEN is not set; give the API a secret: docker run -e COMPANION_TOKEN=…" >&2
        exit 2
    fi
    exec companion serve --host 0.0.0.0 --port 8000 "$@" # the token comes from the environment, unseen by ps
    ;;
*)
    exec "$mode" "$@"
    ;;
esac

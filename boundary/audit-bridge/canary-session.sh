#!/bin/sh
# Logs in to Boundary, and runs one command through it. The password stands in a file, the token in the environment only.
set -eu
url="$BOUNDARY_ADDR/v1/auth-methods/$CANARY_AUTH_METHOD:authenticate"
answer=$(curl -sS --fail-with-body --data "@$CREDENTIALS_DIRECTORY/login" "$url")
BOUNDARY_TOKEN=$(printf '%s' "$answer" | jq -er .attributes.token)
export BOUNDARY_TOKEN
exec ecs-exec-wrapper connect "$CANARY_TARGET" --reason canary -- echo canary

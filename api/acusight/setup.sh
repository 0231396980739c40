#!/bin/sh
# Enrols this machine: sh -s -- <apt_ token>. Keeps the device key in $ACUSIGHT_HOME, readable by its owner only.
set -eu
url="@URL@"
token="${1:?usage: sh -s -- <apt_ token>}"
home="${ACUSIGHT_HOME:-$HOME/.acusight}"

id="$(docker info --format '{{.ID}}' 2>/dev/null || true)"
[ -n "$id" ] || id="$(cat /etc/machine-id 2>/dev/null || true)"
[ -n "$id" ] || id="$(hostname)"

body="$(printf '{"token":"%s","device_info":{"device_id":"%s","name":"%s","hardware_version":"%s"}}' \
    "$token" "$id" "$(hostname)" "$(uname -m)")"
answer="$(printf '%s' "$body" | curl -sS --fail-with-body -X POST "$url/api/devices/provision" \
    -H 'Content-Type: application/json' --data-binary @-)" || { echo "enrolment refused: $answer" >&2; exit 1; }
key="$(printf '%s' "$answer" | sed -n 's/.*"api_key":"\(adk_[0-9a-f]*\)".*/\1/p')"
[ -n "$key" ] || { echo "no key in the answer" >&2; exit 1; }

umask 077
mkdir -p "$home"
printf 'ACUSIGHT_URL=%s\nACUSIGHT_DEVICE_ID=%s\nACUSIGHT_DEVICE_KEY=%s\n' "$url" "$id" "$key" > "$home/device.env"
echo "enrolled as $id; the key is in $home/device.env"

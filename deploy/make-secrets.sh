#!/bin/sh
# Creates the secrets of compose.yaml, once: a second run changes nothing. Each container sees only
# its own secrets; the mode of the folder keeps other users of this machine out.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets
random() { head -c 36 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
# The mode of the files lets the users in the containers read them, since compose keeps it.
keep() { [ -s "$1" ] || { cat > "$1.new" && chmod 0444 "$1.new" && mv "$1.new" "$1"; }; }
random | keep postgres_password
random | keep jwt_secret
random | keep grafana_password
printf 'booking:%s' "$(random)" | keep internal_api_keys
printf 'postgresql://evently:%s@postgres:5432/evently' "$(cat postgres_password)" | keep database_url

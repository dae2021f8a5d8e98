#!/usr/bin/env bash
# Forgot password with nothing but buf: asks for a reset, then waits until it is known what became of the mail.
# Before: cargo xtask up --detach && . target/up/env
set -euo pipefail
buf=${BUF:-buf}
user=${1:-$SANDI_DEMO_USER}

# Reflection tells buf the messages; without it, add: --schema proto
call() { # token, method, request
  "$buf" curl --timeout 5s --protocol grpc --http2-prior-knowledge \
    -H "authorization: Bearer $1" -d "$3" \
    "$SANDI_GRPC_ADDR/sandi.identity.v1.$2"
}

answer=$(call "$SANDI_TOKEN_GATEWAY" IdentityService/RequestReset "{\"username\": \"$user\"}")
echo "asked: $answer"
request_id=$(sed -n 's/.*"requestId": *"\([^"]*\)".*/\1/p' <<<"$answer")

for _ in $(seq 50); do
  reset=$(call "$SANDI_TOKEN_SUPPORT" SupportService/GetReset "{\"requestId\": \"$request_id\"}" || true)
  case "$reset" in
    *DELIVERY_STATE_SENT*) echo "sent: $reset"; exit 0 ;;
    *DELIVERY_STATE_NOT_SENT* | *DELIVERY_STATE_BOUNCED*) echo "no mail: $reset" >&2; exit 1 ;;
  esac
  sleep 0.2
done
echo "not known within 10 s: $reset" >&2
exit 1

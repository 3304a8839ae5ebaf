#!/bin/sh
# Runs `tollkeeper "$@"`; what a container adds:
#   - without TOLLKEEPER_MASTER_KEY, one is made once and kept in data/master.key, so that every
#     replica on the same volume has the same one;
#   - `serve`, and the `db upgrade` before it, refuse to go on without an upstream to call.
set -eu

# Compose and Kubernetes pass "not given" as an empty string.
for name in ANTHROPIC_API_KEY ANTHROPIC_ADMIN_KEY ANTHROPIC_BASE_URL OPENROUTER_API_KEY \
    OPENROUTER_BASE_URL TOLLKEEPER_CONFIG TOLLKEEPER_DATABASE_URL TOLLKEEPER_REDIS_URL \
    TOLLKEEPER_MASTER_KEY TOLLKEEPER_METRICS_TOKEN TOLLKEEPER_SIMULATE LANGFUSE_HOST \
    LANGFUSE_PUBLIC_KEY LANGFUSE_SECRET_KEY OTEL_EXPORTER_OTLP_ENDPOINT PGPASSWORD; do
    eval "value=\${$name:-}"
    [ -n "$value" ] || unset "$name"
done

case "${1:-}" in
serve | db)
    if [ -z "${ANTHROPIC_API_KEY:-}" ] && [ "${TOLLKEEPER_SIMULATE:-}" != 1 ]; then
        echo "ANTHROPIC_API_KEY is not set. Set it (in .env), or TOLLKEEPER_SIMULATE=1 to try the" \
            "gateway with simulated answers." >&2
        exit 2
    fi
    ;;
esac

if [ "${1:-}" = serve ] && [ -z "${TOLLKEEPER_MASTER_KEY:-}" ]; then
    key_file=data/master.key
    if [ ! -s "$key_file" ]; then
        umask 077
        mkdir -p data
        fresh=$(mktemp data/master.XXXXXX)
        python3 -c 'import secrets; print("mk-" + secrets.token_urlsafe(32))' >"$fresh"
        # A hard link appears whole or not at all, and never over another replica's key.
        ln "$fresh" "$key_file" 2>/dev/null || true
        rm -f "$fresh"
        echo "TOLLKEEPER_MASTER_KEY is not set: using the one in $PWD/$key_file." >&2
    fi
    TOLLKEEPER_MASTER_KEY=$(cat "$key_file")
    export TOLLKEEPER_MASTER_KEY
fi
exec tollkeeper "$@"

#!/usr/bin/env bash
# Makes the roles and the database, at PostgreSQL's first start.
set -euo pipefail
set -a
# shellcheck source=/dev/null
. /run/sandi/servers/roles.env
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" -f /templates/roles.sql

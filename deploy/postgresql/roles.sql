-- The two roles and the database, least rights each. Run it once, as a superuser, with psql:
--
--   SANDI_OWNER_PASSWORD=… SANDI_SERVICE_PASSWORD=… psql -v ON_ERROR_STOP=1 -f roles.sql
--
-- sandi_owner migrates, and owns the tables; sandi_identity works. What the service may do in the
-- tables it is lent by `identity migrate`: no table can it change or drop, and the audit it can
-- only read and add to.

\getenv owner_password SANDI_OWNER_PASSWORD
\getenv service_password SANDI_SERVICE_PASSWORD

CREATE ROLE sandi_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION
    CONNECTION LIMIT 5 PASSWORD :'owner_password';
-- Every identity process opens database.max_connections (14): room for ten of them.
CREATE ROLE sandi_identity LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION
    CONNECTION LIMIT 150 PASSWORD :'service_password';

CREATE DATABASE sandi OWNER sandi_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE sandi FROM PUBLIC;
GRANT CONNECT ON DATABASE sandi TO sandi_identity;

-- What the service says in each of its sessions; here it stands for those that come through PgBouncer, which does not
-- pass it on. No statement takes as long as a call may, no lock is waited for in vain, and every statement is a handful
-- of look-ups by index.
ALTER ROLE sandi_identity IN DATABASE sandi SET statement_timeout = '9s';
ALTER ROLE sandi_identity IN DATABASE sandi SET lock_timeout = '4s';
ALTER ROLE sandi_identity IN DATABASE sandi SET idle_in_transaction_session_timeout = '15s';
ALTER ROLE sandi_identity IN DATABASE sandi SET timezone = 'UTC';
ALTER ROLE sandi_identity IN DATABASE sandi SET plan_cache_mode = 'force_custom_plan';
ALTER ROLE sandi_identity IN DATABASE sandi SET enable_seqscan = 'off';
ALTER ROLE sandi_identity IN DATABASE sandi SET enable_bitmapscan = 'off';
ALTER ROLE sandi_identity IN DATABASE sandi SET enable_hashjoin = 'off';
ALTER ROLE sandi_identity IN DATABASE sandi SET enable_mergejoin = 'off';
ALTER ROLE sandi_identity IN DATABASE sandi SET jit = 'off';
-- A migration rather fails than lets the calls queue up behind it; run it again.
ALTER ROLE sandi_owner IN DATABASE sandi SET lock_timeout = '5s';

\connect sandi
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO sandi_owner;
GRANT USAGE ON SCHEMA public TO sandi_identity;

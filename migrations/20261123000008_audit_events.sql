-- What was done, by whom, to whom, and how it ended. Append only: the service's role may insert and read.
CREATE TABLE audit_events (
    event_id uuid NOT NULL,
    event_time timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    outcome text NOT NULL,
    cause text NOT NULL DEFAULT '',
    caller text NOT NULL,
    actor_user_id uuid,
    user_id uuid,
    organization_id uuid,
    reason text NOT NULL DEFAULT '',
    subject_digest bytea,
    trace_id text,
    ip_prefix text,
    PRIMARY KEY (event_time, event_id)
) PARTITION BY RANGE (event_time);

CREATE INDEX audit_events_user ON audit_events (user_id, event_time);
CREATE INDEX audit_events_organization ON audit_events (organization_id, event_time);

-- Catches rows of a month whose partition is missing; nothing is ever refused for that.
CREATE TABLE audit_events_default PARTITION OF audit_events DEFAULT;

COMMENT ON TABLE audit_events IS 'Audit of every security event, one partition a month.';
COMMENT ON COLUMN audit_events.event_id IS 'UUID version 7; its short form is the support code of a notice mail.';
COMMENT ON COLUMN audit_events.event_time IS 'When it happened.';
COMMENT ON COLUMN audit_events.action IS 'The RPC''s name, or issue, send, expire and so on.';
COMMENT ON COLUMN audit_events.outcome IS 'ok, or the ErrorReason.';
COMMENT ON COLUMN audit_events.cause IS 'The exact cause, which callers are not told, such as used, expired, unknown.';
COMMENT ON COLUMN audit_events.caller IS 'Name of the service that called, or of the part of this service that acted.';
COMMENT ON COLUMN audit_events.actor_user_id IS 'The person on whose behalf it was done.';
COMMENT ON COLUMN audit_events.user_id IS 'The person it was done to.';
COMMENT ON COLUMN audit_events.organization_id IS 'The organisation it was done in.';
COMMENT ON COLUMN audit_events.reason IS 'The reason the person gave.';
COMMENT ON COLUMN audit_events.subject_digest IS 'HMAC-SHA-256 of a username or address that no account matched.';
COMMENT ON COLUMN audit_events.trace_id IS 'W3C trace id of the call.';
COMMENT ON COLUMN audit_events.ip_prefix IS 'The person''s /24 or /48.';

-- The service's role cannot make or drop tables, so the owner lends it these two moves and nothing else.
CREATE FUNCTION maintain_audit_partitions(retention interval) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '200ms' AS $$
DECLARE
    month timestamptz;
    old record;
BEGIN
    -- One at a time over all replicas.
    PERFORM pg_advisory_xact_lock(hashtext('maintain_audit_partitions'));
    FOR i IN 0..2 LOOP
        month := date_trunc('month', now(), 'UTC') + make_interval(months => i);
        IF to_regclass(format('audit_events_%s', to_char(month AT TIME ZONE 'UTC', 'YYYYMM'))) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE audit_events_%s PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)',
                to_char(month AT TIME ZONE 'UTC', 'YYYYMM'), month, month + interval '1 month');
        END IF;
    END LOOP;
    FOR old IN
        SELECT c.relname
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit_events'::regclass
          AND c.relname ~ '^audit_events_[0-9]{6}$'
          -- Whoever calls, the last 30 days stay.
          AND to_timestamp(right(c.relname, 6), 'YYYYMM') + interval '1 month'
              < now() - GREATEST(retention, interval '30 days')
    LOOP
        EXECUTE format('DROP TABLE %I', old.relname);
    END LOOP;
END
$$;

COMMENT ON FUNCTION maintain_audit_partitions(interval) IS
    'Makes the partitions of this month and the next two, drops those whose last row is older than the retention, which is 30 days at least. Gives up rather than make calls wait.';

REVOKE ALL ON FUNCTION maintain_audit_partitions(interval) FROM PUBLIC;

SELECT maintain_audit_partitions(interval '400 days');

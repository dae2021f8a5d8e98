-- How long the audit is kept is the owner's to say. The service only asks for the upkeep: whoever has its role could
-- choose a short time before, and so throw the audit away.
CREATE TABLE audit_retention (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    retention interval NOT NULL CHECK (retention >= interval '30 days')
);

COMMENT ON TABLE audit_retention IS 'How long the audit is kept: one row, which `identity migrate` writes as the owner.';
COMMENT ON COLUMN audit_retention.is_only IS 'Lets there be one row.';
COMMENT ON COLUMN audit_retention.retention IS 'The setting retention.audit at the last `identity migrate`.';

-- `identity migrate` writes the row: one of ours could be shorter than what is set, and an older version that runs beside
-- this one asks for the upkeep meanwhile.

CREATE FUNCTION maintain_audit_partitions() RETURNS void
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
        -- Without the row nothing goes.
        JOIN audit_retention kept ON true
        WHERE i.inhparent = 'audit_events'::regclass
          AND c.relname ~ '^audit_events_[0-9]{6}$'
          AND to_timestamp(right(c.relname, 6), 'YYYYMM') + interval '1 month' < now() - kept.retention
    LOOP
        EXECUTE format('DROP TABLE %I', old.relname);
    END LOOP;
END
$$;

COMMENT ON FUNCTION maintain_audit_partitions() IS
    'Makes the partitions of this month and the next two, drops those whose last row is older than audit_retention says. Gives up rather than make calls wait.';

REVOKE ALL ON FUNCTION maintain_audit_partitions() FROM PUBLIC;

-- The release before this one still names a time, which counts no more. The next release drops this function.
CREATE OR REPLACE FUNCTION maintain_audit_partitions(retention interval) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM maintain_audit_partitions();
END
$$;

COMMENT ON FUNCTION maintain_audit_partitions(interval) IS
    'As maintain_audit_partitions(), for the release before; the time is not read.';

-- What the mailer said about each attempt.
CREATE TABLE delivery_attempts (
    event_id uuid NOT NULL,
    attempt integer NOT NULL,
    attempt_time timestamptz NOT NULL,
    outcome smallint NOT NULL,
    relay text NOT NULL,
    smtp_code integer NOT NULL,
    enhanced_code text NOT NULL,
    phase text NOT NULL,
    duration_ms bigint NOT NULL,
    record_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, attempt)
);

CREATE INDEX delivery_attempts_record_time ON delivery_attempts (record_time);

COMMENT ON TABLE delivery_attempts IS 'Attempts to deliver a mail, as the mailer reported them.';
COMMENT ON COLUMN delivery_attempts.event_id IS 'The mail event.';
COMMENT ON COLUMN delivery_attempts.attempt IS 'Number of the attempt, from 1.';
COMMENT ON COLUMN delivery_attempts.attempt_time IS 'When it began, by the mailer''s clock.';
COMMENT ON COLUMN delivery_attempts.outcome IS 'sandi.identity.v1.DeliveryState it came to.';
COMMENT ON COLUMN delivery_attempts.relay IS 'Host name of the mail server.';
COMMENT ON COLUMN delivery_attempts.smtp_code IS 'SMTP reply code; 0: none.';
COMMENT ON COLUMN delivery_attempts.enhanced_code IS 'Enhanced status code (RFC 3463); may be empty.';
COMMENT ON COLUMN delivery_attempts.phase IS 'connect, tls, auth, mail, rcpt, data, final or bounce.';
COMMENT ON COLUMN delivery_attempts.duration_ms IS 'How long it took, in milliseconds.';
COMMENT ON COLUMN delivery_attempts.record_time IS 'When the status arrived here.';

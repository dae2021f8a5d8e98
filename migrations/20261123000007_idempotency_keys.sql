-- Successes of calls that carried an idempotency key, for 24 hours. Failures are not stored.
CREATE TABLE idempotency_keys (
    caller text NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    resource_id uuid,
    credential_version bigint,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, idempotency_key)
);

CREATE INDEX idempotency_keys_create_time ON idempotency_keys (create_time);

COMMENT ON TABLE idempotency_keys IS 'Answers to repeat when a caller repeats a call with the same key.';
COMMENT ON COLUMN idempotency_keys.caller IS 'Name of the service that called; keys of different callers never meet.';
COMMENT ON COLUMN idempotency_keys.idempotency_key IS 'At most 128 printable ASCII characters.';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'HMAC-SHA-256 of method and fields, without passwords.';
COMMENT ON COLUMN idempotency_keys.resource_id IS 'What the call made or changed; the answer is built from it, so that no address is kept here.';
COMMENT ON COLUMN idempotency_keys.credential_version IS 'The version that a password call answered.';
COMMENT ON COLUMN idempotency_keys.create_time IS 'When the call succeeded.';

-- What people asked for, before anybody looks whether they exist. RequestReset inserts here and does nothing else.
CREATE TABLE reset_requests (
    request_id uuid PRIMARY KEY,
    caller text NOT NULL,
    identifier_kind smallint NOT NULL,
    identifier text,
    locale text,
    device text NOT NULL,
    ip_prefix text,
    tries smallint NOT NULL DEFAULT 0,
    due_time timestamptz DEFAULT now(),
    request_time timestamptz NOT NULL DEFAULT now(),
    traceparent text,
    tracestate text
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

-- The issuer takes what is due, oldest first; finished rows have no due time.
CREATE INDEX reset_requests_due ON reset_requests (due_time) WHERE due_time IS NOT NULL;
CREATE INDEX reset_requests_request_time ON reset_requests (request_time);

COMMENT ON TABLE reset_requests IS 'Accepted reset requests; a finished one has its resets beside it.';
COMMENT ON COLUMN reset_requests.request_id IS 'UUID version 7, given to the caller.';
COMMENT ON COLUMN reset_requests.caller IS 'Name of the service that called.';
COMMENT ON COLUMN reset_requests.identifier_kind IS '1: a username was typed; 2: an address.';
COMMENT ON COLUMN reset_requests.identifier IS 'What was typed; emptied as soon as the request is issued, because people type passwords into that box.';
COMMENT ON COLUMN reset_requests.locale IS 'The requester''s language, if the caller may speak for one.';
COMMENT ON COLUMN reset_requests.device IS 'Kind of device, such as Chrome on Android; may be empty.';
COMMENT ON COLUMN reset_requests.ip_prefix IS 'The requester''s /24 or /48, for the audit.';
COMMENT ON COLUMN reset_requests.tries IS 'How often issuing failed by our own fault.';
COMMENT ON COLUMN reset_requests.due_time IS 'When the issuer may take it; NULL: finished.';
COMMENT ON COLUMN reset_requests.request_time IS 'When it was accepted.';
COMMENT ON COLUMN reset_requests.traceparent IS 'W3C trace context of the call.';
COMMENT ON COLUMN reset_requests.tracestate IS 'W3C trace state of the call.';

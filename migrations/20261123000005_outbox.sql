-- Events on their way out. A mail's row stays until its final status, so the schedule survives the loss of the broker's disk.
CREATE TABLE outbox (
    event_id uuid PRIMARY KEY,
    routing_key text NOT NULL,
    organization_id uuid NOT NULL,
    header bytea NOT NULL,
    body bytea NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    due_time timestamptz DEFAULT now(),
    lease_time timestamptz,
    heard_time timestamptz,
    silences smallint NOT NULL DEFAULT 0,
    unknowns smallint NOT NULL DEFAULT 0,
    expire_time timestamptz,
    create_time timestamptz NOT NULL DEFAULT now(),
    traceparent text,
    tracestate text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200);

CREATE INDEX outbox_due ON outbox (due_time) WHERE due_time IS NOT NULL;
-- Published, without a status so far.
CREATE INDEX outbox_heard ON outbox (heard_time) WHERE due_time IS NULL;
CREATE INDEX outbox_expire ON outbox (expire_time) WHERE expire_time IS NOT NULL;

COMMENT ON TABLE outbox IS 'Events to publish, and mails whose outcome is not final yet.';
COMMENT ON COLUMN outbox.event_id IS 'UUID version 7; message_id on the broker, and part of the Message-ID.';
COMMENT ON COLUMN outbox.routing_key IS 'Routing key on the exchange identity.events.';
COMMENT ON COLUMN outbox.organization_id IS 'The organisation the event is about.';
COMMENT ON COLUMN outbox.header IS 'Serialised MailHeader, the associated data of the seal; empty for events in the clear.';
COMMENT ON COLUMN outbox.body IS 'The sealed private part, or an event in the clear; removed with the row.';
COMMENT ON COLUMN outbox.attempt IS 'Number of the delivery attempt, from 1.';
COMMENT ON COLUMN outbox.due_time IS 'When the relay may publish it; NULL: published, waiting for a status.';
COMMENT ON COLUMN outbox.lease_time IS 'Until when another relay leaves a claimed row alone.';
COMMENT ON COLUMN outbox.heard_time IS 'Last publication or status; long silence makes the relay publish again.';
COMMENT ON COLUMN outbox.silences IS 'How often it was published again for silence, at most 3.';
COMMENT ON COLUMN outbox.unknowns IS 'How often the mail server fell silent after the content; the second is final.';
COMMENT ON COLUMN outbox.expire_time IS 'No mail after this; NULL: never expires.';
COMMENT ON COLUMN outbox.create_time IS 'When the event was written.';
COMMENT ON COLUMN outbox.traceparent IS 'W3C trace context of the call or request.';
COMMENT ON COLUMN outbox.tracestate IS 'W3C trace state of the call or request.';

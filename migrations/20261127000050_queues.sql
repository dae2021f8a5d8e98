-- Whoever works through a queue remembers where it is, by time and id, and so leaves the dead entries of what is done
-- behind: the claim of a batch costs the same however many were claimed before it.
--
-- The indexes are made in this transaction, and not concurrently, because both tables are read once for them, which
-- holds up new requests for about a quarter of a second with a million of rows; and a concurrent one that breaks off
-- leaves an invalid index behind.
-- squawk-ignore-file require-concurrent-index-creation, require-concurrent-index-deletion
CREATE INDEX reset_requests_queue ON reset_requests (due_time, request_id) WHERE due_time IS NOT NULL;
DROP INDEX reset_requests_due;
CREATE INDEX outbox_queue ON outbox (due_time, event_id) WHERE due_time IS NOT NULL;
DROP INDEX outbox_due;

-- The canary is found among everybody's requests.
CREATE INDEX reset_requests_canary ON reset_requests (request_time) WHERE caller = '(canary)';

-- A queue is short, and every row of it dies soon: vacuum by number and without pauses, whatever the table's size.
ALTER TABLE outbox SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE reset_requests SET (
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- The trace of a reset, so that the use of its link can be linked to it.
ALTER TABLE resets ADD COLUMN traceparent text;

COMMENT ON COLUMN resets.traceparent IS 'W3C trace context in which it was issued.';

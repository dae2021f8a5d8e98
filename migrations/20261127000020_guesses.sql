-- Wrong passwords: how many in a row, from where, and how long the next attempt waits.
CREATE TABLE guesses (
    subject uuid NOT NULL,
    source uuid NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    pending integer NOT NULL DEFAULT 0,
    attempt_time timestamptz NOT NULL,
    wait_until timestamptz,
    log_in_day date,
    attempt_day date NOT NULL,
    PRIMARY KEY (subject, source)
    -- Two updates for each log-in find room on the page of the row.
) WITH (fillfactor = 70);

-- To forget by. Of days only, so that the second log-in of a day leaves the indexes as they are.
CREATE INDEX guesses_attempt_day ON guesses (attempt_day) WHERE log_in_day IS NULL;
CREATE INDEX guesses_log_in_day ON guesses (log_in_day) WHERE log_in_day IS NOT NULL;

COMMENT ON TABLE guesses IS 'Attempts to prove a password, by whose it would be and where they come from.';
COMMENT ON COLUMN guesses.subject IS 'The user; of a name that nobody has, a keyed digest of it.';
COMMENT ON COLUMN guesses.source IS 'Keyed digest of the network that attempts come from; ffffffff-ffff-ffff-ffff-ffffffffffff: all that the person has not logged in from.';
COMMENT ON COLUMN guesses.failures IS 'Wrong passwords in a row.';
COMMENT ON COLUMN guesses.pending IS 'Attempts whose end is not known yet. They count as wrong if nobody tells it within 30 seconds.';
COMMENT ON COLUMN guesses.attempt_time IS 'When an attempt was last let through.';
COMMENT ON COLUMN guesses.wait_until IS 'Until when no attempt is let through; NULL: there is nothing to wait for.';
COMMENT ON COLUMN guesses.log_in_day IS 'The day of the last right password from here; NULL: there was none, or the network is not known.';
COMMENT ON COLUMN guesses.attempt_day IS 'The day of attempt_time, to forget by.';

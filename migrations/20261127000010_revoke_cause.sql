-- Support is asked why a link no longer worked, and should not have to guess.
ALTER TABLE resets ADD COLUMN revoke_cause smallint;

COMMENT ON COLUMN resets.revoke_cause IS 'What ended a REVOKED link: 1 another link was used, 2 the password, 3 the address or 4 the username changed, 5 the user was disabled, 6 an admin revoked it; NULL: not on record.';

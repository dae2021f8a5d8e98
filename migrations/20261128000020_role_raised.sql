-- One cause more; the release before reads it as one that is not on record.
COMMENT ON COLUMN resets.revoke_cause IS 'What ended a REVOKED link: 1 another link was used, 2 the password, 3 the address or 4 the username changed, 5 the user was disabled, 6 an admin revoked it, 7 the user was given a higher role; NULL: not on record.';

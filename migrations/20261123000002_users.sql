-- The people, their addresses and password hashes. The only table that keeps addresses.
CREATE TABLE users (
    user_id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    username text COLLATE "C" NOT NULL UNIQUE,
    display_name text NOT NULL,
    email text COLLATE "C",
    locale text,
    role smallint NOT NULL,
    state smallint NOT NULL,
    password_hash text,
    credential_version bigint NOT NULL,
    password_change_time timestamptz,
    address_change_time timestamptz NOT NULL DEFAULT now(),
    undeliverable_since timestamptz,
    undeliverable_code text,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now()
);

-- Reset requests by address, and the list of an organisation by name or display name.
CREATE INDEX users_email ON users (email, state, create_time DESC);
CREATE INDEX users_organization_username ON users (organization_id, username);
CREATE INDEX users_organization_role ON users (organization_id, role);
-- The collation folds letters beyond ASCII, whatever the database's own one is.
CREATE INDEX users_organization_display_name
    ON users (organization_id, lower(display_name COLLATE "und-x-icu") text_pattern_ops);

COMMENT ON TABLE users IS 'People who log in.';
COMMENT ON COLUMN users.user_id IS 'UUID version 7.';
COMMENT ON COLUMN users.organization_id IS 'The organisation the user belongs to; never changes.';
COMMENT ON COLUMN users.username IS 'Canonical (RFC 8265 UsernameCaseMapped), unique across the instance, compared as bytes.';
COMMENT ON COLUMN users.display_name IS 'Name shown to people; may be empty.';
COMMENT ON COLUMN users.email IS 'Where links go, byte for byte; not unique; NULL: no address.';
COMMENT ON COLUMN users.locale IS 'id or en; NULL: the organisation''s.';
COMMENT ON COLUMN users.role IS 'sandi.identity.v1.Role.';
COMMENT ON COLUMN users.state IS 'sandi.identity.v1.UserState.';
COMMENT ON COLUMN users.password_hash IS 'Argon2id as a PHC string; NULL: no password yet.';
COMMENT ON COLUMN users.credential_version IS 'Grows with every reset, change, first password and disabling; sessions made under another one are over.';
COMMENT ON COLUMN users.password_change_time IS 'When the password was last set.';
COMMENT ON COLUMN users.address_change_time IS 'When the address was last set; a bounce of an older mail says nothing about it.';
COMMENT ON COLUMN users.undeliverable_since IS 'When the address was first refused for good (5.1.x, 5.2.1); NULL: never, or accepted since.';
COMMENT ON COLUMN users.undeliverable_code IS 'The enhanced status code (RFC 3463) of that refusal.';
COMMENT ON COLUMN users.create_time IS 'When the row was made.';
COMMENT ON COLUMN users.update_time IS 'When the row last changed.';

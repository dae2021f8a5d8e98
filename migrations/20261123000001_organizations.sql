-- The organisations of the CRM. Callers with `directory.write` are their system of record.
CREATE TABLE organizations (
    organization_id uuid PRIMARY KEY,
    slug text COLLATE "C" NOT NULL UNIQUE,
    display_name text NOT NULL,
    locale text NOT NULL,
    time_zone text NOT NULL,
    link_base text NOT NULL,
    support_contact text NOT NULL,
    sender_name text NOT NULL,
    reply_to text NOT NULL,
    suspended boolean NOT NULL,
    password_min_length integer NOT NULL CHECK (password_min_length >= 8),
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE organizations IS 'Organisations: brand, languages, link base and password policy.';
COMMENT ON COLUMN organizations.organization_id IS 'UUID version 7.';
COMMENT ON COLUMN organizations.slug IS 'Short name, unique: lower-case letters, digits, hyphens.';
COMMENT ON COLUMN organizations.display_name IS 'Name shown to people.';
COMMENT ON COLUMN organizations.locale IS 'Language of mails to users without one of their own: id or en.';
COMMENT ON COLUMN organizations.time_zone IS 'IANA name; times in mails are given in it.';
COMMENT ON COLUMN organizations.link_base IS 'What links begin with; https, or http on loopback in development mode.';
COMMENT ON COLUMN organizations.support_contact IS 'Where mails tell people to ask for help; may be empty.';
COMMENT ON COLUMN organizations.sender_name IS 'Display name of the sender; empty: product and organisation.';
COMMENT ON COLUMN organizations.reply_to IS 'Reply-To of mails; may be empty.';
COMMENT ON COLUMN organizations.suspended IS 'True: its users behave as disabled ones.';
COMMENT ON COLUMN organizations.password_min_length IS 'Least length of a new password in code points (NIST SP 800-63B-4: 15, floor 8).';
COMMENT ON COLUMN organizations.create_time IS 'When the row was made.';
COMMENT ON COLUMN organizations.update_time IS 'When the row last changed.';

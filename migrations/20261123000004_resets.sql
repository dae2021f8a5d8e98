-- One row for one link for one account, or for the reason why there is none.
CREATE TABLE resets (
    reset_id uuid PRIMARY KEY,
    request_id uuid,
    event_id uuid,
    kind smallint NOT NULL,
    user_id uuid REFERENCES users,
    organization_id uuid REFERENCES organizations,
    token_digest bytea UNIQUE,
    delivery_state smallint NOT NULL,
    not_sent_reason smallint NOT NULL DEFAULT 0,
    link_state smallint NOT NULL,
    request_time timestamptz NOT NULL,
    issue_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz,
    view_time timestamptz,
    complete_time timestamptz,
    next_attempt_time timestamptz,
    hold_time timestamptz,
    cool_until timestamptz,
    requested_by uuid,
    reason text NOT NULL DEFAULT '',
    support_code text,
    update_time timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);

-- No index depends on the state of a link: statistics taken while none is live would mislead the planner.
CREATE INDEX resets_user ON resets (user_id, request_time DESC, reset_id DESC);
CREATE INDEX resets_organization ON resets (organization_id, request_time DESC, reset_id DESC);
CREATE INDEX resets_request_time ON resets (request_time DESC, reset_id DESC);
CREATE INDEX resets_request ON resets (request_id);
CREATE INDEX resets_event ON resets (event_id);
CREATE INDEX resets_support_code ON resets (support_code);

COMMENT ON TABLE resets IS 'Links and what became of them and of the mail that carried them.';
COMMENT ON COLUMN resets.reset_id IS 'UUID version 7.';
COMMENT ON COLUMN resets.request_id IS 'The request it answers; NULL for an admin''s reset or an invitation.';
COMMENT ON COLUMN resets.event_id IS 'The mail event that carries the link; several resets may share one; NULL: no mail.';
COMMENT ON COLUMN resets.kind IS 'sandi.identity.v1.ResetKind.';
COMMENT ON COLUMN resets.user_id IS 'Whose password the link may set; NULL: no such account.';
COMMENT ON COLUMN resets.organization_id IS 'That user''s organisation.';
COMMENT ON COLUMN resets.token_digest IS 'SHA-256 of the token (256 random bits, so no salt is needed); the token itself is nowhere.';
COMMENT ON COLUMN resets.delivery_state IS 'sandi.identity.v1.DeliveryState.';
COMMENT ON COLUMN resets.not_sent_reason IS 'sandi.identity.v1.NotSentReason; 0 unless NOT_SENT.';
COMMENT ON COLUMN resets.link_state IS 'sandi.identity.v1.LinkState; EXPIRED is derived from expire_time when read.';
COMMENT ON COLUMN resets.request_time IS 'When it was asked for.';
COMMENT ON COLUMN resets.issue_time IS 'When the link was made, or found not to be made.';
COMMENT ON COLUMN resets.expire_time IS 'When the link ends, by this database''s clock; NULL: no link.';
COMMENT ON COLUMN resets.view_time IS 'First CheckReset of the link.';
COMMENT ON COLUMN resets.complete_time IS 'When the link set a password.';
COMMENT ON COLUMN resets.next_attempt_time IS 'When a deferred mail is tried again.';
COMMENT ON COLUMN resets.hold_time IS 'Since when the mail waits for our own mail server.';
COMMENT ON COLUMN resets.cool_until IS 'For COOLING_DOWN: from when a new request is mailed again.';
COMMENT ON COLUMN resets.requested_by IS 'The admin who asked; NULL otherwise.';
COMMENT ON COLUMN resets.reason IS 'The admin''s or support''s reason.';
COMMENT ON COLUMN resets.support_code IS 'The code in the mail''s footer, one a mail.';
COMMENT ON COLUMN resets.update_time IS 'When the row last changed.';

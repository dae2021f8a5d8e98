//! Table `resets`: links, and what became of them and of their mails.

use std::collections::{BTreeMap, HashMap};

use runtime::trace::TraceContext;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::delivery_attempts::{self, Attempt};
use super::{Result, column};
use crate::domain::states::{DeliveryEvent, DeliveryState, LinkState, NotSentReason, ResetKind, RevokeCause};
use crate::domain::token::TokenDigest;

/// A reset to insert; `issue_time` is set by the database.
pub struct NewReset {
    /// UUID version 7.
    pub reset_id: Uuid,
    /// The request it answers.
    pub request_id: Option<Uuid>,
    /// The mail that carries the link.
    pub event_id: Option<Uuid>,
    /// Who asked.
    pub kind: ResetKind,
    /// Whose password; none: no such account.
    pub user_id: Option<Uuid>,
    /// That user's organisation.
    pub organization_id: Option<Uuid>,
    /// SHA-256 of the token; none: no link.
    pub token_digest: Option<TokenDigest>,
    /// Why no mail is sent; none: one is.
    pub not_sent_reason: Option<NotSentReason>,
    /// When it was asked for.
    pub request_time: OffsetDateTime,
    /// When the link ends.
    pub expire_time: Option<OffsetDateTime>,
    /// From when a new request is mailed again.
    pub cool_until: Option<OffsetDateTime>,
    /// The admin who asked.
    pub requested_by: Option<Uuid>,
    /// The reason given.
    pub reason: String,
    /// The code in the mail's footer.
    pub support_code: Option<String>,
    /// The trace it is issued in.
    pub traceparent: Option<String>,
}

impl NewReset {
    fn delivery_state(&self) -> DeliveryState {
        if self.not_sent_reason.is_some() { DeliveryState::NotSent } else { DeliveryState::Pending }
    }

    fn link_state(&self) -> LinkState {
        if self.token_digest.is_some() { LinkState::Live } else { LinkState::NotIssued }
    }
}

/// A reset as people read it.
#[derive(Debug, Clone)]
pub struct Reset {
    /// UUID version 7.
    pub reset_id: Uuid,
    /// The request it answers.
    pub request_id: Option<Uuid>,
    /// The mail that carries the link.
    pub event_id: Option<Uuid>,
    /// Who asked.
    pub kind: ResetKind,
    /// Whose password; none: no such account.
    pub user_id: Option<Uuid>,
    /// That user's organisation.
    pub organization_id: Option<Uuid>,
    /// What became of the mail.
    pub delivery_state: DeliveryState,
    /// Why no mail was sent.
    pub not_sent_reason: Option<NotSentReason>,
    /// What became of the link; EXPIRED is derived here.
    pub link_state: LinkState,
    /// What ended the link before its time, if that is on record.
    pub revoke_cause: Option<RevokeCause>,
    /// When it was asked for.
    pub request_time: OffsetDateTime,
    /// When the link ends.
    pub expire_time: Option<OffsetDateTime>,
    /// First CheckReset.
    pub view_time: Option<OffsetDateTime>,
    /// When it set a password.
    pub complete_time: Option<OffsetDateTime>,
    /// When a deferred mail is tried again.
    pub next_attempt_time: Option<OffsetDateTime>,
    /// Since when the mail waits for our own mail server.
    pub hold_time: Option<OffsetDateTime>,
    /// From when a new request is mailed again.
    pub cool_until: Option<OffsetDateTime>,
    /// The admin who asked.
    pub requested_by: Option<Uuid>,
    /// The reason given.
    pub reason: String,
    /// The code in the mail's footer.
    pub support_code: Option<String>,
    /// What the mailer tried.
    pub attempts: Vec<Attempt>,
}

/// A link as its token finds it.
#[derive(Debug, Clone)]
pub struct Link {
    /// The reset.
    pub reset_id: Uuid,
    /// Whose password.
    pub user_id: Uuid,
    /// EXPIRED is derived.
    pub state: LinkState,
    /// When it ends.
    pub expire_time: OffsetDateTime,
    /// The trace it was issued in.
    pub trace: TraceContext,
}

/// A mail the account got in the last day, for the silent limits.
#[derive(Debug, Clone, FromRow)]
pub struct CountedMail {
    /// The account.
    pub user_id: Uuid,
    /// When the link was made.
    pub issue_time: OffsetDateTime,
    /// When it ends.
    pub expire_time: OffsetDateTime,
    /// Whether the link may still be used.
    pub live: bool,
}

/// What a list is of.
pub struct Filter {
    /// Only this organisation's.
    pub organization_id: Option<Uuid>,
    /// Only this user's.
    pub user_id: Option<Uuid>,
    /// After this reset of the page before.
    pub cursor: Option<Uuid>,
}

#[derive(FromRow)]
struct ResetRow {
    reset_id: Uuid,
    request_id: Option<Uuid>,
    event_id: Option<Uuid>,
    kind: i16,
    user_id: Option<Uuid>,
    organization_id: Option<Uuid>,
    delivery_state: i16,
    not_sent_reason: i16,
    link_state: i16,
    over: bool,
    revoke_cause: Option<i16>,
    request_time: OffsetDateTime,
    expire_time: Option<OffsetDateTime>,
    view_time: Option<OffsetDateTime>,
    complete_time: Option<OffsetDateTime>,
    next_attempt_time: Option<OffsetDateTime>,
    hold_time: Option<OffsetDateTime>,
    cool_until: Option<OffsetDateTime>,
    requested_by: Option<Uuid>,
    reason: String,
    support_code: Option<String>,
}

impl From<ResetRow> for Reset {
    fn from(row: ResetRow) -> Self {
        Self {
            reset_id: row.reset_id,
            request_id: row.request_id,
            event_id: row.event_id,
            kind: ResetKind::from_i16(row.kind).unwrap_or(ResetKind::SelfService),
            user_id: row.user_id,
            organization_id: row.organization_id,
            delivery_state: DeliveryState::from_i16(row.delivery_state).unwrap_or(DeliveryState::Unknown),
            not_sent_reason: NotSentReason::from_i16(row.not_sent_reason),
            link_state: link_state(row.link_state, row.over),
            revoke_cause: row.revoke_cause.and_then(RevokeCause::from_i16),
            request_time: row.request_time,
            expire_time: row.expire_time,
            view_time: row.view_time,
            complete_time: row.complete_time,
            next_attempt_time: row.next_attempt_time,
            hold_time: row.hold_time,
            cool_until: row.cool_until,
            requested_by: row.requested_by,
            reason: row.reason,
            support_code: row.support_code,
            attempts: Vec::new(),
        }
    }
}

fn link_state(number: i16, over: bool) -> LinkState {
    LinkState::from_i16(number).unwrap_or(LinkState::NotIssued).at(over)
}

macro_rules! reset_columns {
    () => {
        "reset_id, request_id, event_id, kind, user_id, organization_id, delivery_state, not_sent_reason,
         link_state, COALESCE(expire_time <= clock_timestamp(), false) AS over, revoke_cause,
         request_time, expire_time, view_time, complete_time, next_attempt_time, hold_time, cool_until, requested_by, reason, support_code"
    };
}

/// Inserts resets, in one statement.
///
/// # Errors
/// The database's.
pub async fn insert(connection: &mut PgConnection, resets: &[NewReset]) -> Result<()> {
    if resets.is_empty() {
        return Ok(());
    }
    let mut statement = QueryBuilder::new("");
    push_insert(&mut statement, resets);
    statement.build().execute(connection).await?;
    Ok(())
}

/// Writes the insertion of resets into a statement: of one text, however many there are, so that it is prepared once.
pub(super) fn push_insert(statement: &mut QueryBuilder<Postgres>, resets: &[NewReset]) {
    statement.push(
        "INSERT INTO resets
             (reset_id, request_id, event_id, kind, user_id, organization_id, token_digest, delivery_state,
              not_sent_reason, link_state, request_time, expire_time, cool_until, requested_by, reason, support_code,
              traceparent)
         SELECT * FROM unnest(",
    );
    let mut columns = statement.separated(", ");
    columns
        .push_bind(column(resets, |it| it.reset_id))
        .push_bind(column(resets, |it| it.request_id))
        .push_bind(column(resets, |it| it.event_id))
        .push_bind(column(resets, |it| it.kind.as_i16()))
        .push_bind(column(resets, |it| it.user_id))
        .push_bind(column(resets, |it| it.organization_id))
        .push_bind(column(resets, |it| it.token_digest.as_ref().map(|digest| digest.0.as_slice())))
        .push_bind(column(resets, |it| it.delivery_state().as_i16()))
        .push_bind(column(resets, |it| it.not_sent_reason.map_or(0, NotSentReason::as_i16)))
        .push_bind(column(resets, |it| it.link_state().as_i16()))
        .push_bind(column(resets, |it| it.request_time))
        .push_bind(column(resets, |it| it.expire_time))
        .push_bind(column(resets, |it| it.cool_until))
        .push_bind(column(resets, |it| it.requested_by))
        .push_bind(column(resets, |it| it.reason.as_str()))
        .push_bind(column(resets, |it| it.support_code.as_deref()))
        .push_bind(column(resets, |it| it.traceparent.as_deref()))
        .push_unseparated(")");
}

/// Finds the link of a token, whatever its state, and whose account to read beside it: of a token that never was, that of
/// its neighbour in the index, so that it takes as long as one that was. Nil if it has none.
///
/// # Errors
/// The database's.
pub async fn link(connection: &mut PgConnection, digest: &TokenDigest) -> Result<(Option<Link>, Uuid)> {
    type Row = (bool, Uuid, Uuid, i16, OffsetDateTime, bool, Option<String>);
    let row: Option<Row> = sqlx::query_as(
        "SELECT token_digest = $1, reset_id, user_id, link_state, expire_time, expire_time <= clock_timestamp(), traceparent
         FROM resets
         WHERE token_digest >= $1
         ORDER BY token_digest
         LIMIT 1",
    )
    .bind(digest.0.as_slice())
    .fetch_optional(connection)
    .await?;
    let Some((found, reset_id, user_id, state, expire_time, over, traceparent)) = row else {
        return Ok((None, Uuid::nil()));
    };
    let trace = TraceContext { traceparent, tracestate: None };
    let link = Link { reset_id, user_id, state: link_state(state, over), expire_time, trace };
    Ok((found.then_some(link), user_id))
}

/// Notes the first view of a link.
///
/// # Errors
/// The database's.
pub async fn view(connection: &mut PgConnection, reset_id: Uuid) -> Result<()> {
    sqlx::query(
        "UPDATE resets SET view_time = now(), update_time = now()
         WHERE reset_id = $1 AND view_time IS NULL",
    )
    .bind(reset_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Consumes a live link: checks and changes in one statement. False: it was not live any more.
///
/// # Errors
/// The database's.
pub async fn complete(connection: &mut PgConnection, reset_id: Uuid) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE resets
         SET link_state = $2, complete_time = now(), update_time = now()
         WHERE reset_id = $1 AND link_state = $3 AND expire_time > clock_timestamp()",
    )
    .bind(reset_id)
    .bind(LinkState::Completed.as_i16())
    .bind(LinkState::Live.as_i16())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Revokes every live link of a user, and lets the relay look at once at mails that were to be tried again.
///
/// # Errors
/// The database's.
pub async fn revoke_all(connection: &mut PgConnection, user_id: Uuid, cause: RevokeCause) -> Result<()> {
    let event_ids: Vec<Uuid> = sqlx::query_scalar(
        "UPDATE resets SET link_state = $2, revoke_cause = $4, update_time = now()
         WHERE user_id = $1 AND link_state = $3 AND expire_time > clock_timestamp()
         RETURNING event_id",
    )
    .bind(user_id)
    .bind(LinkState::Revoked.as_i16())
    .bind(LinkState::Live.as_i16())
    .bind(cause.as_i16())
    .fetch_all(&mut *connection)
    .await?;
    look_at(connection, &event_ids).await
}

/// Revokes one live link. False: it was not live any more.
///
/// # Errors
/// The database's.
pub async fn revoke(connection: &mut PgConnection, reset_id: Uuid, cause: RevokeCause) -> Result<bool> {
    let event_ids: Vec<Uuid> = sqlx::query_scalar(
        "UPDATE resets SET link_state = $2, revoke_cause = $4, update_time = now()
         WHERE reset_id = $1 AND link_state = $3 AND expire_time > clock_timestamp()
         RETURNING event_id",
    )
    .bind(reset_id)
    .bind(LinkState::Revoked.as_i16())
    .bind(LinkState::Live.as_i16())
    .bind(cause.as_i16())
    .fetch_all(&mut *connection)
    .await?;
    look_at(connection, &event_ids).await?;
    Ok(!event_ids.is_empty())
}

/// Lets the relay look now at mails that were to be tried later and have no live link left. Others are not touched:
/// whoever handles their status has locked them, and is about to change the rows that this transaction has changed.
///
/// By their ids, so that no plan depends on how many mails happen to be due: a bare comparison of the due time would
/// let the planner read the queue instead.
async fn look_at(connection: &mut PgConnection, event_ids: &[Uuid]) -> Result<()> {
    if event_ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE outbox o
         SET due_time = now()
         WHERE o.event_id = ANY($1)
           AND CASE WHEN o.due_time > now() THEN true ELSE false END
           AND NOT EXISTS (SELECT FROM resets r WHERE r.event_id = o.event_id AND r.link_state = $2)",
    )
    .bind(event_ids)
    .bind(LinkState::Live.as_i16())
    .execute(connection)
    .await?;
    Ok(())
}

/// The mails of the last 24 hours that count against the silent limits: a person's own requests
/// whose mail did not fail.
///
/// # Errors
/// The database's.
pub async fn counted_mails(connection: &mut PgConnection, user_ids: &[Uuid]) -> Result<Vec<CountedMail>> {
    Ok(sqlx::query_as(
        "SELECT user_id, issue_time, expire_time,
                link_state = $2 AND expire_time > clock_timestamp() AS live
         FROM resets
         WHERE user_id = ANY($1) AND kind = $3 AND event_id IS NOT NULL AND delivery_state <> ALL($4)
           AND request_time > now() - interval '49 hours' AND issue_time > now() - interval '24 hours'",
    )
    .bind(user_ids)
    .bind(LinkState::Live.as_i16())
    .bind(ResetKind::SelfService.as_i16())
    .bind([DeliveryState::NotSent.as_i16(), DeliveryState::Bounced.as_i16()].as_slice())
    .fetch_all(connection)
    .await?)
}

/// A mail, and when it is tried again.
pub type Moved = (Uuid, Option<OffsetDateTime>);

/// Moves the resets of these mails on, as the table of transitions says. What is better known stays. Of each mail that
/// moved it returns the kind of its reset and how long ago that was asked for, in seconds.
///
/// # Errors
/// The database's.
pub async fn advance(
    connection: &mut PgConnection,
    mails: &[Moved],
    event: DeliveryEvent,
) -> Result<Vec<(ResetKind, f64)>> {
    if mails.is_empty() {
        return Ok(Vec::new());
    }
    let mut moves: BTreeMap<i16, Vec<i16>> = BTreeMap::new();
    for from in DeliveryState::ALL.iter().copied() {
        if let Some(to) = from.after(event) {
            moves.entry(to.as_i16()).or_default().push(from.as_i16());
        }
    }
    let (event_ids, next): (Vec<Uuid>, Vec<Option<OffsetDateTime>>) = mails.iter().copied().unzip();
    let reason = match event {
        DeliveryEvent::NotSent(reason) => reason.as_i16(),
        _ => 0,
    };
    let mut moved: BTreeMap<Uuid, (i16, f64)> = BTreeMap::new();
    for (to, from) in moves {
        let rows: Vec<(Uuid, i16, f64)> = sqlx::query_as(
            "UPDATE resets r
             SET delivery_state = $3, not_sent_reason = $4, next_attempt_time = m.next_attempt_time, update_time = now(),
                 hold_time = CASE WHEN $3 = $6 THEN COALESCE(r.hold_time, now()) END
             FROM unnest($1::uuid[], $2::timestamptz[]) AS m (event_id, next_attempt_time)
             WHERE r.event_id = m.event_id AND r.delivery_state = ANY($5)
             RETURNING r.event_id, r.kind, extract(epoch FROM clock_timestamp() - r.request_time)::float8",
        )
        .bind(&event_ids)
        .bind(&next)
        .bind(to)
        .bind(reason)
        .bind(from)
        .bind(DeliveryState::Held.as_i16())
        .fetch_all(&mut *connection)
        .await?;
        moved.extend(rows.into_iter().map(|(event_id, kind, ago)| (event_id, (kind, ago))));
    }
    if event.is_final() && DeliveryState::Unknown.after(event).is_none() {
        // It stays UNKNOWN, and is not tried again.
        let never: Vec<Moved> = event_ids.into_iter().map(|event_id| (event_id, None)).collect();
        expect_attempts(connection, &never).await?;
    }
    Ok(moved.into_values().filter_map(|(kind, ago)| Some((ResetKind::from_i16(kind)?, ago))).collect())
}

/// Notes when mails that were put off are tried again; none: no attempt is left. A time that has passed
/// says that the attempt is under way.
///
/// # Errors
/// The database's.
pub async fn expect_attempts(connection: &mut PgConnection, mails: &[Moved]) -> Result<()> {
    let (event_ids, next): (Vec<Uuid>, Vec<Option<OffsetDateTime>>) = mails.iter().copied().unzip();
    sqlx::query(
        "UPDATE resets r SET next_attempt_time = m.next_attempt_time, update_time = now()
         FROM unnest($1::uuid[], $2::timestamptz[]) AS m (event_id, next_attempt_time)
         WHERE r.event_id = m.event_id AND r.delivery_state = ANY($3)",
    )
    .bind(event_ids)
    .bind(next)
    .bind([DeliveryState::Deferred, DeliveryState::Held, DeliveryState::Unknown].map(DeliveryState::as_i16).as_slice())
    .execute(connection)
    .await?;
    Ok(())
}

/// Which of these mails any reset belongs to, and which: UUIDs, separated by commas.
///
/// # Errors
/// The database's.
pub async fn with_resets(connection: &mut PgConnection, event_ids: &[Uuid]) -> Result<HashMap<Uuid, String>> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT event_id, string_agg(reset_id::text, ',' ORDER BY reset_id)
         FROM resets
         WHERE event_id = ANY($1)
         GROUP BY event_id",
    )
    .bind(event_ids)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Reads one reset.
///
/// # Errors
/// The database's.
pub async fn by_id(connection: &mut PgConnection, reset_id: Uuid) -> Result<Option<Reset>> {
    let rows = sqlx::query_as(concat!("SELECT ", reset_columns!(), " FROM resets WHERE reset_id = $1"))
        .bind(reset_id)
        .fetch_all(&mut *connection)
        .await?;
    Ok(with_attempts(connection, rows).await?.pop())
}

/// Reads the resets of a request, one for each account.
///
/// # Errors
/// The database's.
pub async fn by_request(connection: &mut PgConnection, request_id: Uuid) -> Result<Vec<Reset>> {
    let rows =
        sqlx::query_as(concat!("SELECT ", reset_columns!(), " FROM resets WHERE request_id = $1 ORDER BY reset_id"))
            .bind(request_id)
            .fetch_all(&mut *connection)
            .await?;
    with_attempts(connection, rows).await
}

/// Reads the resets of the mail with this support code.
///
/// # Errors
/// The database's.
pub async fn by_support_code(connection: &mut PgConnection, code: &str) -> Result<Vec<Reset>> {
    let rows = sqlx::query_as(concat!(
        "SELECT ",
        reset_columns!(),
        " FROM resets WHERE support_code = $1 ORDER BY reset_id LIMIT 50"
    ))
    .bind(code)
    .fetch_all(&mut *connection)
    .await?;
    with_attempts(connection, rows).await
}

/// One page, newest first.
///
/// # Errors
/// The database's.
pub async fn list(connection: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<Reset>> {
    let mut query = QueryBuilder::new(concat!("SELECT ", reset_columns!(), " FROM resets WHERE true"));
    if let Some(organization_id) = filter.organization_id {
        query.push(" AND organization_id = ").push_bind(organization_id);
    }
    if let Some(user_id) = filter.user_id {
        query.push(" AND user_id = ").push_bind(user_id);
    }
    if let Some(cursor) = filter.cursor {
        query
            .push(" AND (request_time, reset_id) < (SELECT request_time, reset_id FROM resets WHERE reset_id = ")
            .push_bind(cursor)
            .push(")");
    }
    query.push(" ORDER BY request_time DESC, reset_id DESC LIMIT ").push_bind(limit);
    let rows = query.build_query_as().fetch_all(&mut *connection).await?;
    with_attempts(connection, rows).await
}

async fn with_attempts(connection: &mut PgConnection, rows: Vec<ResetRow>) -> Result<Vec<Reset>> {
    let mut resets: Vec<Reset> = rows.into_iter().map(Reset::from).collect();
    let events: Vec<Uuid> = resets.iter().filter_map(|reset| reset.event_id).collect();
    if events.is_empty() {
        return Ok(resets);
    }
    let attempts = delivery_attempts::of(connection, &events).await?;
    for reset in &mut resets {
        reset.attempts = attempts.iter().filter(|attempt| Some(attempt.event_id) == reset.event_id).cloned().collect();
    }
    Ok(resets)
}

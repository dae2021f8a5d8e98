//! Reading and writing AMQP headers.

use lapin::types::{AMQPValue, FieldTable};
use time::OffsetDateTime;
use uuid::Uuid;

/// Longest list of resets that is read: one mail names five accounts at most.
const RESET_IDS_BYTES: usize = 5 * 37;

/// The W3C trace context as it travels in the headers of a message, and which resets it is about: for logs and traces,
/// and nothing else believes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceHeaders {
    /// `traceparent`
    pub traceparent: Option<String>,
    /// `tracestate`
    pub tracestate: Option<String>,
    /// `reset-id`: UUIDs, separated by commas.
    pub reset_id: Option<String>,
}

impl TraceHeaders {
    /// As long strings: other clients read them as text.
    pub(crate) fn to_table(&self) -> FieldTable {
        let mut table = FieldTable::default();
        let all = [("traceparent", &self.traceparent), ("tracestate", &self.tracestate), ("reset-id", &self.reset_id)];
        for (name, value) in all {
            if let Some(value) = value {
                table.insert(name.into(), AMQPValue::LongString(value.as_str().into()));
            }
        }
        table
    }

    pub(crate) fn from_table(table: Option<&FieldTable>) -> Self {
        let read = |name| table.and_then(|table| text(field(table, name)?));
        let reset_id = read("reset-id").filter(|text| are_ids(text));
        Self { traceparent: read("traceparent"), tracestate: read("tracestate"), reset_id }
    }
}

fn are_ids(text: &str) -> bool {
    text.len() <= RESET_IDS_BYTES && text.split(',').all(|id| Uuid::try_parse(id).is_ok())
}

/// When a message was published, in Unix milliseconds. For a metric: nobody relies on it.
pub(crate) const PUBLISHED: &str = "x-published-ms";

pub(crate) fn put_time(table: &mut FieldTable, name: &str, time: OffsetDateTime) {
    let milliseconds = i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    table.insert(name.into(), AMQPValue::LongLongInt(milliseconds));
}

pub(crate) fn time(table: &FieldTable, name: &str) -> Option<OffsetDateTime> {
    let milliseconds = i128::from(count(field(table, name)?)?);
    OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000).ok()
}

pub(crate) fn field<'a>(table: &'a FieldTable, name: &str) -> Option<&'a AMQPValue> {
    table.inner().get(name)
}

pub(crate) fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

/// Any of the integer types a broker may choose; negative ones count as nothing.
pub(crate) fn count(value: &AMQPValue) -> Option<u64> {
    match *value {
        AMQPValue::ShortShortInt(n) => u64::try_from(n).ok(),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::ShortInt(n) => u64::try_from(n).ok(),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::LongInt(n) => u64::try_from(n).ok(),
        AMQPValue::LongUInt(n) => Some(n.into()),
        AMQPValue::LongLongInt(n) => u64::try_from(n).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_headers_survive_the_way_there_and_back() {
        let headers = TraceHeaders {
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            tracestate: None,
            reset_id: Some(format!("{},{}", Uuid::from_u128(1), Uuid::from_u128(2))),
        };
        assert_eq!(TraceHeaders::from_table(Some(&headers.to_table())), headers);
    }

    #[test]
    fn what_is_no_list_of_resets_is_ignored() {
        let id = Uuid::from_u128(1).to_string();
        for bad in ["", "budi", &format!("{id},"), &format!("{id} "), &[id.as_str(); 6].join(",")] {
            let mut table = FieldTable::default();
            table.insert("reset-id".into(), AMQPValue::LongString(bad.into()));
            assert_eq!(TraceHeaders::from_table(Some(&table)), TraceHeaders::default(), "{bad}");
        }
    }

    #[test]
    fn headers_of_another_type_are_ignored() {
        let mut table = FieldTable::default();
        table.insert("traceparent".into(), AMQPValue::LongInt(1));
        table.insert("tracestate".into(), AMQPValue::LongString(vec![0xff_u8].into()));
        assert_eq!(TraceHeaders::from_table(Some(&table)), TraceHeaders::default());
        assert_eq!(TraceHeaders::from_table(None), TraceHeaders::default());
    }
}

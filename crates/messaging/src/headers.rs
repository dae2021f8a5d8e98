//! Reading and writing AMQP headers.

use lapin::types::{AMQPValue, FieldTable};
use time::OffsetDateTime;

/// The W3C trace context as it travels in the headers of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceHeaders {
    /// `traceparent`
    pub traceparent: Option<String>,
    /// `tracestate`
    pub tracestate: Option<String>,
}

impl TraceHeaders {
    /// As long strings: other clients read them as text.
    pub(crate) fn to_table(&self) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in [("traceparent", &self.traceparent), ("tracestate", &self.tracestate)] {
            if let Some(value) = value {
                table.insert(name.into(), AMQPValue::LongString(value.as_str().into()));
            }
        }
        table
    }

    pub(crate) fn from_table(table: Option<&FieldTable>) -> Self {
        let read = |name| table.and_then(|table| text(field(table, name)?));
        Self { traceparent: read("traceparent"), tracestate: read("tracestate") }
    }
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
        };
        assert_eq!(TraceHeaders::from_table(Some(&headers.to_table())), headers);
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

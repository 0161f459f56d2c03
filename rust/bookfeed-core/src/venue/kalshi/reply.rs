//! Replies to commands, and errors that end a subscription.

use super::fields::Envelope;
use super::{Decoder, ERROR, OK, SUBSCRIBED};
use crate::decode::read::{elements, given, inside, members};
use crate::event::{Body, Place, Reply, ReplyKind};
use crate::fixed::ABSENT;
use crate::instrument::UNKNOWN;
use crate::span::Value;
use std::ops::RangeInclusive;

/// The codes for "this subscription is dead": channel error, buffer overflow.
const TERMINAL_CODES: [u32; 2] = [10, 25];

/// The codes there are. An error with another, or with none that can be read, may end what it names.
const CODES: RangeInclusive<u32> = 1..=28;

/// The codes for what no subscription to news can meet with: they concern markets, indices, shards,
/// or a subscription that there is.
const NOT_OF_NEWS: [u32; 15] = [4, 7, 12, 13, 14, 15, 16, 19, 20, 21, 22, 23, 24, 26, 28];

impl Decoder<'_> {
    pub(super) fn reply(&mut self, e: &Envelope, place: Place, kind: u8) {
        let f = &e.fields;
        let kind = match kind {
            SUBSCRIBED => ReplyKind::Subscribed,
            OK => ReplyKind::Ok,
            ERROR => ReplyKind::Error,
            _ => ReplyKind::Unsubscribed,
        };
        let code = self.integer(f.code).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        // `subscribed` names its subscription in `msg`.
        let sid = if place.sid == 0 { self.sid(f.sid) } else { place.sid };
        let reply = Reply {
            kind,
            id: self.integer(e.id).unwrap_or(0),
            code,
            channel: f.channel,
            text: f.text,
            ends: match kind {
                ReplyKind::Subscribed | ReplyKind::Ok | ReplyKind::Ending | ReplyKind::Asks => false,
                ReplyKind::Unsubscribed => true,
                ReplyKind::Error => {
                    TERMINAL_CODES.contains(&code) || (sid != 0 && !CODES.contains(&code))
                }
            },
            refuses: kind == ReplyKind::Error && !NOT_OF_NEWS.contains(&code),
            instrument: UNKNOWN,
        };
        if kind == ReplyKind::Ok && self.listed(e.msg, reply) {
            return;
        }
        self.push(Place { sid, ..place }, Value::default(), (ABSENT, Body::Reply(reply)));
    }

    fn sid(&mut self, value: Value) -> u32 {
        self.integer(value).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
    }

    /// The answer to a question for all subscriptions: an array, of which each entry becomes a
    /// reply of its own. `false` if there is no such array, or nothing in it.
    fn listed(&mut self, list: Value, reply: Reply) -> bool {
        let before = self.frame.messages.len();
        let Some(mut cursor) = inside(self.bytes, list).filter(|_| given(list)) else {
            return false;
        };
        // It was checked when it was read: what is no array of objects merely ends the walk.
        let _ = elements(&mut cursor, |cursor| {
            let (mut sid, mut channel) = (Value::default(), Value::default());
            members(cursor, |name, cursor| {
                match name {
                    b"sid" => sid = cursor.scalar()?,
                    b"channel" => channel = cursor.scalar()?,
                    _ => cursor.skip()?,
                }
                Ok(())
            })?;
            let place = Place::one(self.sid(sid), 0);
            let body = Body::Reply(Reply { channel, ..reply });
            self.push(place, Value::default(), (ABSENT, body));
            Ok(())
        });
        self.frame.messages.len() > before
    }
}

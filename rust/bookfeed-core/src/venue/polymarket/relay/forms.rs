//! The kinds of events, and where each of their fields stands in a message: one table, which
//! decoders fill in and Python's types are held against.

use super::exact;
use super::record::FieldValue;
use crate::decode::json::{Cursor, JsonError};
use crate::decode::read::{boolean, elements, given, inside, integer, is_text, members};
use crate::decode::stamp;
use crate::span::{Kind as Token, Value};

/// How a member is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A string; anything else is wrong.
    Text,
    /// A string or a number, kept as it is printed: its unit is not known.
    Printed,
    /// A decimal, to the nearest 1e-9.
    Price,
    /// A decimal, to the nearest 1e-8.
    Qty,
    /// A whole number that is not negative.
    Whole,
    /// `true` or `false`.
    Truth,
    /// A moment as RFC 3339 text.
    Moment,
    /// An array of strings.
    Texts,
    /// An array of objects with `price` and `size`.
    Levels,
}

/// A field of an event: what it is called here and in the message, and whether it must be there.
#[derive(Clone, Copy, Debug)]
pub struct FieldForm {
    /// Its name here; units come last.
    pub name: &'static str,
    /// Its name in the message.
    pub member: &'static str,
    /// How it is read.
    pub form: Form,
    /// Whether a message without it is malformed.
    pub required: bool,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal {
        $($need:ident $field:literal $member:literal $form:ident;)+
    })+) => {
        /// What an event is. Codes are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $kind,)+ }

        impl Kind {
            /// Every kind in order of code.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// The name shown to users.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// Its fields, in order.
            #[must_use]
            pub const fn fields(self) -> &'static [FieldForm] {
                match self { $(Self::$kind => &[$(FieldForm {
                    name: $field, member: $member, form: Form::$form, required: kinds!(@$need),
                },)+],)+ }
            }
        }
    };
    (@must) => { true };
    (@may) => { false };
}

kinds! {
    /// A trade on the exchange: one row a participant, or one a transaction.
    ActivityTrade "trade" {
        must "asset" "asset" Text;
        must "market" "conditionId" Text;
        must "side" "side" Text;
        must "price_e9" "price" Price;
        must "qty_e8" "size" Qty;
        may "outcome" "outcome" Text;
        may "outcome_index" "outcomeIndex" Whole;
        may "transaction_hash" "transactionHash" Text;
        may "wallet" "proxyWallet" Text;
        may "event_slug" "eventSlug" Text;
        may "slug" "slug" Text;
        may "title" "title" Text;
        may "name" "name" Text;
        may "pseudonym" "pseudonym" Text;
    }
    /// A comment.
    Comment "comment" {
        must "id" "id" Printed;
        may "body" "body" Text;
        may "parent_type" "parentEntityType" Text;
        may "parent_id" "parentEntityID" Printed;
        may "parent_comment_id" "parentCommentID" Printed;
        may "user_address" "userAddress" Text;
        may "reply_address" "replyAddress" Text;
        may "created_ns" "createdAt" Moment;
        may "updated_ns" "updatedAt" Moment;
    }
    /// A reaction to a comment.
    Reaction "reaction" {
        must "id" "id" Printed;
        may "comment_id" "commentID" Printed;
        may "reaction" "reactionType" Text;
        may "icon" "icon" Text;
        may "user_address" "userAddress" Text;
        may "created_ns" "createdAt" Moment;
    }
    /// A request for quotes.
    QuoteRequest "request" {
        must "request_id" "requestId" Printed;
        may "proxy_address" "proxyAddress" Text;
        may "market" "market" Text;
        may "token" "token" Printed;
        may "complement" "complement" Printed;
        may "state" "state" Text;
        may "side" "side" Printed;
        may "size_in" "sizeIn" Printed;
        may "size_out" "sizeOut" Printed;
        may "price" "price" Printed;
        may "expiry" "expiry" Printed;
    }
    /// A quote in answer to a request.
    RequestedQuote "quote" {
        must "quote_id" "quoteId" Printed;
        may "request_id" "requestId" Printed;
        may "proxy_address" "proxyAddress" Text;
        may "token" "token" Printed;
        may "complement" "complement" Printed;
        may "condition" "condition" Printed;
        may "state" "state" Text;
        may "side" "side" Printed;
        may "size_in" "sizeIn" Printed;
        may "size_out" "sizeOut" Printed;
        may "expiry" "expiry" Printed;
    }
    /// The best bid and ask of a token; an empty side is absent.
    Touch "touch" {
        must "asset" "asset_id" Text;
        may "market" "market" Text;
        may "bid_e9" "best_bid" Price;
        may "ask_e9" "best_ask" Price;
        may "hash" "hash" Text;
    }
    /// A level of a book has another size; retired.
    LevelChange "level_change" {
        must "asset" "a" Text;
        must "price_e9" "p" Price;
        must "qty_e8" "si" Qty;
        must "side" "s" Text;
        may "hash" "h" Text;
        may "bid_e9" "bb" Price;
        may "ask_e9" "ba" Price;
    }
    /// A whole book; retired.
    Book "book" {
        must "asset" "asset_id" Text;
        may "market" "market" Text;
        must "bids" "bids" Levels;
        must "asks" "asks" Levels;
        may "hash" "hash" Text;
        may "tick_size_e9" "tick_size" Price;
    }
    /// A trade of a book; retired.
    LastTrade "last_trade" {
        must "asset" "asset_id" Text;
        may "market" "market" Text;
        must "price_e9" "price" Price;
        may "qty_e8" "size" Qty;
        may "side" "side" Text;
        may "fee_rate_bps" "fee_rate_bps" Printed;
    }
    /// A tick size changed; retired.
    TickSize "tick_size" {
        must "asset" "asset_id" Text;
        may "market" "market" Text;
        may "old_tick_size_e9" "old_tick_size" Price;
        must "new_tick_size_e9" "new_tick_size" Price;
    }
    /// A market came, or was resolved: the type says which; retired.
    MarketNews "market_news" {
        must "market" "market" Text;
        may "assets" "asset_ids" Texts;
        may "tick_size_e9" "tick_size" Price;
        may "min_order_size_e8" "min_order_size" Qty;
        may "neg_risk" "neg_risk" Truth;
    }
    /// An order of the user's; retired.
    OwnOrder "own_order" {
        must "id" "id" Text;
        may "asset" "asset_id" Text;
        may "market" "market" Text;
        may "side" "side" Text;
        may "price_e9" "price" Price;
        may "original_size" "original_size" Printed;
        may "size_matched" "size_matched" Printed;
        may "status" "status" Text;
    }
    /// A trade of the user's; retired.
    OwnTrade "own_trade" {
        must "id" "id" Text;
        may "asset" "asset_id" Text;
        may "market" "market" Text;
        may "side" "side" Text;
        may "price_e9" "price" Price;
        may "size" "size" Printed;
        may "status" "status" Text;
        may "transaction_hash" "transaction_hash" Text;
    }
    /// The relay did what it was asked: the type says what.
    Acknowledged "acknowledged" {
        may "rid" "rid" Printed;
        may "provider" "provider" Text;
    }
    /// The relay refused what it was asked.
    Refused "refused" {
        may "code" "code" Printed;
        may "rid" "rid" Printed;
        may "message" "message" Text;
    }
    /// Frames of a topic are missing: their number shows it, the relay says so, or one could not
    /// be read; the type says which.
    Lost "lost" {
        may "missing" "" Whole;
        may "dropped" "" Whole;
    }
}

impl Kind {
    /// Finds the members of its fields in the object at `cursor`; where each stands, in order.
    pub(super) fn walk(self, cursor: &mut Cursor) -> Result<Vec<Value>, JsonError> {
        let forms = self.fields();
        let mut found = vec![Value::default(); forms.len()];
        members(cursor, |name, cursor| {
            match forms.iter().position(|field| field.member.as_bytes() == name) {
                Some(at) => {
                    let value = cursor.scalar()?;
                    if let Some(slot) = found.get_mut(at) {
                        *slot = value;
                    }
                }
                None => cursor.skip()?,
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Reads what was found; what is wrong and where, if a field is wrong or missing.
    pub(super) fn read(
        self,
        bytes: &[u8],
        found: &[Value],
        fields: &mut Vec<FieldValue>,
    ) -> Result<(), (usize, &'static str)> {
        for (form, &value) in self.fields().iter().zip(found) {
            let there = given(value) && !value.is_absent();
            let read = if there { form.form.read(bytes, value) } else { Some(FieldValue::Absent) };
            let read = read.ok_or((value.start as usize, "a field of another form than is known"))?;
            if form.required && read == FieldValue::Absent {
                return Err((value.start as usize, "a field is missing"));
            }
            fields.push(read);
        }
        Ok(())
    }
}

impl Form {
    /// The field that a value holds; `None` if it is of another form.
    fn read(self, bytes: &[u8], value: Value) -> Option<FieldValue> {
        let mut scratch = Vec::new();
        let scalar = matches!(value.kind, Token::Text | Token::Escaped | Token::Number);
        match self {
            Self::Text => text(bytes, value).filter(|_| is_text(value)).map(FieldValue::Text),
            Self::Printed => text(bytes, value).filter(|_| scalar).map(FieldValue::Text),
            Self::Price => number(bytes, value, |v| exact::price(v).map(|(price, _)| price)),
            Self::Qty => number(bytes, value, exact::qty),
            Self::Whole => {
                let whole = integer(bytes, value, &mut scratch)?;
                i64::try_from(whole).ok().map(FieldValue::Number)
            }
            Self::Truth => boolean(bytes, value).map(FieldValue::Truth),
            Self::Moment => {
                let text = value.text(bytes, &mut scratch);
                stamp::parse(text).map(FieldValue::Number).filter(|_| is_text(value))
            }
            Self::Texts => texts(bytes, value).map(FieldValue::Texts),
            Self::Levels => levels(bytes, value).map(FieldValue::Levels),
        }
    }
}

/// A string or number as text; `None` if it is not UTF-8, which a cursor has refused before.
pub(super) fn text(bytes: &[u8], value: Value) -> Option<Box<str>> {
    let mut scratch = Vec::new();
    std::str::from_utf8(value.text(bytes, &mut scratch)).ok().map(Into::into)
}

fn number(bytes: &[u8], value: Value, unit: impl Fn(i128) -> Option<i64>) -> Option<FieldValue> {
    let mut scratch = Vec::new();
    let scalar = matches!(value.kind, Token::Text | Token::Escaped | Token::Number);
    let read = exact::decimal(value.text(bytes, &mut scratch)).filter(|_| scalar)?;
    unit(read.value).map(FieldValue::Number)
}

fn array(bytes: &[u8], value: Value) -> Option<Cursor<'_>> {
    let is_array = value.kind == Token::Other && value.raw(bytes).first() == Some(&b'[');
    inside(bytes, value).filter(|_| is_array)
}

fn texts(bytes: &[u8], value: Value) -> Option<Vec<Box<str>>> {
    let (mut all, mut good) = (Vec::new(), true);
    elements(&mut array(bytes, value)?, |cursor| {
        let element = cursor.scalar()?;
        match text(bytes, element).filter(|_| is_text(element)) {
            Some(text) => all.push(text),
            None => good = false,
        }
        Ok(())
    })
    .ok()?;
    good.then_some(all)
}

fn levels(bytes: &[u8], value: Value) -> Option<Vec<(i64, i64)>> {
    let (mut all, mut good) = (Vec::new(), true);
    elements(&mut array(bytes, value)?, |cursor| {
        if cursor.peek() != b'{' {
            good = false;
            return cursor.skip();
        }
        let (mut price, mut size) = (Value::default(), Value::default());
        members(cursor, |name, cursor| {
            match name {
                b"price" => price = cursor.scalar()?,
                b"size" => size = cursor.scalar()?,
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
        let price = number(bytes, price, |v| exact::price(v).map(|(price, _)| price));
        match (price, number(bytes, size, exact::qty)) {
            (Some(FieldValue::Number(price)), Some(FieldValue::Number(qty))) => all.push((price, qty)),
            _ => good = false,
        }
        Ok(())
    })
    .ok()?;
    good.then_some(all)
}

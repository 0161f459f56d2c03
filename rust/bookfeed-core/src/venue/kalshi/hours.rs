//! When Kalshi pauses as a whole: every Thursday from 03:00 to 05:00 in New York. Orders can be
//! cancelled then, so books go on changing; nothing says so of any market.

use crate::time::{Nanos, SECOND};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// New York's hours behind UTC in winter; one less in summer.
const WINTER: i64 = 5;
/// From and to, seconds of the day in New York.
const PAUSE: std::ops::Range<i64> = 3 * HOUR..5 * HOUR;

/// Whether nothing can be traded at `ts`.
pub(crate) fn pauses(ts: Nanos) -> bool {
    // The epoch was a Thursday, and the pause comes to the same day in UTC.
    let of_week = ts.rem_euclid(WEEK * SECOND);
    (7 * HOUR * SECOND..10 * HOUR * SECOND).contains(&of_week) && pauses_on_thursday(ts)
}

/// The same, on a Thursday in UTC.
#[cold]
fn pauses_on_thursday(ts: Nanos) -> bool {
    let seconds = ts.div_euclid(SECOND);
    let (day, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let behind = WINTER - i64::from(summer(day));
    PAUSE.contains(&(of_day - behind * HOUR))
}

/// Whether New York has summer time on a Thursday: from the second Sunday of March to the first of
/// November.
fn summer(day: i64) -> bool {
    let year = year_of(day);
    let begins = sunday_from(day_of(year, 3, 8));
    let ends = sunday_from(day_of(year, 11, 1));
    (begins..ends).contains(&day)
}

/// The first Sunday from `day` on.
fn sunday_from(day: i64) -> i64 {
    day + (3 - day).rem_euclid(7)
}

/// Days since the epoch of a date in the Gregorian calendar, counted in years from March on.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let months = (month + 9) % 12;
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (months * 153 + 2) / 5
        + day
        - 1
        - 719_468
}

/// The year of a day since the epoch.
fn year_of(day: i64) -> i64 {
    let guess = 1970 + day.div_euclid(365);
    // Leap days let the guess run ahead by a year at most for every 1,460 years or so.
    (guess - 2..=guess).rev().find(|&year| day_of(year, 1, 1) <= day).unwrap_or(guess)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: i64, month: i64, day: i64, hour: i64, minute: i64) -> Nanos {
        ((day_of(year, month, day) * 24 + hour) * 60 + minute) * 60 * SECOND
    }

    #[test]
    fn thursdays_in_new_york_whatever_the_season() {
        assert_eq!(day_of(1970, 1, 1), 0);
        assert_eq!((day_of(2026, 11, 28), year_of(20_454), year_of(20_453)), (20_785, 2026, 2025));
        // Winter: 08:00 to 10:00 UTC. Summer: 07:00 to 09:00.
        for (date, first) in [
            ((2026, 11, 26), 8),
            ((2026, 10, 29), 7),
            ((2026, 11, 5), 8),
            ((2026, 3, 5), 8),
            ((2026, 3, 12), 7),
            ((2028, 2, 24), 8),
            ((2027, 7, 1), 7),
        ] {
            let (year, month, day) = date;
            let seen = [(first - 1, 59), (first, 0), (first + 1, 59), (first + 2, 0)]
                .map(|(hour, minute)| pauses(at(year, month, day, hour, minute)));
            assert_eq!(seen, [false, true, true, false], "{date:?}");
            for other in 1..7 {
                assert!(!pauses(at(year, month, day, first, 30) + other * DAY * SECOND), "{date:?}");
            }
        }
    }

    #[test]
    fn any_time_can_be_asked_for() {
        for ts in [i64::MIN, -1, 0, i64::MAX] {
            pauses(ts);
        }
    }
}

//! When digests are due.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::options::{Day, DigestOptions};

/// Times of day on days of the week, in a time zone.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    times: Vec<Time>,
    days: Vec<Day>,
    zone: TimeZone,
}

impl Schedule {
    /// `None` where there is no time.
    pub(super) fn of(options: &DigestOptions, zone: TimeZone) -> Option<Schedule> {
        let times = options.times();
        let days = options.days.iter().map(|d| d.value).collect();
        (!times.is_empty()).then_some(Schedule { times, days, zone })
    }

    /// Whether digests are due that were not at `last`: a time of the schedule lies between both. A daemon
    /// that was off at the time makes up for it, once.
    pub(super) fn is_due(&self, last: Timestamp, now: Timestamp) -> bool {
        self.latest(now).is_some_and(|latest| latest > last)
    }

    /// The last time of the schedule up to `now`.
    fn latest(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.clone()).date();
        (0..8).find_map(|ago| {
            let date = today.checked_sub(i64::from(ago).days()).ok()?;
            let wanted = |day: &Day| day.weekday() == date.weekday();
            if !self.days.is_empty() && !self.days.iter().any(wanted) {
                return None;
            }
            let at = |time: &Time| date.to_datetime(*time).to_zoned(self.zone.clone()).ok();
            let instants = self.times.iter().rev().filter_map(at);
            instants
                .map(|z| z.timestamp())
                .find(|instant| *instant <= now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, parse_yaml};

    #[test]
    fn each_time_is_due_once_and_what_was_missed_is_made_up_for_once() {
        let yaml = "at: [\"18:30\", \"07:00\"]\ndays: [mon, wed]";
        let options: DigestOptions = parse_yaml(&Source::new("q.yaml", yaml)).unwrap();
        let schedule = Schedule::of(&options, TimeZone::UTC).unwrap();
        let due = |last: &str, now: &str| {
            let at = |text: &str| format!("2026-11-{text}:00Z").parse().unwrap();
            schedule.is_due(at(last), at(now))
        };
        // The 2nd is a Monday.
        assert!(!due("02T06:00", "02T06:59"));
        assert!(due("02T06:59", "02T07:00"));
        assert!(!due("02T07:00", "02T18:29"));
        assert!(due("02T07:00", "02T18:30"));
        assert!(!due("02T18:30", "03T23:00"));
        assert!(due("02T18:30", "04T07:00"));
        assert!(due("02T18:30", "09T06:00"));
        assert!(!due("04T18:30", "09T06:00"));
        assert!(Schedule::of(&DigestOptions::default(), TimeZone::UTC).is_none());
    }
}

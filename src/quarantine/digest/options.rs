//! `quarantine.digest` as written: when recipients are told what is held for them, and how.

use std::path::{Path, PathBuf};

use jiff::civil::{Time, Weekday};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::template::Template;
use crate::config::{Findings, Problem, Seconds, Source, unwritten};
use crate::quarantine::forward::is_mailbox;

/// Longest template, bytes.
const TEMPLATE_BYTES: u64 = 256 << 10;

/// `quarantine.digest`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DigestOptions {
    /// Times of day, `07:00`, in the time zone of the host. Default: none, so no digests.
    pub at: Vec<Spanned<String>>,
    /// On which days of the week. Default: all.
    pub days: Vec<Spanned<Day>>,
    /// Whom digests are from, `a@example.org` or `Name <a@example.org>`; null for mailweir at this host.
    pub from: Option<Spanned<String>>,
    /// What the links begin with, `https://mail.example.org`; null for digests without links.
    pub base_url: Option<Spanned<String>>,
    /// How long a link releases. Default 7d.
    pub link_valid: Spanned<Seconds>,
    /// Only recipients of these domains are told; empty for all. Default: all.
    pub domains: Vec<Spanned<String>>,
    /// Recipients of these domains are not told. Default: none.
    pub except: Vec<Spanned<String>>,
    /// Messages that one digest lists; of more it gives the number. Default 100.
    pub messages: Spanned<usize>,
    /// Also of messages that the virus scanner named, and their release by link. Default false.
    pub viruses: bool,
    /// The subject, a template. Default `{{count}} messages held for {{recipient}}`.
    pub subject: Spanned<String>,
    /// File with the template of the text; relative to the configuration file. Default: built in.
    pub text: Option<Spanned<PathBuf>>,
    /// File with the template of the HTML; relative to the configuration file. Default: built in.
    pub html: Option<Spanned<PathBuf>>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    pub(super) fn weekday(self) -> Weekday {
        match self {
            Day::Mon => Weekday::Monday,
            Day::Tue => Weekday::Tuesday,
            Day::Wed => Weekday::Wednesday,
            Day::Thu => Weekday::Thursday,
            Day::Fri => Weekday::Friday,
            Day::Sat => Weekday::Saturday,
            Day::Sun => Weekday::Sunday,
        }
    }
}

impl Default for DigestOptions {
    fn default() -> Self {
        DigestOptions {
            at: Vec::new(),
            days: Vec::new(),
            from: None,
            base_url: None,
            link_valid: unwritten(Seconds::new(7 * 86_400)),
            domains: Vec::new(),
            except: Vec::new(),
            messages: unwritten(100),
            viruses: false,
            subject: unwritten("{{count}} messages held for {{recipient}}".to_owned()),
            text: None,
            html: None,
        }
    }
}

impl DigestOptions {
    /// Turns paths that are relative to the folder of the configuration file into whole ones.
    pub(crate) fn resolve(&mut self, base: &Path) {
        for file in [&mut self.text, &mut self.html].into_iter().flatten() {
            file.value = base.join(&file.value);
        }
    }

    pub(in crate::quarantine) fn check(&self, findings: &mut Findings<'_>) {
        for at in self.at.iter().filter(|at| time(&at.value).is_none()) {
            let help = "write hours and minutes, such as \"07:00\" or \"18:30\"";
            findings.wrong_with_help(at, "not a time of day", help);
        }
        if let Some(from) = self.from.as_ref().filter(|f| !is_mailbox(&f.value)) {
            let help = "write a@example.org or Name <a@example.org>";
            findings.wrong_with_help(from, "not an address", help);
        }
        if let Some(url) = self.base_url.as_ref().filter(|u| !is_base(&u.value)) {
            let help = "write https://mail.example.org, where recipients reach the console";
            findings.wrong_with_help(url, "not the beginning of a web address", help);
        }
        findings.within(&self.messages, 1, 1_000, "messages");
        if self.link_valid.value.0.is_zero() {
            let help = "a link must be good for some time, such as 7d";
            findings.wrong_with_help(&self.link_valid, "digest.link_valid is zero", help);
        }
        for domain in self.domains.iter().chain(&self.except) {
            if domain.value.is_empty() || domain.value.contains(['@', '*', ' ']) {
                findings.wrong_with_help(domain, "not a domain", "write example.org");
            }
        }
        if let Err(why) = Template::parse(&self.subject.value) {
            findings.wrong(&self.subject, why.what);
        }
        for file in [&self.text, &self.html].into_iter().flatten() {
            match read(&file.value) {
                Err(why) => findings.wrong(file, why),
                Ok(source) => {
                    let problem = Template::parse(source.text()).err();
                    findings.extend(problem.map(|e| Problem::at(&source, e.place, e.what)));
                }
            }
        }
    }

    /// The times of day, in order.
    pub(super) fn times(&self) -> Vec<Time> {
        let mut times: Vec<Time> = self.at.iter().filter_map(|at| time(&at.value)).collect();
        times.sort_unstable();
        times
    }

    /// Whether recipients of that domain are told.
    pub(super) fn tells(&self, domain: &str) -> bool {
        let among =
            |list: &[Spanned<String>]| list.iter().any(|d| d.value.eq_ignore_ascii_case(domain));
        (self.domains.is_empty() || among(&self.domains)) && !among(&self.except)
    }

    /// The templates of subject, text and HTML.
    ///
    /// # Errors
    /// What is wrong with a file, in words; the options were good when the daemon started.
    pub(super) fn templates(&self) -> Result<[Template; 3], String> {
        let read = |file: &Option<Spanned<PathBuf>>, built_in: &str| match file {
            None => Template::parse(built_in).map_err(|e| e.what),
            Some(file) => {
                let shown = file.value.display();
                let source = read(&file.value)?;
                Template::parse(source.text()).map_err(|e| format!("{shown}: {}", e.what))
            }
        };
        Ok([
            Template::parse(&self.subject.value).map_err(|e| e.what)?,
            read(&self.text, include_str!("digest.txt"))?,
            read(&self.html, include_str!("digest.html"))?,
        ])
    }
}

/// `07:00` and nothing else.
fn time(text: &str) -> Option<Time> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |t: &str| t.parse::<i8>().ok().filter(|_| t.len() == 2);
    Time::new(number(hours)?, number(minutes)?, 0, 0).ok()
}

fn is_base(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty()
            && rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&b))
    })
}

fn read(path: &Path) -> Result<Source, String> {
    let shown = path.display();
    let length = std::fs::metadata(path)
        .map_err(|e| format!("cannot read {shown}: {e}"))?
        .len();
    if length > TEMPLATE_BYTES {
        return Err(format!(
            "{shown} is longer than {} KiB",
            TEMPLATE_BYTES >> 10
        ));
    }
    Source::read(path).map_err(|problem| problem.message)
}

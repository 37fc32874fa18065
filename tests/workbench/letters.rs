//! Letters that are made up: ham and spam share most words, and each has some that the other has seldom.

use std::fmt::Write as _;
use std::path::Path;

/// Numbers that look random and are the same each time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % below
    }
}

/// The text of letter `number`. `own` of a hundred words are of its class, 0 for none.
pub(crate) fn letter(spam: bool, number: u64, own: u64) -> String {
    let mut random = Random(number * 2 + u64::from(spam) + 99);
    for _ in 0..3 {
        random.next(2);
    }
    let mut text = format!(
        "From: Writer {number} <w{number}@example.net>\nTo: reader@example.org\nSubject: letter {number}\nDate: Mon, {} Jan 2024 10:00:00 +0000\n\n",
        1 + number % 28
    );
    for i in 0..80 {
        let word = if random.next(100) < own {
            let class = if spam { "gain" } else { "garden" };
            format!("{class}{}", random.next(40))
        } else {
            format!("word{}", random.next(400))
        };
        let _ = write!(text, "{word}{}", if i % 10 == 9 { "\n" } else { " " });
    }
    text
}

/// Writes letters as single files into `folder`.
pub(crate) fn write(folder: &Path, spam: bool, numbers: impl Iterator<Item = u64>, own: u64) {
    std::fs::create_dir_all(folder).unwrap();
    for number in numbers {
        let text = letter(spam, number, own);
        std::fs::write(folder.join(format!("{number:04}.eml")), text).unwrap();
    }
}

//! An input made of seeds by some of the changes that fuzzers make: the same one for the same number.

/// Longest input.
const BYTES: usize = 64 << 10;
/// What means something to one reader or another.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"--b",
    b"--b--\r\n",
    b"=?utf-8?q?",
    b"?=",
    b"%n",
    b"%%",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80",
    b"\0\0\0\x01",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"obj<<",
    b">>stream\n",
    b"/URI(",
    b"{\\*",
    b"\\bin9999 ",
    b"<script>",
    b"<!--",
    b"&#x202e;",
    b"\xe2\x80\xae",
    b"{{",
    b"}}",
    b"[",
    b"- ",
    b": ",
    b"(?i)",
    b"{1,1000}",
    b"data:text/html;base64,",
    b"Content-Type: ",
    b"boundary=",
    b"begin 644 a\n",
];

/// Draws by a number (splitmix64).
pub(crate) struct Mutation(u64);

impl Mutation {
    pub(crate) fn new(number: u64) -> Mutation {
        Mutation(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap()
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A piece of `of`, short more often than long.
    fn piece<'a>(&mut self, of: &'a [u8]) -> &'a [u8] {
        let start = self.below(of.len());
        let most = of.len() - start;
        let length = 1 + self.below(most).min(1 << self.below(13));
        &of[start..(start + length).min(of.len())]
    }

    /// An input.
    pub(crate) fn of(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.one(seeds).clone();
        for _ in 0..1 + self.below(8) {
            let at = self.below(input.len() + 1);
            match self.below(8) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 if at < input.len() => input[at] = self.next().to_le_bytes()[0],
                2 => input.truncate(at),
                3 => {
                    let length = self.piece(&input).len();
                    input.drain(at..(at + length).min(input.len()));
                }
                4 => {
                    let again = self.piece(&input).to_vec();
                    let times = 1 + self.below(20);
                    input.splice(at..at, again.repeat(times));
                }
                5 => {
                    let other = self.one(seeds).clone();
                    input.splice(at..at, self.piece(&other).to_vec());
                }
                6 => {
                    let word = self.one(WORDS).to_vec();
                    let end = (at + self.below(word.len() + 1)).min(input.len());
                    input.splice(at..end, word);
                }
                _ => {
                    let word = self.one(WORDS).to_vec();
                    input.splice(at..at, word);
                }
            }
            input.truncate(BYTES);
        }
        input
    }
}

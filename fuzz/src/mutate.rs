//! Makes inputs from seeds, the same ones on every run.

/// Pieces that mean something to a target.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"ffffffffffffffff",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Host: a\r\n",
    b"GET / HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0",
    b"\x7f",
    b"\xff",
    b"{",
    b"}",
    b"[",
    b"]",
    b"- ",
    b"\n  ",
    b"&a ",
    b"*a",
    b"!!str ",
    b"|\n",
    b"\"",
    b"'",
    b"\\u0000",
    b"1e999",
    b"-1",
    b"18446744073709551616",
    b"null",
    b"~",
    b"\"@type\": ",
    b"typed_config: ",
];

/// Longest input that is made, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// A source of inputs; see the module.
pub struct Mutator<'a> {
    seeds: &'a [Vec<u8>],
    state: u64,
}

impl<'a> Mutator<'a> {
    /// Starts from these seeds; the same number gives the same inputs.
    pub fn new(seeds: &'a [Vec<u8>], number: u64) -> Self {
        Self {
            seeds,
            state: number | 1,
        }
    }

    /// The next input: a seed, changed in one to eight places.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.pick_seed();
        for _ in 0..=self.below(8) {
            self.change(&mut input);
        }
        input.truncate(MAX_BYTES);
        input
    }

    fn pick_seed(&mut self) -> Vec<u8> {
        let index = self.below(self.seeds.len());
        self.seeds.get(index).cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + 1 + self.below(16)).min(input.len());
        match self.below(7) {
            0 => {
                let bit = 1 << self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= bit;
                }
            }
            1 => {
                let random = self.below(256) as u8;
                if let Some(byte) = input.get_mut(at) {
                    *byte = random;
                }
            }
            2 | 3 => {
                let word = WORDS.get(self.below(WORDS.len())).copied();
                insert(input, at, word.unwrap_or_default());
            }
            4 if at < end => drop(input.drain(at..end)),
            5 if at < end => {
                let again = input.get(at..end).unwrap_or_default().to_vec();
                let to = self.below(input.len() + 1);
                insert(input, to, &again);
            }
            _ => {
                let other = self.pick_seed();
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(other.get(from..).unwrap_or_default());
            }
        }
    }

    /// A number below `bound`; 0 when that is 0.
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % bound.max(1)
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let after = input.split_off(at);
    input.extend_from_slice(piece);
    input.extend_from_slice(&after);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_inputs() {
        let seeds = [b"abc".to_vec(), b"0123456789".to_vec()];
        let mut once = Mutator::new(&seeds, 7);
        let mut again = Mutator::new(&seeds, 7);
        let mut other = Mutator::new(&seeds, 8);
        let first: Vec<_> = (0..50).map(|_| once.next_input()).collect();
        let second: Vec<_> = (0..50).map(|_| again.next_input()).collect();
        let third: Vec<_> = (0..50).map(|_| other.next_input()).collect();
        assert_eq!(first, second);
        assert_ne!(first, third);
    }
}

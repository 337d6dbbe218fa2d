//! MT19937: the random source by which Envoy looks for another host, so that it finds the same ones.

const SIZE: usize = 624;
const PERIOD: usize = 397;

/// The generator.
#[derive(Debug)]
pub(super) struct Twister {
    state: [u32; SIZE],
    next: usize,
}

impl Twister {
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [seed; SIZE];
        let mut last = seed;
        for (place, word) in (1..).zip(state.iter_mut().skip(1)) {
            last = (last ^ (last >> 30))
                .wrapping_mul(1_812_433_253)
                .wrapping_add(place);
            *word = last;
        }
        Self { state, next: SIZE }
    }

    /// A number below `limit`, which is at least 1.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        let bucket = (1_u64 << 32) / u64::from(limit.max(1));
        loop {
            let number = u64::from(self.next_u32()) / bucket;
            if let Ok(number) = u32::try_from(number)
                && number < limit.max(1)
            {
                return number;
            }
        }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next >= SIZE {
            self.twist();
        }
        let mut word = self.at(self.next);
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for place in 0..SIZE {
            let joined = (self.at(place) & 0x8000_0000) | (self.at(place + 1) & 0x7fff_ffff);
            let magic = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            let word = self.at(place + PERIOD) ^ (joined >> 1) ^ magic;
            if let Some(at) = self.state.get_mut(place) {
                *at = word;
            }
        }
        self.next = 0;
    }

    fn at(&self, place: usize) -> u32 {
        self.state.get(place % SIZE).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Twister;

    #[test]
    fn the_ten_thousandth_number_is_that_of_the_standard() {
        let mut twister = Twister::new(5489);
        let last = (0..10_000).map(|_| twister.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn numbers_keep_below_their_limit() {
        let mut twister = Twister::new(1);
        assert!((0..1000).all(|_| twister.below(3) < 3));
        assert_eq!(twister.below(1), 0);
    }
}

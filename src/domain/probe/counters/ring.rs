//! A ring of time buckets of one width. A bucket takes two bytes until one would overflow, then all take four.

use super::{Count, Tally};

/// All looks of a bucket, and the bad ones.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Buckets {
    /// Up to 255 looks each: a minute at any interval, an hour at 15 s and more.
    Narrow(Box<[[u8; 2]]>),
    /// Up to 65,535 looks each. The densest looks, ten a second, make 36,000 an hour.
    Wide(Box<[[u16; 2]]>),
}

/// The bucket of number n (time divided by width) stands at n modulo the length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ring {
    /// Seconds of a bucket.
    width: i64,
    /// The number of the newest bucket; `None` before the first look.
    newest: Option<i64>,
    buckets: Buckets,
}

impl Ring {
    pub(super) fn new(width: i64, length: usize) -> Self {
        Self { width: width.max(1), newest: None, buckets: Buckets::Narrow(vec![[0; 2]; length].into_boxed_slice()) }
    }

    pub(super) fn record(&mut self, second: i64, count: Count) {
        let number = second.div_euclid(self.width);
        self.advance(number);
        self.add(number, 1, u16::from(count == Count::Bad));
    }

    /// The sum of the last `seconds` up to the bucket of `now`.
    pub(super) fn tally(&self, seconds: i64, now: i64) -> Tally {
        let (Some(newest), length) = (self.newest, self.length()) else { return Tally::default() };
        let last = now.div_euclid(self.width);
        let wanted = (seconds / self.width).clamp(1, length);
        let from = last.saturating_sub(wanted - 1).max(newest.saturating_sub(length - 1));
        let to = last.min(newest);
        if from > to {
            return Tally::default();
        }
        // At most two stretches: to the end of the ring, and on from its beginning.
        let (begin, count) = (self.place(from), usize::try_from(to - from + 1).unwrap_or(0));
        let total = usize::try_from(length).unwrap_or(0);
        let first = count.min(total - begin);
        let (one, other) = (self.sum(begin, first), self.sum(0, count - first));
        Tally { all: one.all + other.all, bad: one.bad + other.bad }
    }

    /// Makes a ring of another length, with as many of the newest buckets as it holds.
    pub(super) fn resize(&mut self, length: usize) {
        if self.length() == i64::try_from(length).unwrap_or(i64::MAX) {
            return;
        }
        let mut resized = Self::new(self.width, length);
        for (number, all, bad) in self.filled().collect::<Vec<_>>().into_iter().rev() {
            resized.restore(number, all, bad);
        }
        if let Some(newest) = self.newest {
            resized.advance(newest);
        }
        *self = resized;
    }

    /// Puts a bucket back that an earlier process has counted; from old to new.
    pub(super) fn restore(&mut self, number: i64, all: u16, bad: u16) {
        self.advance(number);
        self.add(number, all, bad.min(all));
    }

    pub(super) fn newest(&self) -> Option<i64> {
        self.newest
    }

    pub(super) fn length(&self) -> i64 {
        let length = match &self.buckets {
            Buckets::Narrow(buckets) => buckets.len(),
            Buckets::Wide(buckets) => buckets.len(),
        };
        i64::try_from(length).unwrap_or(i64::MAX).max(1)
    }

    /// Number, all and bad of every bucket with a look, from new to old.
    pub(super) fn filled(&self) -> impl Iterator<Item = (i64, u16, u16)> {
        let newest = self.newest.unwrap_or(0);
        let kept = if self.newest.is_some() { self.length() } else { 0 };
        (0..kept).filter_map(move |back| {
            let number = newest.checked_sub(back)?;
            let [all, bad] = self.bucket(number);
            (all > 0).then_some((number, all, bad))
        })
    }

    pub(super) fn bytes(&self) -> usize {
        match &self.buckets {
            Buckets::Narrow(buckets) => std::mem::size_of_val(&**buckets),
            Buckets::Wide(buckets) => std::mem::size_of_val(&**buckets),
        }
    }

    /// Makes `number` a bucket of the ring: the ones between the newest and it become empty.
    fn advance(&mut self, number: i64) {
        let length = self.length();
        let Some(newest) = self.newest else {
            self.newest = Some(number);
            return;
        };
        let ahead = number.saturating_sub(newest);
        if ahead >= length || ahead <= -length {
            self.clear();
            self.newest = Some(number);
        } else if ahead > 0 {
            for next in newest + 1..=number {
                self.set(next, [0; 2]);
            }
            self.newest = Some(number);
        }
    }

    fn add(&mut self, number: i64, all: u16, bad: u16) {
        let [before_all, before_bad] = self.bucket(number);
        self.set(number, [before_all.saturating_add(all), before_bad.saturating_add(bad)]);
    }

    fn bucket(&self, number: i64) -> [u16; 2] {
        let place = self.place(number);
        match &self.buckets {
            Buckets::Narrow(buckets) => buckets.get(place).map_or([0; 2], |counts| counts.map(u16::from)),
            Buckets::Wide(buckets) => buckets.get(place).copied().unwrap_or_default(),
        }
    }

    fn set(&mut self, number: i64, counts: [u16; 2]) {
        let place = self.place(number);
        if let Buckets::Narrow(buckets) = &mut self.buckets {
            if let (Ok(all), Ok(bad)) = (u8::try_from(counts[0]), u8::try_from(counts[1])) {
                if let Some(bucket) = buckets.get_mut(place) {
                    *bucket = [all, bad];
                }
                return;
            }
            self.buckets = Buckets::Wide(buckets.iter().map(|counts| counts.map(u16::from)).collect());
        }
        if let Buckets::Wide(buckets) = &mut self.buckets
            && let Some(bucket) = buckets.get_mut(place)
        {
            *bucket = counts;
        }
    }

    fn clear(&mut self) {
        match &mut self.buckets {
            Buckets::Narrow(buckets) => buckets.fill([0; 2]),
            Buckets::Wide(buckets) => buckets.fill([0; 2]),
        }
    }

    fn place(&self, number: i64) -> usize {
        usize::try_from(number.rem_euclid(self.length())).unwrap_or(0)
    }

    fn sum(&self, begin: usize, count: usize) -> Tally {
        match &self.buckets {
            Buckets::Narrow(buckets) => total(buckets.get(begin..begin + count).unwrap_or_default()),
            Buckets::Wide(buckets) => total(buckets.get(begin..begin + count).unwrap_or_default()),
        }
    }
}

/// In 32 bits, which 2,160 buckets of 65,535 looks do not fill: half the time of a sum in 64.
fn total<T: Copy + Into<u32>>(buckets: &[[T; 2]]) -> Tally {
    let (all, bad) = buckets.iter().fold((0u32, 0u32), |(all, bad), [more, worse]| {
        (all.wrapping_add((*more).into()), bad.wrapping_add((*worse).into()))
    });
    Tally { all: u64::from(all), bad: u64::from(bad) }
}

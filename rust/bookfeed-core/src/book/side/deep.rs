//! The worse levels of a long side, in blocks of memory: one that comes or goes moves no more than
//! those of its block.
//!
//! A directory has each block's best price, and the blocks in order. Blocks lie in one piece of
//! memory and are used again. One that is full is split, one that is nearly empty joins another.

use crate::event::{Level, Side};
use crate::fixed::{Price, Qty};

/// Levels that a block has room for.
const BLOCK: usize = 256;
/// Levels of a block that is laid out anew: some may come before it is split.
pub(super) const FILLED: usize = 192;
/// A block of fewer levels joins another, if the two leave room in one.
const FEW: usize = 64;

/// A block: the price of its best level, as a key, and where it is.
#[derive(Clone, Copy, Debug)]
struct Head {
    best: Price,
    /// Which piece of the memory.
    piece: usize,
    len: usize,
}

impl Head {
    const fn start(self) -> usize {
        self.piece * BLOCK
    }
}

/// Where a level is, or belongs.
#[derive(Clone, Copy, Debug)]
struct Place {
    block: usize,
    at: usize,
}

/// Levels of one side in order, the best last. No block is empty.
#[derive(Clone, Debug)]
pub struct Deep {
    memory: Vec<Level>,
    heads: Vec<Head>,
    free: Vec<usize>,
    len: usize,
    /// What turns a price into a key, of which a better price has a greater one.
    flip: Price,
}

impl Deep {
    /// No levels.
    pub(super) const fn new(side: Side) -> Self {
        let flip = match side {
            Side::Bid => 0,
            Side::Ask => -1,
        };
        Self { memory: Vec::new(), heads: Vec::new(), free: Vec::new(), len: 0, flip }
    }

    /// Number of levels.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Number of blocks.
    pub(super) const fn blocks(&self) -> usize {
        self.heads.len()
    }

    /// The levels of a block, the best last. Blocks are counted from the worst on.
    pub(super) fn block(&self, block: usize) -> &[Level] {
        let head = self.heads[block];
        &self.memory[head.start()..][..head.len]
    }

    /// Number of levels of the worst `blocks` blocks.
    pub(super) fn len_of(&self, blocks: usize) -> usize {
        self.heads[..blocks].iter().map(|head| head.len).sum()
    }

    /// The worst level.
    pub(super) fn worst(&self) -> Option<&Level> {
        self.heads.first().map(|head| &self.memory[head.start()])
    }

    /// The best level.
    pub(super) fn best(&self) -> Option<&Level> {
        self.heads.last().map(|head| &self.memory[head.start() + head.len - 1])
    }

    const fn key(&self, price: Price) -> Price {
        price ^ self.flip
    }

    /// The first level that is not worse than `price`, or the place behind the best one.
    #[inline]
    fn place(&self, price: Price) -> Place {
        let key = self.key(price);
        let block = self.heads.partition_point(|head| head.best < key);
        if block == self.heads.len() {
            let block = block.saturating_sub(1);
            return Place { block, at: self.heads.get(block).map_or(0, |head| head.len) };
        }
        let at = self.block(block).partition_point(|level| self.key(level.price) < key);
        Place { block, at }
    }

    /// Number of levels worse than `price`.
    pub(super) fn count_worse(&self, price: Price) -> usize {
        let Place { block, at } = self.place(price);
        self.len_of(block) + at
    }

    /// The level of a price.
    pub(super) fn level(&self, price: Price) -> Option<&Level> {
        let Place { block, at } = self.place(price);
        let head = self.heads.get(block)?;
        let level = self.memory[head.start()..][..head.len].get(at)?;
        (level.price == price).then_some(level)
    }

    /// Sets the absolute size at a price; zero removes the level. Returns the size before, 0 if
    /// there was no such level.
    #[inline]
    pub(super) fn set(&mut self, level: Level) -> Qty {
        let place = self.place(level.price);
        let levels = self.heads.get(place.block).map(|head| head.start()..head.start() + head.len);
        let known = levels.and_then(|levels| self.memory[levels].get_mut(place.at));
        match known {
            Some(known) if known.price == level.price => {
                let before = known.qty;
                if level.qty == 0 {
                    self.remove(place);
                } else {
                    (known.qty, known.forms) = (level.qty, level.forms);
                }
                before
            }
            _ => {
                if level.qty != 0 {
                    self.insert(place, level);
                }
                0
            }
        }
    }

    fn insert(&mut self, mut place: Place, level: Level) {
        if self.heads.is_empty() {
            return self.push_best(&[level]);
        }
        if self.heads[place.block].len == BLOCK {
            self.split(place.block);
            let half = self.heads[place.block].len;
            if place.at > half {
                place = Place { block: place.block + 1, at: place.at - half };
            }
        }
        let best = self.key(level.price);
        let head = &mut self.heads[place.block];
        let (start, len) = (head.start(), head.len);
        self.memory.copy_within(start + place.at..start + len, start + place.at + 1);
        self.memory[start + place.at] = level;
        head.len += 1;
        head.best = head.best.max(best);
        self.len += 1;
    }

    fn remove(&mut self, place: Place) {
        let head = &mut self.heads[place.block];
        let (start, len) = (head.start(), head.len);
        self.memory.copy_within(start + place.at + 1..start + len, start + place.at);
        head.len -= 1;
        self.len -= 1;
        match head.len {
            0 => {
                self.free.push(head.piece);
                self.heads.remove(place.block);
            }
            len => {
                let best = self.memory[start + len - 1].price;
                self.heads[place.block].best = self.key(best);
                if len < FEW {
                    self.join(place.block);
                }
            }
        }
    }

    /// A piece of memory that no block has.
    fn piece(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            let piece = self.memory.len() / BLOCK;
            self.memory.resize(self.memory.len() + BLOCK, Level::default());
            piece
        })
    }

    /// Makes two blocks of a full one.
    #[cold]
    fn split(&mut self, block: usize) {
        let piece = self.piece();
        let head = self.heads[block];
        let half = head.len / 2;
        let better = Head { piece, len: head.len - half, ..head };
        self.memory.copy_within(head.start() + half..head.start() + head.len, better.start());
        let best = self.key(self.memory[head.start() + half - 1].price);
        self.heads[block] = Head { best, len: half, ..head };
        self.heads.insert(block + 1, better);
    }

    /// Lets a block of few levels become one with a neighbour, if that leaves room.
    fn join(&mut self, block: usize) {
        let fits = |worse: usize| {
            let both = self.heads.get(worse..worse + 2)?;
            (both[0].len + both[1].len <= FILLED).then_some(worse)
        };
        let Some(worse) = fits(block).or_else(|| fits(block.checked_sub(1)?)) else { return };
        let better = self.heads.remove(worse + 1);
        let head = &mut self.heads[worse];
        let end = head.start() + head.len;
        self.memory.copy_within(better.start()..better.start() + better.len, end);
        (head.best, head.len) = (better.best, head.len + better.len);
        self.free.push(better.piece);
    }

    /// Takes levels in order that are better than all there are.
    pub(super) fn push_best(&mut self, levels: &[Level]) {
        for part in levels.chunks(FILLED) {
            let piece = self.piece();
            let best = part.last().map_or(0, |level| self.key(level.price));
            let head = Head { best, piece, len: part.len() };
            self.memory[head.start()..][..part.len()].copy_from_slice(part);
            self.heads.push(head);
            self.len += part.len();
        }
    }

    /// Gives the best block away, by putting its levels in front of `levels`.
    pub(super) fn pop_best(&mut self, levels: &mut Vec<Level>) {
        let Some(head) = self.heads.pop() else { return };
        let block = &self.memory[head.start()..][..head.len];
        levels.splice(0..0, block.iter().copied());
        self.free.push(head.piece);
        self.len -= head.len;
    }

    /// Removes every level, keeping the memory.
    pub(super) fn clear(&mut self) {
        self.free.extend(self.heads.drain(..).map(|head| head.piece));
        self.len = 0;
    }

    /// Whether the directory is as the blocks are, and the levels are in order.
    pub(super) fn ordered(&self) -> bool {
        let sound = |block: usize| {
            let levels = self.block(block);
            let best = levels.last().map(|level| self.key(level.price));
            best == Some(self.heads[block].best)
                && levels.windows(2).all(|pair| self.key(pair[0].price) < self.key(pair[1].price))
        };
        let first = |head: &Head| self.key(self.memory[head.start()].price);
        (0..self.blocks()).all(sound)
            && self.heads.windows(2).all(|pair| pair[0].best < first(&pair[1]))
            && self.len_of(self.blocks()) == self.len
    }
}

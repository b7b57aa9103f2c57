//! The maps of pixels, outputs and their gradients.

use lanes::{LANES, Lanes};

use super::{Channels, PLANE, POINTS, Strip, TAPS, Tiles, vector, vector_mut};
use crate::Before;
use crate::vectors::{chunk, chunk_mut};

/// Pixels of a row of a strip, and what is written beyond them.
const LINE: usize = 3 * LANES;

/// The lanes of a strip that have a tile before and after them in their row, as bits.
#[derive(Clone, Copy)]
pub(super) struct Edges {
    before: u16,
    after: u16,
}

impl Edges {
    pub(super) fn of(tiles: Tiles) -> Self {
        let columns = tiles.columns();
        let starts = (0..LANES).step_by(columns);
        let lanes = |offset: usize| {
            let lanes = starts.clone().map(|start| start + offset).filter(|&lane| lane < LANES);
            lanes.fold(u16::MAX, |bits, lane| bits & !(1 << lane))
        };
        Self { before: lanes(0), after: lanes(columns - 1) }
    }
}

/// Bᵀ d B of a channel, for every tile of a strip.
#[inline(always)]
pub(super) fn pixels<L: Lanes>(
    tiles: Tiles,
    strip: &Strip,
    edges: Edges,
    images: Channels<'_>,
    channel: usize,
    to: &mut [f32; PLANE],
) {
    let [a, b, c, d] = if tiles.width == 2 * LANES {
        whole_rows::<L, 2>(tiles, strip, images, channel)
    } else if tiles.width == LANES {
        whole_rows::<L, 1>(tiles, strip, images, channel)
    } else {
        rows::<L>(tiles, strip, images, channel)
    };
    let mut rows = [[L::splat(0.0); 2]; 4];
    for j in 0..2 {
        rows[0][j] = a[j].sub(c[j]);
        rows[1][j] = b[j].add(c[j]);
        rows[2][j] = c[j].sub(b[j]);
        rows[3][j] = b[j].sub(d[j]);
    }
    for (i, [left, right]) in rows.into_iter().enumerate() {
        // Of the four columns of a tile, the second and the third; the first is the third of the tile before.
        let [second, third] = left.deinterleave(right);
        let (first, fourth) = (third.up().keep(edges.before), second.down().keep(edges.after));
        first.sub(third).store(vector_mut(to, 4 * i));
        second.add(third).store(vector_mut(to, 4 * i + 1));
        third.sub(second).store(vector_mut(to, 4 * i + 2));
        second.sub(fourth).store(vector_mut(to, 4 * i + 3));
    }
}

/// The four rows of pixels that every row of tiles sees, of images as wide as `V` vectors.
#[inline(always)]
fn whole_rows<L: Lanes, const V: usize>(
    tiles: Tiles,
    strip: &Strip,
    images: Channels<'_>,
    channel: usize,
) -> [[L; 2]; 4] {
    let mut rows = [[L::splat(0.0); 2]; 4];
    for (band, &[image, row]) in strip.rows().iter().take(2 / V).enumerate() {
        let pixels = images.channel(tiles, image, channel).as_chunks().0.as_chunks::<V>().0;
        for (i, to) in rows.iter_mut().enumerate() {
            // Row 2·row + i − 1, if there is one.
            if let Some(pixels) = (2 * row + i).checked_sub(1).and_then(|y| pixels.get(y)) {
                for (to, pixels) in to[band * V..].iter_mut().zip(pixels) {
                    *to = entering(L::load(pixels), images.before);
                }
            }
        }
    }
    rows
}

/// The same of images of another width, the rows of a strip one after the other.
#[inline(always)]
fn rows<L: Lanes>(
    tiles: Tiles,
    strip: &Strip,
    images: Channels<'_>,
    channel: usize,
) -> [[L; 2]; 4] {
    let mut lines = [[0.0; LINE]; 4];
    let step = 2 * tiles.columns();
    for (band, &[image, row]) in strip.rows().iter().enumerate() {
        let pixels = images.channel(tiles, image, channel);
        for (i, line) in lines.iter_mut().enumerate() {
            let line = &mut line[band * step..];
            let y = 2 * row + i;
            if 0 < y && y <= tiles.height {
                let pixels = &pixels[(y - 1) * tiles.width..][..tiles.width];
                copy::<L>(pixels, images.before, line);
            } else {
                clear::<L>(tiles.width, line);
            }
        }
    }
    let mut rows = [[L::splat(0.0); 2]; 4];
    for (row, line) in rows.iter_mut().zip(&lines) {
        *row = [L::load(vector(line, 0)), L::load(vector(line, 1))];
    }
    rows
}

#[inline(always)]
fn entering<L: Lanes>(vector: L, before: Before) -> L {
    match before {
        Before::Nothing => vector,
        Before::Relu => vector.relu(),
    }
}

/// Writes a row of pixels to a line, and zeros up to the next vector.
#[inline(always)]
fn copy<L: Lanes>(pixels: &[f32], before: Before, line: &mut [f32]) {
    let (head, tail) = pixels.split_at(pixels.len().min(LANES));
    for (part, at) in [(head, 0), (tail, LANES)] {
        let vector = match part.as_array() {
            Some(whole) => L::load(whole),
            None if part.is_empty() => continue,
            None => L::load_part(part),
        };
        entering(vector, before).store(chunk_mut(line, at));
    }
}

/// Writes zeros where a row of pixels would be.
#[inline(always)]
fn clear<L: Lanes>(width: usize, line: &mut [f32]) {
    for at in (0..width).step_by(LANES) {
        L::splat(0.0).store(chunk_mut(line, at));
    }
}

/// Aᵀ m A of an output channel, written to the places of every tile of a strip; `channel` is that and the number
/// of channels.
#[inline(always)]
pub(super) fn outputs<L: Lanes>(
    tiles: Tiles,
    strip: &Strip,
    made: &[f32; PLANE],
    [channel, n_channels]: [usize; 2],
    out: &mut [f32],
) {
    let mut rows = [[L::splat(0.0); 4]; 2];
    let [upper, lower] = &mut rows;
    for (j, (upper, lower)) in upper.iter_mut().zip(lower).enumerate() {
        let mut column = [L::splat(0.0); 4];
        for (i, value) in column.iter_mut().enumerate() {
            *value = L::load(vector(made, 4 * i + j));
        }
        [*upper, *lower] = narrow(column);
    }
    let mut lines = [[0.0; LINE]; 2];
    for (row, line) in rows.into_iter().zip(&mut lines) {
        let [left, right] = narrow(row);
        let [left, right] = left.interleave(right);
        left.store(vector_mut(line, 0));
        right.store(vector_mut(line, 1));
    }
    let (area, step) = (tiles.area(), 2 * tiles.columns());
    for (band, [image, row]) in strip.rows().iter().copied().enumerate() {
        let places = &mut out[(image * n_channels + channel) * area..][..area];
        let rows = places[2 * row * tiles.width..].chunks_exact_mut(tiles.width);
        for (places, line) in rows.zip(&lines) {
            paste::<L>(&line[band * step..], places);
        }
    }
}

/// Aᵀ m.
#[inline(always)]
fn narrow<L: Lanes>([a, b, c, d]: [L; 4]) -> [L; 2] {
    [a.add(b).add(c), b.sub(c).sub(d)]
}

/// Writes the first numbers of a line to a row of places.
#[inline(always)]
fn paste<L: Lanes>(line: &[f32], places: &mut [f32]) {
    let (head, tail) = places.split_at_mut(places.len().min(LANES));
    for (part, at) in [(head, 0), (tail, LANES)] {
        if let Some(part) = part.as_mut_array::<LANES>() {
            *part = *chunk(line, at);
        } else if !part.is_empty() {
            L::load(chunk(line, at)).store_part(part);
        }
    }
}

/// A y Aᵀ of the gradients of `n` output channels, whole vectors, for every tile of a strip:
/// `[LANES][POINTS][n]` from those of images, `[places][n]` each, every `step` numbers.
#[inline(always)]
pub(super) fn slopes<L: Lanes>(
    tiles: Tiles,
    strip: &Strip,
    places: &[f32],
    [n, step]: [usize; 2],
    to: &mut [f32],
) {
    let mut to = to.chunks_exact_mut(POINTS * n);
    for &[image, row] in strip.rows() {
        let rows = &places[image * step..][2 * row * tiles.width * n..];
        let mut rows = rows.chunks_exact(tiles.width * n).take(tiles.height - 2 * row);
        let upper = rows.next().unwrap_or_default();
        let lower = rows.next().unwrap_or_default();
        for (column, to) in (0..tiles.columns()).zip(&mut to) {
            for first in (0..n).step_by(LANES) {
                let at = 2 * column * n + first;
                let left = spread([part::<L>(upper, at), part::<L>(lower, at)]);
                let right = spread([part::<L>(upper, at + n), part::<L>(lower, at + n)]);
                for i in 0..4 {
                    let [a, b, c, d] = spread([left[i], right[i]]);
                    a.store(chunk_mut(to, 4 * i * n + first));
                    b.store(chunk_mut(to, (4 * i + 1) * n + first));
                    c.store(chunk_mut(to, (4 * i + 2) * n + first));
                    d.store(chunk_mut(to, (4 * i + 3) * n + first));
                }
            }
        }
    }
}

/// The same of half a vector of output channels, those of two neighboring places or points beside each other:
/// `[LANES][POINTS][LANES / 2]` from `[places][LANES / 2]`.
#[inline(always)]
pub(super) fn slopes_by_half<L: Lanes>(
    tiles: Tiles,
    strip: &Strip,
    places: &[f32],
    step: usize,
    to: &mut [f32],
) {
    const FIRST: u16 = 0x00ff;
    let width = tiles.width * LANES / 2;
    let mut to = to.as_chunks_mut::<LANES>().0.as_chunks_mut::<{ POINTS / 2 }>().0.iter_mut();
    for &[image, row] in strip.rows() {
        let rows = &places[image * step..][2 * row * width..];
        let mut rows = rows.chunks_exact(width).take(tiles.height - 2 * row);
        let upper = rows.next().unwrap_or_default();
        let lower = rows.next().unwrap_or_default();
        for (column, to) in (0..tiles.columns()).zip(&mut to) {
            let at = column * LANES;
            let both = spread([part::<L>(upper, at), part::<L>(lower, at)]);
            for (both, [one, other]) in both.into_iter().zip(to.as_chunks_mut().0) {
                // Of left and right: left, left + right; left − right, −right.
                let (left, right) = (both.lows(both), both.highs(both));
                left.add(right.keep(!FIRST)).store(one);
                left.keep(FIRST).sub(right).store(other);
            }
        }
    }
}

/// As many numbers as there are, and zeros beyond the end.
#[inline(always)]
fn part<L: Lanes>(values: &[f32], at: usize) -> L {
    match values.get(at..at + LANES) {
        Some(values) => L::load(chunk(values, 0)),
        None => L::load_part(values.get(at..).unwrap_or_default()),
    }
}

/// A y.
#[inline(always)]
fn spread<L: Lanes>([a, b]: [L; 2]) -> [L; 4] {
    [a, a.add(b), a.sub(b), L::splat(0.0).sub(b)]
}

/// Gᵀ u G of `POINTS` vectors.
#[inline(always)]
pub(super) fn taps<L: Lanes>(u: [L; POINTS]) -> [L; TAPS] {
    let mut rows = [[L::splat(0.0); 4]; 3];
    for j in 0..4 {
        let column = gather([u[j], u[4 + j], u[8 + j], u[12 + j]]);
        for (row, value) in rows.iter_mut().zip(column) {
            row[j] = value;
        }
    }
    let mut taps = [L::splat(0.0); TAPS];
    for (row, taps) in rows.into_iter().zip(taps.as_chunks_mut::<3>().0) {
        *taps = gather(row);
    }
    taps
}

/// Gᵀ u.
#[inline(always)]
fn gather<L: Lanes>([a, b, c, d]: [L; 4]) -> [L; 3] {
    let half = L::splat(0.5);
    let (sum, difference) = (b.add(c), b.sub(c));
    [sum.mul_add(half, a), difference.mul_add(half, L::splat(0.0)), sum.mul_add(half, d)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_last_tile_of_a_row_have_an_edge() {
        let edges = |width| Edges::of(Tiles { height: 4, width });
        let Edges { before, after } = edges(8);
        assert_eq!([before, after], [!0b0001_0001_0001_0001, !0b1000_1000_1000_1000]);
        let Edges { before, after } = edges(32);
        assert_eq!([before, after], [!1, !(1 << 15)]);
        // Three rows of five tiles and a lane that none of them has.
        let Edges { before, after } = edges(9);
        assert_eq!(before & 0x7fff, !0b000_0100_0010_0001 & 0x7fff);
        assert_eq!(after & 0x7fff, !0b100_0010_0001_0000 & 0x7fff);
    }
}

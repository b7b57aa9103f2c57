use crate::{Isa, LANES, Lanes, Work};

struct Sums([[f32; LANES]; LANES]);

impl Work for Sums {
    type Output = [f32; LANES];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        L::sums(self.0.map(|vector| L::load(&vector)))
    }
}

/// a · b + c − a.
struct Arithmetic([[f32; LANES]; 3]);

impl Work for Arithmetic {
    type Output = [f32; LANES];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let [a, b, c] = self.0;
        let a = L::load(&a);
        let mut output = [0.0; LANES];
        a.mul_add(L::load(&b), L::load(&c)).sub(a).store(&mut output);
        output
    }
}

#[test]
fn arithmetic_is_rounded_once_on_all_sets() {
    let number = |i: usize, step: f32| (i as f32 * step).sin();
    let inputs = [0.7, 1.3, 2.9].map(|step| std::array::from_fn(|i| number(i, step)));
    let [a, b, c]: [[f32; LANES]; 3] = inputs;
    let expected: [f32; LANES] = std::array::from_fn(|i| a[i].mul_add(b[i], c[i]) - a[i]);
    for isa in Isa::available() {
        let found = isa.run(Arithmetic(inputs));
        assert_eq!(found.map(f32::to_bits), expected.map(f32::to_bits), "{isa:?}");
    }
}

/// a + b and a − b.
struct Sum([[f32; LANES]; 2]);

impl Work for Sum {
    type Output = [[f32; LANES]; 2];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let [a, b] = self.0;
        let (a, b) = (L::load(&a), L::load(&b));
        let mut output = self.0;
        a.add(b).store(&mut output[0]);
        a.sub(b).store(&mut output[1]);
        output
    }
}

#[test]
fn sums_and_differences_are_those_of_single_numbers() {
    let [a, b]: [[f32; LANES]; 2] =
        [0.7, 1.3].map(|step| std::array::from_fn(|i| (i as f32 * step).sin()));
    for isa in Isa::available() {
        let [sum, difference] = isa.run(Sum([a, b]));
        for i in 0..LANES {
            assert_eq!(sum[i].to_bits(), (a[i] + b[i]).to_bits(), "{isa:?}");
            assert_eq!(difference[i].to_bits(), (a[i] - b[i]).to_bits(), "{isa:?}");
        }
    }
}

/// The lanes of two vectors in turns, and what undoes it.
struct Interleave([[f32; LANES]; 2]);

impl Work for Interleave {
    type Output = [[[f32; LANES]; 2]; 2];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let [a, b] = self.0;
        let turns = L::load(&a).interleave(L::load(&b));
        let back = turns[0].deinterleave(turns[1]);
        let mut output = [self.0; 2];
        for (to, vectors) in output.iter_mut().zip([turns, back]) {
            for (to, vector) in to.iter_mut().zip(vectors) {
                vector.store(to);
            }
        }
        output
    }
}

#[test]
fn lanes_take_turns_and_are_put_back() {
    let [a, b]: [[f32; LANES]; 2] =
        [0.0, 100.0].map(|first| std::array::from_fn(|i| first + i as f32));
    let expected: Vec<f32> = a.iter().zip(&b).flat_map(|(a, b)| [*a, *b]).collect();
    let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for isa in Isa::available() {
        let [turns, back] = isa.run(Interleave([a, b]));
        assert_eq!(bits(turns.as_flattened()), bits(&expected), "{isa:?}");
        assert_eq!(bits(back.as_flattened()), bits([a, b].as_flattened()), "{isa:?}");
    }
}

/// The first lanes, and zeros after them; and into as many numbers of an array of ones.
struct Part<'a>(&'a [f32]);

impl Work for Part<'_> {
    type Output = ([f32; LANES], [f32; 2 * LANES]);

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let vector = L::load_part(self.0);
        let (mut whole, mut part) = ([1.0; LANES], [1.0; 2 * LANES]);
        vector.store(&mut whole);
        vector.store_part(&mut part[..self.0.len()]);
        (whole, part)
    }
}

#[test]
fn parts_are_read_and_written_and_nothing_beyond() {
    let numbers: Vec<f32> = (1..20).map(|i| i as f32 / 4.0).collect();
    for n in 0..numbers.len() {
        for isa in Isa::available() {
            let (whole, part) = isa.run(Part(&numbers[..n]));
            for (found, beyond) in [(&whole[..], 0.0), (&part[..], 1.0_f32)] {
                for (i, found) in found.iter().enumerate() {
                    let expected = if i < n.min(LANES) { numbers[i] } else { beyond };
                    assert_eq!(found.to_bits(), expected.to_bits(), "{i} of {n}, {isa:?}");
                }
            }
        }
    }
}

struct Transpose([[f32; LANES]; LANES]);

impl Work for Transpose {
    type Output = [[f32; LANES]; LANES];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let mut output = self.0;
        for (to, vector) in output.iter_mut().zip(L::transpose(self.0.map(|v| L::load(&v)))) {
            vector.store(to);
        }
        output
    }
}

#[test]
fn every_number_is_transposed() {
    let rows: [[f32; LANES]; LANES] =
        std::array::from_fn(|i| std::array::from_fn(|j| (LANES * i + j) as f32));
    for isa in Isa::available() {
        for (j, column) in isa.run(Transpose(rows)).iter().enumerate() {
            for (number, row) in column.iter().zip(&rows) {
                assert_eq!(number.to_bits(), row[j].to_bits(), "{isa:?}");
            }
        }
    }
}

#[test]
fn sums_have_the_same_bits_on_all_sets() {
    let number = |i: usize| (i as f32 * 0.7).sin() * 1.0e3_f32.powi((i % 5) as i32 - 2);
    let vectors: [[f32; LANES]; LANES] =
        std::array::from_fn(|v| std::array::from_fn(|lane| number(v * LANES + lane)));
    let expected = Isa::available()[0].run(Sums(vectors));
    for (sum, vector) in expected.iter().zip(&vectors) {
        let exact: f64 = vector.iter().map(|&x| f64::from(x)).sum();
        let size: f32 = vector.iter().map(|x| x.abs()).sum();
        // Four roundings of sums no larger than that of the magnitudes.
        assert!((f64::from(*sum) - exact).abs() <= f64::from(4.0 * f32::EPSILON * size));
    }
    for isa in Isa::available() {
        let found = isa.run(Sums(vectors));
        assert_eq!(found.map(f32::to_bits), expected.map(f32::to_bits), "{isa:?}");
    }
}

/// ReLU, the lanes of every third bit, and all of them one place up and down.
struct Moved([f32; LANES]);

/// Every third bit.
const KEPT: u16 = 0b1001_0010_0100_1001;

impl Work for Moved {
    type Output = [[f32; LANES]; 4];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let vector = L::load(&self.0);
        let mut output = [self.0; 4];
        vector.relu().store(&mut output[0]);
        vector.keep(KEPT).store(&mut output[1]);
        vector.up().store(&mut output[2]);
        vector.down().store(&mut output[3]);
        output
    }
}

#[test]
fn lanes_are_cleared_and_moved() {
    let mut lanes: [f32; LANES] = std::array::from_fn(|i| (i as f32 - 7.5) * 2.0);
    lanes[3] = -0.0;
    lanes[9] = f32::NAN;
    let or_zero = |kept: bool, lane: f32| if kept { lane } else { 0.0 };
    for isa in Isa::available() {
        let [relu, kept, up, down] = isa.run(Moved(lanes));
        for (i, &lane) in lanes.iter().enumerate() {
            let same = |found: f32, expected: f32| {
                assert_eq!(found.to_bits(), expected.to_bits(), "lane {i}, {isa:?}");
            };
            let is_negative = lane < 0.0;
            same(relu[i], or_zero(!is_negative, lane));
            same(kept[i], or_zero(KEPT >> i & 1 == 1, lane));
            same(up[i], if i == 0 { 0.0 } else { lanes[i - 1] });
            same(down[i], if i + 1 == LANES { 0.0 } else { lanes[i + 1] });
        }
    }
}

/// Halves of two vectors, and of two numbers.
struct Halves([[f32; LANES]; 2]);

impl Work for Halves {
    type Output = [[f32; LANES]; 3];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let [a, b] = self.0;
        let (one, other) = (L::load(&a), L::load(&b));
        let mut output = [a; 3];
        one.lows(other).store(&mut output[0]);
        one.highs(other).store(&mut output[1]);
        L::halves(a[0], b[0]).store(&mut output[2]);
        output
    }
}

#[test]
fn halves_are_put_together() {
    const HALF: usize = LANES / 2;
    let [one, other]: [[f32; LANES]; 2] =
        [0.0, 100.0].map(|first| std::array::from_fn(|i| first + i as f32));
    for isa in Isa::available() {
        let [lows, highs, halves] = isa.run(Halves([one, other]));
        for i in 0..LANES {
            let from = if i < HALF { one } else { other };
            let expected = [from[i % HALF], from[HALF + i % HALF], from[0]];
            let found = [lows[i], highs[i], halves[i]];
            assert_eq!(found.map(f32::to_bits), expected.map(f32::to_bits), "lane {i}, {isa:?}");
        }
    }
}

/// The lanes of a vector where another is above 0.
struct WherePositive([[f32; LANES]; 2]);

impl Work for WherePositive {
    type Output = [f32; LANES];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let [vector, other] = self.0;
        let mut output = vector;
        L::load(&vector).where_positive(L::load(&other)).store(&mut output);
        output
    }
}

#[test]
fn lanes_are_kept_where_others_are_positive() {
    let vector = [-2.0, f32::NAN, f32::INFINITY, -0.0, 5.0];
    let others = [3.0, -1.0, 0.0, -0.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE];
    // Every number of one beside every one of the other.
    let pairs: Vec<[f32; 2]> =
        vector.iter().flat_map(|&x| others.map(|other| [x, other])).collect();
    for pairs in pairs.chunks(LANES) {
        let lane = |i: usize| pairs.get(i).copied().unwrap_or_default();
        let numbers = [0, 1].map(|side| std::array::from_fn(|i| lane(i)[side]));
        for isa in Isa::available() {
            let found: [f32; LANES] = isa.run(WherePositive(numbers));
            for (i, found) in found.into_iter().enumerate() {
                let [x, other] = lane(i);
                let expected = if 0.0 < other { x } else { 0.0 };
                assert_eq!(found.to_bits(), expected.to_bits(), "{x} by {other}, {isa:?}");
            }
        }
    }
}

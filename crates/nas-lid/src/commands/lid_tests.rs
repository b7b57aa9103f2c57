use std::io::Write;

use serde_json::Value;

use super::*;

/// What is printed for a file of that content and two neighbors.
fn printed(
    bytes: &[u8],
    distances: bool,
    degenerate: Degenerate,
    format: Format,
) -> Result<String> {
    printed_by(Estimator::Mle, 2, bytes, distances, degenerate, format)
}

/// The same by another estimator and as many neighbors.
fn printed_by(
    estimator: Estimator,
    neighbors: usize,
    bytes: &[u8],
    distances: bool,
    degenerate: Degenerate,
    format: Format,
) -> Result<String> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    let options = Options {
        file: file.path().to_owned(),
        distances,
        neighbors,
        estimator,
        discard: 0.1,
        bootstrap: 50,
        confidence: 0.9,
        seed: 1,
        per_point: true,
        degenerate,
    };
    output(&options, format)
}

/// The same for points on a line.
fn of(points: &[f32], degenerate: Degenerate, format: Format) -> Result<String> {
    let shape = format!("({}, 1)", points.len());
    let numbers: Vec<u8> = points.iter().flat_map(|point| point.to_le_bytes()).collect();
    let file = matrix::npy_fixture("<f4", "False", &shape, &numbers);
    printed(&file, false, degenerate, format)
}

#[test]
fn distances_give_what_their_points_give() {
    let points = [0.0, 1.0, 3.0, 7.0];
    let distances = b"[[0, 1, 3, 7], [1, 0, 2, 6], [3, 2, 0, 4], [7, 6, 4, 0]]";
    let of_points = of(&points, Degenerate::Error, Format::Json).unwrap();
    let of_distances = printed(distances, true, Degenerate::Error, Format::Json).unwrap();
    let [mut a, mut b] =
        [of_points, of_distances].map(|text| serde_json::from_str::<Value>(&text).unwrap());
    assert_eq!((a["d"].take(), b["d"].take()), (json!(1), Value::Null));
    for value in [&mut a, &mut b] {
        value["seconds"].take();
    }
    assert_eq!(a, b);

    let error = printed(b"a,b\n0,1\n", true, Degenerate::Error, Format::Json).unwrap_err();
    assert!(format!("{error:#}").ends_with(": 1 rows of 2 distances are no square matrix"));
    let refused = |matrix: &str, expected: &str| {
        let error = printed(matrix.as_bytes(), true, Degenerate::Error, Format::Json);
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.ends_with(expected), "{error}");
    };
    let other = "[[0, 1, 3], [1, 0, 2], [3, 2.5, 0]]";
    refused(other, "not symmetric: row 2, column 1 is 2.5, mirrored 2");
    refused("[[0, 1, 3], [1, 4, 2], [3, 2, 0]]", "the distance of row 1 from itself is 4, not 0");
}

#[test]
fn four_points_on_a_line_give_what_is_computed_by_hand() {
    let text = of(&[0.0, 1.0, 3.0, 7.0], Degenerate::Error, Format::Json).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((value["n"].as_u64(), value["d"].as_u64()), (Some(4), Some(1)));
    assert_eq!((&value["estimator"], &value["skipped"]), (&json!("mle"), &json!(0)));
    // Distances 1 3, 1 2, 2 3 and 4 6: each is 2 ∕ ln(r₂ ∕ r₁).
    let expected = [3.0_f64, 2.0, 1.5, 1.5].map(|ratio| 2.0 / ratio.ln());
    for (got, expected) in value["per_point"].as_array().unwrap().iter().zip(expected) {
        assert!((got.as_f64().unwrap() - expected).abs() < 1e-12);
    }
    let mean = expected.iter().sum::<f64>() / 4.0;
    assert!((value["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    let interval = |at: usize| value["mean_interval"][at].as_f64().unwrap();
    assert!(expected[0] <= interval(0) && interval(0) < mean && mean < interval(1));
}

/// The dimension at every point of some columns of 64-bit numbers.
fn per_point(d: usize, numbers: &[f64], estimator: Estimator, neighbors: usize) -> Vec<f64> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let shape = format!("({}, {d})", numbers.len() / d);
    let file = matrix::npy_fixture("<f8", "False", &shape, &bytes);
    let text =
        printed_by(estimator, neighbors, &file, false, Degenerate::Error, Format::Json).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    value["per_point"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn points_far_from_the_others_are_not_rounded() {
    let line = [0.0, 1.0, 3.0, 7.0];
    let by_hand = [3.0_f64, 2.0, 1.5, 1.5].map(|ratio| 2.0 / ratio.ln());
    let both: Vec<f64> = line.iter().copied().chain(line.map(|place| place + 1e9)).collect();
    for (found, expected) in
        per_point(1, &both, Estimator::Mle, 2).iter().zip(by_hand.iter().cycle())
    {
        assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    }
    // Tiny, beside a column that 32 bits hold.
    let columns: Vec<f64> = both.iter().flat_map(|place| [1984.0, place * 1e-40]).collect();
    for (found, expected) in
        per_point(2, &columns, Estimator::Mle, 2).iter().zip(by_hand.iter().cycle())
    {
        assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
    }
}

#[test]
fn tight_localities_far_from_the_others_are_not_rounded() {
    let line = [0.0, 1.0, 3.0, 7.0, 12.0];
    let both: Vec<f64> = line.iter().copied().chain(line.map(|place| place + 1e9)).collect();
    let one = per_point(1, &line, Estimator::Tle, 4);
    assert_eq!(per_point(1, &both, Estimator::Tle, 4), one.repeat(2));
}

#[test]
fn tight_localities_of_decimals_are_those_of_whole_numbers() {
    // Of neighbors mirrored at a point what lies between cancels, if all is rounded alike.
    let places: [f64; 20] = std::array::from_fn(|i| i as f64);
    let whole = per_point(1, &places, Estimator::Tle, 4);
    let decimals = per_point(1, &places.map(|place| place / 10.0), Estimator::Tle, 4);
    for (found, expected) in decimals.iter().zip(&whole) {
        assert!((found - expected).abs() < 1e-5 * expected, "{found} for {expected}");
    }
}

#[test]
fn duplicates_are_refused_or_skipped() {
    let points = [0.0, 0.0, 1.0, 3.0, 7.0];
    let error = format!("{:#}", of(&points, Degenerate::Error, Format::Text).unwrap_err());
    assert!(error.ends_with("row 0 have no dimension: a duplicate at distance zero"), "{error}");
    let text = of(&points, Degenerate::Skip, Format::Text).unwrap();
    assert!(text.starts_with("points         5 of 1 features, 3 skipped\n"), "{text}");
    assert!(text.contains("\n-\n-\n"), "{text}");
}

#[test]
fn too_few_points_are_refused_with_the_file() {
    let error = format!("{:#}", of(&[0.0, 1.0], Degenerate::Error, Format::Text).unwrap_err());
    assert!(error.ends_with(": 2 neighbors need at least 3 points, got 2"), "{error}");
}

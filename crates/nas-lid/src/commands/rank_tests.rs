use std::io::Write;

use serde_json::Value;

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn ranked(predictions: &str, truth: &str, truth_column: Option<&str>) -> Result<String> {
    printed(predictions, truth, truth_column, 100, Format::Json)
}

fn printed(
    predictions: &str,
    truth: &str,
    truth_column: Option<&str>,
    resamples: usize,
    format: Format,
) -> Result<String> {
    let (predictions, truth) = (file(predictions), file(truth));
    let options = Options {
        predictions: predictions.path().to_owned(),
        truth: truth.path().to_owned(),
        column: None,
        truth_column: truth_column.map(str::to_owned),
        against: None,
        resamples,
        confidence: 0.95,
        seed: 1,
    };
    output(&options, format)
}

const TRUTH: &str = "arch,cifar10,cifar100\n|d~0|,92,1\n|b~0|,93,2\n|a~0|,90,3\n\
                     |unused~0|,99,9\n|c~0|,91,4\n";

#[test]
fn rows_are_joined_by_their_key() {
    // The example of crate `rank`, in another order.
    let predictions = "arch,score\n|a~0|,0.1\n|b~0|,0.4\n|c~0|,0.2\n|d~0|,0.9\n";
    let text = ranked(predictions, TRUTH, None).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["n"], 4);
    assert!((value["kendall_tau_b"].as_f64().unwrap() - 4.0 / 6.0).abs() < 1e-12);
    assert!((value["spearman"].as_f64().unwrap() - 0.8).abs() < 1e-12);
    assert_eq!(value["precision_at"], json!({ "1": 0.0, "5": 0.0, "10": 0.0 }));
    assert_eq!((&value["regret_top1"], &value["best_of_10"]), (&json!(1.0), &json!(93.0)));

    let other = ranked(predictions, TRUTH, Some("cifar100")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&other).unwrap()["best_of_10"], json!(4.0));
}

#[test]
fn figures_have_intervals_where_there_are_resamples() {
    let predictions = "arch,score\n|a~0|,0.1\n|b~0|,0.4\n|c~0|,0.2\n|d~0|,0.9\n";
    let value: Value = serde_json::from_str(&ranked(predictions, TRUTH, None).unwrap()).unwrap();
    let holds = |interval: &Value, least: f64, most: f64| {
        let [low, high] = [0, 1].map(|end| interval[end].as_f64().unwrap());
        assert!(least <= low && low < high && high <= most, "{interval}");
    };
    holds(&value["spearman_interval"], -1.0, 1.0);
    holds(&value["precision_at_interval"]["10"], 0.0, 1.0);
    // Of four true values between 90 and 93.
    holds(&value["regret_top1_interval"], 0.0, 3.0);
    holds(&value["best_of_10_interval"], 90.0, 93.0);

    let bare = printed(predictions, TRUTH, None, 0, Format::Json).unwrap();
    let bare: Value = serde_json::from_str(&bare).unwrap();
    for key in ["kendall_tau_b", "spearman", "regret_top1", "best_of_10"] {
        assert_eq!(bare[key], value[key]);
        assert_eq!(bare[format!("{key}_interval")], Value::Null);
    }
    let text = printed(predictions, TRUTH, None, 0, Format::Text).unwrap();
    assert!(text.contains("\nSpearman ρ     0.8000\nprecision 1 %  0.0000\n"), "{text}");
    assert!(text.ends_with("\nregret         1\nbest of ten    93\n"), "{text}");
}

#[test]
fn what_cannot_be_ranked_is_refused_with_its_files() {
    let refused = |predictions: &str, expected: &str| {
        let error = format!("{:#}", ranked(predictions, TRUTH, None).unwrap_err());
        assert!(error.contains(expected), "{error}");
    };
    refused("arch,score\n|a~0|,1\n|x~0|,2\n|y~0|,3\n", "has no row `|x~0|` of /");
    refused("arch,score\n|a~0|,1\n|b~0|,1\n", ": all predicted values are equal");
    refused("arch,score\n", ": need at least");
    let unknown = ranked("arch,score\n", TRUTH, Some("svhn")).unwrap_err();
    assert!(format!("{unknown:#}").ends_with(": there is no column `svhn`"));
}

#[test]
fn columns_are_found_by_name_or_place() {
    let rows = |name| parse("arch,a,b\n|x~0|,1,2\n|y~0|,3,4\n", name).unwrap();
    assert_eq!(rows(None), [("|x~0|".to_owned(), 1.0), ("|y~0|".to_owned(), 3.0)]);
    assert_eq!(rows(Some("b")), [("|x~0|".to_owned(), 2.0), ("|y~0|".to_owned(), 4.0)]);
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(format!("{:#}", parse(text, None).unwrap_err()), expected);
}

#[test]
fn resamples_without_a_rank_are_counted() {
    let text = ranked("arch,score\n|a~0|,1\n|b~0|,2\n", TRUTH, None).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    // Of two rows one is drawn twice half of the time.
    let skipped = value["resamples_skipped"].as_u64().unwrap();
    assert!((20..80).contains(&skipped), "{skipped} of 100");
}

#[test]
fn a_column_is_one() {
    let error = parse("arch,a,a\n|x~0|,1,2\n", Some("a")).unwrap_err();
    assert_eq!(error.to_string(), "there are several columns `a`");
}

#[test]
fn bad_rows_are_named_by_line() {
    refused("", "a key and a number are needed in every row");
    refused("arch\nx\n", "a key and a number are needed in every row");
    refused("arch,a\nx,1\ny,nan\n", "line 3: `nan` is no finite number");
    refused("arch,a\nx,1\ny,\n", "line 3: `` is no finite number");
    refused("arch,a\nx,1\ny,1,2\n", "line 3: 3 fields, not 2");
    refused("arch,a\nx,1\nx,2\n", "line 3 repeats the key `x` of line 2");
}

#[test]
fn lines_are_counted_as_editors_count_them() {
    refused("arch,a\r\nx,1\r\ny,nan\r\n", "line 3: `nan` is no finite number");
    refused("arch,a\n\n\nx,1,1\n", "line 4: 3 fields, not 2");
    refused("\u{feff}arch,a\r\nx,1\r\nx,2", "line 3 repeats the key `x` of line 2");
    refused("arch,a\n\"x\ny\",1\nz,?\n", "line 4: `?` is no finite number");
}

//! What a run was made with.

use serde::{Deserialize, Serialize};

use crate::run_dir::digest;

/// What a run is a function of, and how it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config_sha256: String,
    pub(crate) data_sha256: String,
    /// Of the other files that the configuration names.
    pub(crate) inputs_sha256: String,
    /// Of the table of true accuracies, which the report alone depends on; none if it is not known.
    pub(crate) truth_sha256: Option<String>,
    /// With a mark of the sources, if they are not those of the commit.
    pub(crate) commit: String,
    pub(crate) device: String,
    /// What began the run, which another may continue; runs of older programs do not know.
    #[serde(default)]
    pub(crate) command: String,
}

/// What two manifests disagree in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Discord {
    pub(crate) part: &'static str,
    /// What was found, and what is there now.
    pub(crate) what: String,
    pub(crate) advice: String,
}

/// What to do where all that was made is of no use.
pub(crate) const ANEW: &str = "for a new run choose another --out, or move it away";

/// What to do where files are looked for in the wrong folder.
const BY_DATA: &str = "give the --data that holds it";

impl Manifest {
    /// A digest of all that makes the run: the table may come later, and how it began does not matter.
    pub(crate) fn identity(&self) -> String {
        let Self { config_sha256, data_sha256, inputs_sha256, commit, device, .. } = self;
        let parts = [config_sha256, data_sha256, inputs_sha256, commit, device];
        digest(parts.map(String::as_str).join("\n").as_bytes())
    }

    /// Why what this one has made cannot be gone on with by `now`, configurations aside.
    pub(crate) fn discord(&self, now: &Self) -> Option<Discord> {
        let part = |part, found: &str, now: &str, advice: &str| {
            let what = format!("{found}, now {now}");
            (found != now).then(|| Discord { part, what, advice: advice.to_owned() })
        };
        let inputs = "first weights or latency table";
        // A table that comes later adds to the report; one that is gone would take from it.
        let table = || {
            let now = now.truth_sha256.as_deref().unwrap_or("none");
            part("table of true accuracies", self.truth_sha256.as_deref()?, now, BY_DATA)
        };
        part("set of images", &self.data_sha256, &now.data_sha256, BY_DATA)
            .or_else(|| part(inputs, &self.inputs_sha256, &now.inputs_sha256, ANEW))
            .or_else(|| part("commit of the program", &self.commit, &now.commit, ANEW))
            .or_else(|| {
                let advice = format!("give --device {}", self.device);
                part("device", &self.device, &now.device, &advice)
            })
            .or_else(table)
    }
}

/// What this process was started by, to be pasted into a shell.
pub(crate) fn command() -> String {
    std::env::args_os().map(|of| quoted(&of.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// An argument as a shell reads it.
fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./=:,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
impl Manifest {
    /// That of a run with such a configuration.
    pub(crate) fn of(config: &str) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            config_sha256: digest(config.as_bytes()),
            data_sha256: text("images"),
            inputs_sha256: text("inputs"),
            truth_sha256: None,
            commit: text("now"),
            device: text("cpu"),
            command: text("run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_told_apart_by_all_that_makes_them() {
        let first = || Manifest::of("seed = 1");
        let text = |text: &str| text.to_owned();
        let same = Manifest { truth_sha256: Some(text("a")), command: text("resume"), ..first() };
        assert_eq!(same.identity(), first().identity());
        assert_eq!(first().discord(&same), None);
        assert_ne!(Manifest::of("seed = 2").identity(), first().identity());
        for other in [
            Manifest { data_sha256: text("others"), ..first() },
            Manifest { inputs_sha256: text("others"), ..first() },
            Manifest { commit: text("later"), ..first() },
            Manifest { device: text("cuda:0"), ..first() },
        ] {
            assert_ne!(other.identity(), first().identity());
            assert!(first().discord(&other).is_some(), "{other:?}");
        }
    }

    #[test]
    fn a_table_that_comes_later_is_welcome_and_one_that_goes_is_missed() {
        let with = |table: &str| Manifest {
            truth_sha256: Some(table.to_owned()),
            ..Manifest::of("seed = 1")
        };
        let without = Manifest::of("seed = 1");
        assert_eq!(without.discord(&with("a")), None);
        let gone = with("a").discord(&without).unwrap();
        assert_eq!((gone.what.as_str(), gone.part), ("a, now none", "table of true accuracies"));
        assert!(with("a").discord(&with("b")).is_some());
    }

    #[test]
    fn a_shell_reads_arguments_back() {
        assert_eq!(quoted("--set"), "--set");
        assert_eq!(quoted("split.methods=[\"lid\"]"), "'split.methods=[\"lid\"]'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
